/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/node.h"
#include <stdio.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "core/message-json.h"
#include "node-controller/jobs.h"
#include "node-controller/nets.h"

#define JOB_THREADS 8
#define PREPARE_THREADS 32
#define OPERATOR_THREADS 64
#define JOBS_MAX 100000

/* ---- effects ---- */

static struct mq_token take_token(struct node *n, uint64_t number)
{
    struct mq_token none = {0, 0};
    for (size_t k = 0; k < n->deliveries.len; k++) {
        if (n->deliveries.data[k].number == number) {
            struct mq_token token = n->deliveries.data[k].token;
            array_remove_swap(&n->deliveries, k);
            return token;
        }
    }
    return none;
}

/* A report that is lost is missed by its number, and an inventory asked for. */
static void report(struct node *n, const struct message *m)
{
    _cleanup_free_ char *now = clock_iso8601(clock_wall_ms());
    _cleanup_free_ char *body = message_encode(m, now);
    _cleanup_free_ char *key = xasprintf("%s.%s.%s", m->zone.text, m->node.text, message_type_name(m->type));
    struct mq_message out = {
        .exchange = "mallee.report", .key = key, .body = body, .len = strlen(body), .ttl_ms = 60000};
    error_ignore(mq_publish(n->mq, &out, NULL, NULL));
    if (m->type == MESSAGE_OBSERVED && m->observed != OBSERVED_STEP)
        log_info("%s %s%s%s", m->id.text,
                 m->observed == OBSERVED_RUNNING ? "runs" : "ended", m->text ? ": " : "", m->text ? m->text : "");
}

/* The next effects build on a durable write: without it the daemon ends, and starts from what is stored. */
static bool must(struct node *n, struct error *e)
{
    if (e)
        daemon_fail(n->daemon, e);
    return e == NULL;
}

/* Whoever is held may ask the metadata service, and has a place on the network. */
static void note_guest(struct node *n, const struct node_record *r)
{
    if (r->present)
        guests_put(n->guests, &r->id, r->body);
    else
        guests_drop(n->guests, &r->id);
}

static bool carry_out(struct node *n, struct node_effect *e)
{
    switch (e->kind) {
    case NODE_WRITE_RECORD:
        note_guest(n, &e->record);
        return must(n, state_write_record(n->state, &e->record));
    case NODE_WRITE_SHARED:
        return must(n, state_write_shared(n->state, &e->shared));
    case NODE_DROP_SHARED:
        return must(n, state_drop_shared(n->state, &e->shared.id));
    case NODE_SHARED:
        nets_share(n, &e->shared);
        return true;
    case NODE_WRITE_OPERATION:
        return must(n, state_write_operation(n->state, &e->operation));
    case NODE_DROP_OPERATION:
        return must(n, state_drop_operation(n->state, &e->operation.id));
    case NODE_DROP_RECORD:
        return must(n, state_drop_record(n->state, &e->record.id));
    case NODE_WRITE_SELF:
        return must(n, state_write_self(n->state, &e->self, n->boot_id));
    case NODE_ACK:
        mq_ack(n->mq, take_token(n, e->token));
        return true;
    case NODE_REPORT:
        log_set_request(e->message.request_id);
        report(n, &e->message);
        log_set_request(NULL);
        return true;
    default:
        jobs_start(n, e);
        return true;
    }
}

void node_carry_out(struct node *n)
{
    bool ok = true;
    for (size_t k = 0; ok && k < n->model->effects.len; k++)
        ok = carry_out(n, &n->model->effects.data[k]);
    n->stopping |= !ok;
    node_effects_clear(n->model);
}

/* ---- on the loop ---- */

struct arrival {
    struct node *n;
    struct mq_token token;
    struct message message;
};

static void take_arrival(void *arg)
{
    struct arrival *a = arg;
    struct node *n = a->n;
    if (!n->stopping) {
        log_set_request(a->message.request_id);
        log_debug("%s of %s generation %ju", message_type_name(a->message.type), a->message.id.text,
                  (uintmax_t)a->message.generation);
        array_push(&n->deliveries, ((struct node_delivery){++n->numbers, a->token}));
        node_on_delivery(n->model, n->numbers, &a->message);
        log_set_request(NULL);
        node_carry_out(n);
    }
    message_free(&a->message);
    free(a);
}

static void take_connected(void *arg)
{
    struct node *n = arg;
    n->deliveries.len = 0;
    node_on_connected(n->model);
}

static void take_hypervisor(void *arg)
{
    struct node *n = arg;
    n->model->list_left = 0;
}

struct domain_event {
    struct node *n;
    struct id instance;
    enum domain_end what;
};

static void take_event(void *arg)
{
    struct domain_event *event = arg;
    static const char *const why[] = {"", "the guest powered off", "its domain was destroyed",
                                      "its domain crashed", "its domain failed"};
    if (event->what != DOMAIN_STARTED && event->what != DOMAIN_REBOOTED && !event->n->stopping) {
        enum observation what = event->what == DOMAIN_SHUTDOWN ? OBSERVED_SHUT_DOWN : OBSERVED_ENDED;
        node_on_domain_event(event->n->model, event->instance.text, what, why[event->what]);
        node_carry_out(event->n);
    }
    free(event);
}

static void kept(void *arg)
{
    struct node *n = arg;
    n->keeping = false;
}

static void keep_images(void *arg)
{
    struct node *n = arg;
    if (n->asking)
        image_cache_ask(n->images);
    image_cache_tidy(n->images);
    loop_post(daemon_loop(n->daemon), kept, n);
}

static void images_tick(struct node *n, int64_t elapsed)
{
    int64_t spent = timing_spend(&n->timing, elapsed);
    n->keep_left -= spent;
    n->ask_left -= spent;
    if (n->keeping || n->keep_left > 0)
        return;
    n->keep_left = n->timing.images;
    n->asking = n->ask_left <= 0;
    if (n->asking)
        n->ask_left = n->timing.images_asked;
    struct error *e = workers_submit(n->keeper, keep_images, n);
    n->keeping = e == NULL;
    error_free(e);
}

static void on_timer(void *arg)
{
    struct node *n = arg;
    int64_t now = clock_mono_ms();
    loop_timer_set(n->timer, n->timing.tick);
    if (n->stopping)
        return;
    node_on_tick(n->model, now - n->last_tick);
    nets_tick(n, now - n->last_tick);
    images_tick(n, now - n->last_tick);
    n->last_tick = now;
    node_carry_out(n);
}

/* ---- on other threads ---- */

static void on_delivery(void *arg, const struct mq_delivery *d)
{
    struct node *n = arg;
    struct arrival *a = xnew0(struct arrival);
    a->n = n;
    a->token = d->token;
    struct error *e = message_decode(d->body, d->len, &a->message);
    if (e) {
        log_failure(LOG_WARNING, e, "message dropped");
        mq_reject(n->mq, d->token);
        free(a);
        return;
    }
    loop_post(daemon_loop(n->daemon), take_arrival, a);
}

static void on_broker(void *arg, enum mq_event event, const char *why)
{
    struct node *n = arg;
    if (event == MQ_UP)
        loop_post(daemon_loop(n->daemon), take_connected, n);
    else
        log_warning("broker: %s", why ? why : "blocked");
}

static void on_hypervisor(void *arg, bool connected)
{
    struct node *n = arg;
    log_info("hypervisor %s", connected ? "connected" : "lost");
    loop_post(daemon_loop(n->daemon), take_hypervisor, n);
}

static void on_domain(void *arg, const struct id *instance, enum domain_end what)
{
    struct node *n = arg;
    if (what == DOMAIN_REBOOTED) {
        operator_rebooted(n->operator, instance);
        return;
    }
    struct domain_event *event = xnew0(struct domain_event);
    *event = (struct domain_event){n, *instance, what};
    loop_post(daemon_loop(n->daemon), take_event, event);
}

static bool healthy(void *arg)
{
    struct node *n = arg;
    return mq_is_up(n->mq);
}

static void add_images(void *arg, image_ids *add)
{
    struct node *n = arg;
    guests_images(n->guests, add);
}

/* ---- life ---- */

static void stop(void *state)
{
    struct node *n = state;
    if (!n)
        return;
    n->stopping = true;
    status_stop(n->status);
    mq_close(n->mq);
    if (n->hypervisor)
        hypervisor_interrupt(n->hypervisor); /* its outcomes are unknown, as after a kill */
    if (n->images)
        image_cache_interrupt(n->images);
    if (n->operator)
        operator_interrupt(n->operator);
    workers_free(n->preparers);
    workers_free(n->keeper);
    workers_free(n->workers);
    workers_free(n->lister);
    workers_free(n->operators);
    nets_close(n);
    hypervisor_close(n->hypervisor);
    operator_free(n->operator);
    guests_free(n->guests);
    if (n->images)
        metrics_remove(daemon_metrics(n->daemon), image_cache_metrics(n->images));
    image_cache_close(n->images);
    wipe(&n->pair, sizeof n->pair);
    loop_drain(daemon_loop(n->daemon));
    if (n->timer)
        loop_timer_free(n->timer);
    node_free(n->model);
    state_close(n->state);
    array_free(&n->deliveries);
    free(n->boot_id);
    free(n->queue);
    free(n->key);
    free(n);
}

static struct error *read_boot_id(const char *path, char **ret)
{
    size_t len;
    RETURN_IF_ERROR(error_wrap(file_read(path, 4096, ret, &len), "boot-id-file"));
    (*ret)[strcspn(*ret, "\n")] = '\0';
    return **ret ? NULL : error_new(ERROR_INVALID, "boot-id-file %s is empty", path);
}

static struct error *load_model(struct node *n)
{
    const struct node_config *config = n->config;
    struct node_self self;
    _cleanup_free_ char *before = NULL;
    RETURN_IF_ERROR(state_load_self(n->state, &self, &before));
    RETURN_IF_ERROR(read_boot_id(config->boot_id_file, &n->boot_id));
    self.zone = id_of(config->zone);
    struct size offered = {config->vcpus, config->memory_mib, config->disk_gib};
    n->model = node_new(&n->timing, &self, !before || !streq(before, n->boot_id), offered);
    n->guests = guests_new();
    RETURN_IF_ERROR(state_load_records(n->state, n->model));
    array_each(&n->model->instances, i)
        note_guest(n, &(*i)->r);
    return NULL;
}

static struct error *open_hypervisor(struct node *n)
{
    const struct node_config *config = n->config;
    struct hypervisor_options o = {.uri = config->hypervisor_uri,
                                   .kind = config->domain_type,
                                   .emulator = config->emulator,
                                   .arg = n,
                                   .on_connected = on_hypervisor,
                                   .on_event = on_domain};
    return error_wrap(libvirt_open(&o, &n->hypervisor), "hypervisor");
}

static struct error *open_broker(struct node *n)
{
    const char *id = n->model->self.node.text, *zone = n->config->zone;
    n->queue = xasprintf("mallee.node.%s.%s", zone, id);
    n->key = xasprintf("%s.%s", zone, id);
    n->binding = (struct mq_binding){"mallee.node", n->key};
    n->queues[0] = (struct mq_queue){.name = n->queue,
                                     .flags = MQ_QUORUM | MQ_CONSUME | MQ_DEAD_LETTER,
                                     .bindings = &n->binding,
                                     .bindings_len = 1,
                                     .prefetch = 256};
    n->exchanges[0] = (struct mq_exchange){"mallee.node", "topic"};
    n->exchanges[1] = (struct mq_exchange){"mallee.report", "topic"};
    struct mq_options o = {.url = n->config->amqp_url,
                           .name = id,
                           .topology = {n->exchanges, 2, n->queues, 1},
                           .guest = true, /* a node may touch its own queue, nothing else */
                           .arg = n,
                           .on_delivery = on_delivery,
                           .on_event = on_broker};
    RETURN_IF_ERROR(error_wrap(mq_open(&o, &n->mq), "broker"));
    mq_register_metrics(n->mq, daemon_metrics(n->daemon), NULL);
    return NULL;
}

/* The node's key, which its heartbeats tell, and the cache of images that are wrapped for it. */
static struct error *open_images(struct node *n)
{
    const struct node_config *config = n->config;
    _cleanup_free_ char *key = xasprintf("%s/node.key", config->state_dir);
    _cleanup_free_ char *dir = xasprintf("%s/images", config->state_dir);
    RETURN_IF_ERROR(error_wrap(wrap_pair_file(key, &n->pair), "the node's key"));
    n->model->public_key = hex_encode(n->pair.public, sizeof n->pair.public);
    struct image_cache_options o = {.dir = dir,
                                    .store_url = config->store_url,
                                    .credentials_file = config->store_credentials_file,
                                    .region = config->store_region,
                                    .ca_file = config->store_ca_file,
                                    .max_bytes = config->image_cache_gib << 30,
                                    .min_free = config->min_free,
                                    .stood_on = add_images,
                                    .arg = n};
    RETURN_IF_ERROR(error_wrap(image_cache_open(&o, &n->images), "image cache"));
    metrics_register(daemon_metrics(n->daemon), image_cache_metric_rows, image_cache_metric_rows_len,
                     image_cache_metrics(n->images), NULL);
    return NULL;
}

static struct error *open_all(struct node *n)
{
    RETURN_IF_ERROR(state_open(n->config->state_dir, &n->state));
    RETURN_IF_ERROR(load_model(n));
    n->workers = workers_new(JOB_THREADS, JOBS_MAX);
    n->preparers = workers_new(PREPARE_THREADS, JOBS_MAX);
    n->lister = workers_new(1, 4);
    n->keeper = workers_new(1, 1);
    n->operators = workers_new(OPERATOR_THREADS, JOBS_MAX);
    n->networker = workers_new(1, JOBS_MAX);
    RETURN_IF_ERROR(open_images(n));
    RETURN_IF_ERROR(open_hypervisor(n));
    n->operator = operator_new(n->hypervisor);
    RETURN_IF_ERROR(error_wrap(nets_open(n), "network"));
    RETURN_IF_ERROR(open_broker(n));
    node_started(n->model);
    node_carry_out(n); /* run and boot are durable before the first report */
    RETURN_IF_ERROR(status_start(n->config->listen, daemon_metrics(n->daemon), healthy, n, &n->status));
    n->last_tick = clock_mono_ms();
    n->timer = loop_timer_new(daemon_loop(n->daemon), on_timer, n);
    loop_timer_set(n->timer, n->timing.tick);
    log_info("node %s, run %ju, boot %ju, %zu records", n->model->self.node.text,
             (uintmax_t)n->model->self.run, (uintmax_t)n->model->self.boot, n->model->instances.len);
    return NULL;
}

static struct error *start(struct daemon *d, const void *config, void **ret_state)
{
    struct node *n = xnew0(struct node);
    n->daemon = d;
    n->config = config;
    n->timing = TIMING_DEFAULT;
    struct error *e = n->config->timing ? timing_parse(&n->timing, n->config->timing) : NULL;
    if (!e)
        e = open_all(n);
    if (e) {
        stop(n);
        return e;
    }
    *ret_state = n;
    return NULL;
}

static void check(const void *config, struct str *complaints)
{
    const struct node_config *c = config;
    struct timing t = TIMING_DEFAULT;
    struct error *e = c->timing ? timing_parse(&t, c->timing) : NULL;
    if (c->zone && !id_valid(c->zone))
        config_complain(complaints, "zone: '%.60s' is no zone name", c->zone);
    if (e)
        config_complain(complaints, "%s", error_message(e));
    error_free(e);
}

#define AT(member) .offset = offsetof(struct node_config, member)
/* clang-format off */
static const struct config_key keys[] = {
    DAEMON_KEYS(struct node_config, daemon),
    {.name = "zone", .type = CONFIG_STRING, AT(zone), .required = true,
     .doc = "The zone that this host belongs to, e.g. us-east-1a."},
    {.name = "amqp-url", .type = CONFIG_STRING, AT(amqp_url), .required = true, .secret = true,
     .doc = "The message broker: amqp://USER:PASSWORD@HOST:PORT/VHOST; the user is the node's id."},
    {.name = "listen", .type = CONFIG_ADDRESS, AT(listen), .value = "127.0.0.1:8777", .required = true,
     .doc = "Where /healthz and /metrics answer."},
    {.name = "state-dir", .type = CONFIG_PATH, AT(state_dir), .value = "/var/lib/mallee/node", .required = true,
     .doc = "The node's identity, records, disks and consoles. An empty folder is a new node."},
    {.name = "hypervisor-uri", .type = CONFIG_STRING, AT(hypervisor_uri), .value = "qemu:///system",
     .required = true, .doc = "libvirt's connection URI."},
    {.name = "domain-type", .type = CONFIG_STRING, AT(domain_type), .value = "qemu", .required = true,
     .doc = "kvm where domains boot with it, else qemu (emulation); test for libvirt's test driver."},
    {.name = "emulator", .type = CONFIG_PATH, AT(emulator), .value = "/usr/bin/qemu-system-x86_64",
     .doc = "The emulator that domains run."},
    {.name = "store-url", .type = CONFIG_STRING, AT(store_url),
     .doc = "The object store that images are fetched from, e.g. http://10.0.0.1:8774. None: no instance can be launched."},
    {.name = "store-region", .type = CONFIG_STRING, AT(store_region), .value = "us-east-1", .required = true,
     .doc = "The region's name, which requests to the store are signed with."},
    {.name = "store-credentials-file", .type = CONFIG_PATH, AT(store_credentials_file),
     .doc = "The node's keys for the store: lines access_key_id = … and secret_access_key = …"},
    {.name = "store-ca-file", .type = CONFIG_PATH, AT(store_ca_file),
     .doc = "Who may sign the store's certificate, PEM; the system's where it is unset."},
    {.name = "boot-id-file", .type = CONFIG_PATH, AT(boot_id_file), .value = "/proc/sys/kernel/random/boot_id",
     .required = true, .doc = "A file whose content changes with each boot of the host."},
    {.name = "vcpus", .type = CONFIG_U64, AT(vcpus), .value = "4", .required = true, .min = 1, .max = 100000,
     .doc = "Virtual CPUs offered to instances."},
    {.name = "memory-mib", .type = CONFIG_U64, AT(memory_mib), .value = "4096", .required = true, .min = 1,
     .max = 1ull << 40, .doc = "Memory offered to instances, in MiB."},
    {.name = "disk-gib", .type = CONFIG_U64, AT(disk_gib), .value = "100", .required = true, .min = 1,
     .max = 1ull << 40, .doc = "Disk offered to instances, in GiB."},
    {.name = "image-cache-gib", .type = CONFIG_U64, AT(image_cache_gib), .value = "0", .max = 1u << 20,
     .doc = "How much the images kept for later launches may take, in GiB; 0: a quarter of the disk that state-dir lies "
            "on. What instances stand on stays, and may pass it."},
    {.name = "min-free", .type = CONFIG_U64, AT(min_free), .value = "256MiB",
     .doc = "Free disk below which images go from the cache, and none is fetched."},
    {.name = "first-uid", .type = CONFIG_U64, AT(first_uid), .value = "200000", .required = true, .min = 1000,
     .max = 2000000000, .doc = "Domains run as users of their own, numbered from here."},
    {.name = "netns-prefix", .type = CONFIG_STRING, AT(netns_prefix), .value = "mallee-", .required = true,
     .doc = "What the network namespaces of this node's VPCs are called, before the VPC's id."},
    {.name = "link-device", .type = CONFIG_STRING, AT(link_device),
     .doc = "The device on the network between the nodes. None: instances get no network card."},
    {.name = "link-address", .type = CONFIG_STRING, AT(link_address),
     .doc = "This host's address there, with its prefix: 10.96.1.2/18."},
    {.name = "public-network", .type = CONFIG_STRING, AT(public_network),
     .doc = "The part of that network which guests' public addresses are from: 10.96.32.0/19."},
    {.name = "guest-services", .type = CONFIG_STRING, AT(guest_services),
     .doc = "What guests may reach on that network beside each other: HOST:PORT, with commas between."},
    {.name = "guest-outside", .type = CONFIG_BOOL, AT(guest_outside), .value = "false",
     .doc = "Whether guests may go beyond that network."},
    {.name = "timing", .type = CONFIG_STRING, AT(timing),
     .doc = "For tests only: other waiting times, NAME=MILLISECONDS with commas between."},
};
/* clang-format on */

static const struct config_program program = {
    .name = "mallee-node-controller",
    .summary = "runs instances on its host",
    .keys = keys,
    .len = ARRAY_SIZE(keys),
    .check = check,
};

const struct daemon_ops node_daemon = {
    .config = &program, .config_size = sizeof(struct node_config), .start = start, .stop = stop};

int node_print_id(int argc, char **argv)
{
    struct node_config config = {0};
    _cleanup_str_ struct str text = STR_INIT;
    enum config_outcome outcome = config_load(&program, argc, argv, &config, &text);
    _cleanup_(state_closep) struct state *s = NULL;
    struct error *e = NULL;
    if (outcome == CONFIG_EXIT_BAD)
        e = error_new(ERROR_INVALID, "%s", str_text(&text));
    else
        e = state_open(config.state_dir, &s);
    if (e)
        fprintf(stderr, "mallee-node-controller: %s\n", error_message(e));
    else
        printf("%s\n", state_node_id(s).text);
    bool failed = e != NULL;
    error_free(e);
    config_free(&program, &config);
    return failed;
}
