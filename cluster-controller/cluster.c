/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cluster-controller/cluster.h"
#include <stdatomic.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/mq/mq.h"
#include "common/status/status.h"
#include "core/cluster.h"
#include "core/message-json.h"

#define FORWARD_TTL_MS 600000

enum {
    QUEUE_COMMANDS,
    QUEUE_OWN,
};

/* Numbers of the model's deliveries; the broker's tokens behind them. */
struct delivery {
    uint64_t number;
    struct mq_token token;
};

struct cluster {
    struct daemon *daemon;
    struct cluster_model *model;
    struct mq_link *mq;
    struct status_server *status;
    struct loop_timer *timer;
    struct timing timing;
    int64_t last_tick;
    uint64_t numbers;
    ARRAY(struct delivery) deliveries;
    atomic_bool ready;
    char *name, *queue, *process_key, *report_key;
    struct mq_exchange exchanges[3];
    struct mq_binding command_binding, own_bindings[2];
    struct mq_queue queues[2];
};

/* What the link's thread hands to the loop. */
struct arrival {
    struct cluster *c;
    size_t queue;
    struct mq_token token;
    struct message message;
};

struct verdict {
    struct cluster *c;
    struct mq_token token;
    enum mq_verdict verdict;
};

static void settle(struct cluster *c);

static struct mq_token take_token(struct cluster *c, uint64_t number)
{
    struct mq_token none = {0, 0};
    for (size_t k = 0; k < c->deliveries.len; k++) {
        if (c->deliveries.data[k].number == number) {
            struct mq_token token = c->deliveries.data[k].token;
            array_remove_swap(&c->deliveries, k);
            return token;
        }
    }
    return none;
}

static void on_forwarded(void *arg, enum mq_verdict verdict)
{
    struct verdict *v = arg;
    /* A node without a queue has never been here: its object is sent again, so this delivery is done with. */
    if (verdict == MQ_CONFIRMED || verdict == MQ_RETURNED)
        mq_ack(v->c->mq, v->token);
    free(v);
}

static void publish(struct cluster *c, const struct cluster_effect *e)
{
    const struct message *m = &e->message;
    bool forward = e->kind == CLUSTER_FORWARD;
    _cleanup_free_ char *now = clock_iso8601(clock_wall_ms());
    _cleanup_free_ char *body = message_encode(m, now);
    _cleanup_free_ char *key =
        forward ? xasprintf("%s.%s", m->zone.text, m->node.text)
                : xasprintf("%s.%s.%s", m->zone.text, m->process.text, message_type_name(m->type));
    struct mq_message out = {.exchange = forward ? "mallee.node" : "mallee.report",
                             .key = key,
                             .body = body,
                             .len = strlen(body),
                             .ttl_ms = FORWARD_TTL_MS,
                             .persistent = forward && e->token};
    struct verdict *v = NULL;
    if (forward && e->token) {
        v = xnew0(struct verdict);
        v->c = c;
        v->token = take_token(c, e->token);
    }
    struct error *err = mq_publish(c->mq, &out, v ? on_forwarded : NULL, v);
    if (err) { /* the link is down: the delivery is the broker's again */
        free(v);
        error_free(err);
    }
}

static void settle(struct cluster *c)
{
    array_each(&c->model->effects, e) {
        log_set_request(e->message.request_id);
        if (e->kind == CLUSTER_ACK)
            mq_ack(c->mq, take_token(c, e->token));
        else
            publish(c, e);
        if (e->kind == CLUSTER_REPORT && e->message.type == MESSAGE_PLACEMENT)
            log_info("placed %zu instances of %s", e->message.items.len, e->message.id.text);
    }
    log_set_request(NULL);
    cluster_effects_clear(c->model);
    atomic_store(&c->ready, c->model->state != CLUSTER_JOINING || mq_is_up(c->mq));
}

/* ---- on the loop ---- */

static void take_arrival(void *arg)
{
    struct arrival *a = arg;
    struct cluster *c = a->c;
    int before = c->model->state;
    log_set_request(a->message.request_id);
    if (a->queue == QUEUE_COMMANDS) {
        array_push(&c->deliveries, ((struct delivery){++c->numbers, a->token}));
        cluster_on_delivery(c->model, c->numbers, &a->message);
    } else {
        mq_ack(c->mq, a->token);
        if (a->message.type == MESSAGE_EPOCH_GRANT || a->message.type == MESSAGE_SNAPSHOT)
            cluster_on_control(c->model, &a->message);
        else
            cluster_on_report(c->model, &a->message);
    }
    if (before != c->model->state)
        log_info("%s, epoch %ju", LIFE_CLUSTER.states[c->model->state], (uintmax_t)c->model->epoch.n);
    log_set_request(NULL);
    settle(c);
    message_free(&a->message);
    free(a);
}

static void take_connected(void *arg)
{
    struct cluster *c = arg;
    c->deliveries.len = 0;
    cluster_on_connected(c->model);
    settle(c);
}

static void on_timer(void *arg)
{
    struct cluster *c = arg;
    int64_t now = clock_mono_ms();
    loop_timer_set(c->timer, c->timing.tick);
    cluster_on_tick(c->model, now - c->last_tick);
    c->last_tick = now;
    settle(c);
}

/* ---- on the link's thread ---- */

static void on_delivery(void *arg, const struct mq_delivery *d)
{
    struct cluster *c = arg;
    struct arrival *a = xnew0(struct arrival);
    a->c = c;
    a->queue = d->queue;
    a->token = d->token;
    struct error *e = message_decode(d->body, d->len, &a->message);
    if (e) {
        log_failure(LOG_WARNING, e, "message dropped");
        mq_reject(c->mq, d->token);
        free(a);
        return;
    }
    loop_post(daemon_loop(c->daemon), take_arrival, a);
}

static void on_event(void *arg, enum mq_event event, const char *why)
{
    struct cluster *c = arg;
    if (event == MQ_UP)
        loop_post(daemon_loop(c->daemon), take_connected, c);
    else
        log_warning("broker: %s", why ? why : "blocked");
}

/* ---- life ---- */

static void describe_topology(struct cluster *c, const char *zone)
{
    const char *process = c->model->process.text;
    c->name = xasprintf("cluster-%s", zone);
    c->queue = xasprintf("mallee.cluster.%s", zone);
    c->process_key = xasprintf("%s.%s", zone, process);
    c->report_key = xasprintf("%s.#", zone);
    c->exchanges[0] = (struct mq_exchange){"mallee.cluster", "topic"};
    c->exchanges[1] = (struct mq_exchange){"mallee.node", "topic"};
    c->exchanges[2] = (struct mq_exchange){"mallee.report", "topic"};
    c->command_binding = (struct mq_binding){"mallee.cluster", c->model->zone.text};
    c->own_bindings[0] = (struct mq_binding){"mallee.cluster", c->process_key};
    c->own_bindings[1] = (struct mq_binding){"mallee.report", c->report_key};
    c->queues[QUEUE_COMMANDS] =
        (struct mq_queue){.name = c->queue,
                          .flags = MQ_QUORUM | MQ_SINGLE_ACTIVE | MQ_CONSUME | MQ_DEAD_LETTER,
                          .bindings = &c->command_binding,
                          .bindings_len = 1,
                          .prefetch = 256};
    c->queues[QUEUE_OWN] = (struct mq_queue){
        .flags = MQ_OWN | MQ_CONSUME, .bindings = c->own_bindings, .bindings_len = 2, .prefetch = 512};
}

static bool healthy(void *arg)
{
    struct cluster *c = arg;
    return atomic_load(&c->ready);
}

static void stop(void *state)
{
    struct cluster *c = state;
    if (!c)
        return;
    status_stop(c->status);
    mq_close(c->mq);
    loop_drain(daemon_loop(c->daemon));
    if (c->timer)
        loop_timer_free(c->timer);
    cluster_free(c->model);
    array_free(&c->deliveries);
    free(c->name);
    free(c->queue);
    free(c->process_key);
    free(c->report_key);
    free(c);
}

static struct error *open_all(struct cluster *c, const struct cluster_config *config)
{
    struct id process = id_random("p-");
    c->model = cluster_new(&c->timing, config->zone, process.text);
    describe_topology(c, config->zone);
    struct mq_options o = {.url = config->amqp_url,
                           .name = c->name,
                           .topology = {c->exchanges, 3, c->queues, 2},
                           .arg = c,
                           .on_delivery = on_delivery,
                           .on_event = on_event};
    RETURN_IF_ERROR(error_wrap(mq_open(&o, &c->mq), "broker"));
    mq_register_metrics(c->mq, daemon_metrics(c->daemon), NULL);
    RETURN_IF_ERROR(status_start(config->listen, daemon_metrics(c->daemon), healthy, c, &c->status));
    c->last_tick = clock_mono_ms();
    c->timer = loop_timer_new(daemon_loop(c->daemon), on_timer, c);
    loop_timer_set(c->timer, c->timing.tick);
    return NULL;
}

static struct error *start(struct daemon *d, const void *config, void **ret_state)
{
    const struct cluster_config *cfg = config;
    struct cluster *c = xnew0(struct cluster);
    c->daemon = d;
    c->timing = TIMING_DEFAULT;
    struct error *e = cfg->timing ? timing_parse(&c->timing, cfg->timing) : NULL;
    if (!e)
        e = open_all(c, cfg);
    if (e) {
        stop(c);
        return e;
    }
    *ret_state = c;
    return NULL;
}

static void check(const void *config, struct str *complaints)
{
    const struct cluster_config *c = config;
    struct timing t = TIMING_DEFAULT;
    struct error *e = c->timing ? timing_parse(&t, c->timing) : NULL;
    if (c->zone && !id_valid(c->zone))
        config_complain(complaints, "zone: '%.60s' is no zone name", c->zone);
    if (e)
        config_complain(complaints, "%s", error_message(e));
    error_free(e);
}

/* clang-format off */
static const struct config_key keys[] = {
    DAEMON_KEYS(struct cluster_config, daemon),
    {.name = "zone", .type = CONFIG_STRING, .offset = offsetof(struct cluster_config, zone), .required = true,
     .doc = "The zone that this controller places instances in, e.g. us-east-1a."},
    {.name = "amqp-url", .type = CONFIG_STRING, .offset = offsetof(struct cluster_config, amqp_url),
     .required = true, .secret = true, .doc = "The message broker: amqp://USER:PASSWORD@HOST:PORT/VHOST."},
    {.name = "listen", .type = CONFIG_ADDRESS, .offset = offsetof(struct cluster_config, listen),
     .value = "127.0.0.1:8774", .required = true, .doc = "Where /healthz and /metrics answer."},
    {.name = "timing", .type = CONFIG_STRING, .offset = offsetof(struct cluster_config, timing),
     .doc = "For tests only: other waiting times, NAME=MILLISECONDS with commas between."},
};
/* clang-format on */

static const struct config_program program = {
    .name = "mallee-cluster-controller",
    .summary = "decides in which node of its zone an instance runs",
    .keys = keys,
    .len = ARRAY_SIZE(keys),
    .check = check,
};

const struct daemon_ops cluster_daemon = {
    .config = &program, .config_size = sizeof(struct cluster_config), .start = start, .stop = stop};
