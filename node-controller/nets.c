/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/nets.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/crypto/digest.h"
#include "common/file/file.h"
#include "common/json/json.h"

#define BODY_MAX (1u << 20)
#define OBJECT_MAX (8u << 20)
#define CHECK_MS 5000

void nets_card_free(struct nets_card *card)
{
    free(card->tap);
    free(card->mac);
}

/* ---- what an instance's body says ---- */

/* *ret_has is false where the instance has no network. */
static struct error *guest_of(const struct node *n, const struct id *instance, const char *text,
                              struct network_guest *ret, bool *ret_has)
{
    _cleanup_(json_decrefp) json_t *body = NULL;
    *ret_has = false;
    if (!n->network || !text)
        return NULL;
    RETURN_IF_ERROR(json_parse_object(text, strlen(text), BODY_MAX, &body));
    if (!json_object_get(body, "vni"))
        return NULL;
    RETURN_IF_ERROR(network_guest_parse(instance, body, ret));
    *ret_has = true;
    return NULL;
}

static struct error *not_yet(const struct node *n)
{
    return atomic_load(&n->network_ready) ? NULL : error_new(ERROR_UNAVAILABLE, "it is not restored yet");
}

struct error *nets_prepare(struct node *n, const struct node_record *r)
{
    struct network_guest guest;
    bool has;
    RETURN_IF_ERROR(guest_of(n, &r->id, r->body, &guest, &has));
    if (!has)
        return NULL;
    RETURN_IF_ERROR(not_yet(n));
    return network_prepare(n->network, &guest);
}

struct error *nets_card(struct node *n, const struct node_record *r, struct nets_card *ret)
{
    struct network_guest guest;
    bool has;
    RETURN_IF_ERROR(guest_of(n, &r->id, r->body, &guest, &has));
    if (has)
        *ret = (struct nets_card){network_tap_name(&r->id), xstrdup(guest.mac), NETWORK_MTU};
    return NULL;
}

struct error *nets_plug(struct node *n, const struct node_record *r)
{
    struct network_guest guest;
    bool has;
    RETURN_IF_ERROR(guest_of(n, &r->id, r->body, &guest, &has));
    return has ? network_plug(n->network, &guest) : NULL;
}

struct error *nets_unplug(struct node *n, const struct id *instance)
{
    if (!n->network)
        return NULL;
    RETURN_IF_ERROR(not_yet(n));
    return network_unplug(n->network, instance);
}

/* ---- the metadata service ---- */

static char *find_caller(void *arg, const struct id *vpc, const char *address, struct id *ret_instance)
{
    struct node *n = arg;
    return guests_find(n->guests, vpc, address, ret_instance);
}

static void on_vpc(void *arg, const struct id *vpc, int listen_fd)
{
    struct node *n = arg;
    log_failure(LOG_ERROR, metadata_add(n->metadata, vpc, listen_fd), "metadata service");
}

static void on_vpc_gone(void *arg, const struct id *vpc)
{
    struct node *n = arg;
    metadata_drop(n->metadata, vpc);
}

/* ---- objects, on the networker's thread ---- */

struct task {
    struct node *node;
    struct id id;
    enum object_kind kind;
    char *body; /* NULL: absent */
};

static struct error *carry_out(const struct task *t)
{
    _cleanup_(json_decrefp) json_t *body = NULL;
    if (t->body)
        RETURN_IF_ERROR(json_parse_object(t->body, strlen(t->body), OBJECT_MAX, &body));
    return t->kind == KIND_GROUP ? network_set_group(t->node->network, &t->id, body)
                                 : network_set_subnet(t->node->network, &t->id, body);
}

static void share(void *arg)
{
    struct task *t = arg;
    log_failure(LOG_WARNING, carry_out(t), "a shared object on the network, to be mended by the next look");
    free(t->body);
    free(t);
}

void nets_share(struct node *n, const struct node_shared *s)
{
    if (!n->network)
        return;
    struct task *t = xnew0(struct task);
    *t = (struct task){n, s->id, s->kind, xstrdup(s->present ? s->body : NULL)};
    struct error *e = workers_submit(n->networker, share, t);
    if (!e)
        return;
    log_failure(LOG_ERROR, e, "a shared object on the network");
    free(t->body);
    free(t);
}

/* ---- restoring what was there ---- */

/* What the records said when the daemon started; objects that come later wait in line behind this. */
struct restore {
    struct node *node;
    guest_copies guests;
    ARRAY(struct network_object) groups, subnets;
};

static void add_objects(struct restore *r)
{
    array_each(&r->node->model->shared, s) {
        json_t *body = NULL;
        if (!s->present || !s->body)
            continue;
        struct error *e = json_parse_object(s->body, strlen(s->body), OBJECT_MAX, &body);
        struct network_object object = {s->id, body};
        if (e)
            log_failure(LOG_WARNING, e, "a stored object");
        else if (s->kind == KIND_GROUP)
            array_push(&r->groups, object);
        else
            array_push(&r->subnets, object);
    }
}

static struct error *restore_all(struct restore *r)
{
    ARRAY(struct network_guest) guests = {0};
    array_each(&r->guests, copy) {
        struct network_guest guest;
        bool has = false;
        struct error *e = guest_of(r->node, &copy->instance, copy->body, &guest, &has);
        log_failure(LOG_WARNING, e, "a stored instance's network");
        if (has)
            array_push(&guests, guest);
    }
    struct error *e = network_restore(r->node->network, guests.data, guests.len, r->groups.data, r->groups.len,
                                      r->subnets.data, r->subnets.len);
    array_free(&guests);
    return e;
}

static void free_restore(struct restore *r)
{
    array_each(&r->guests, copy)
        free(copy->body);
    array_each(&r->groups, object)
        json_decref((json_t *)(uintptr_t)object->body);
    array_each(&r->subnets, object)
        json_decref((json_t *)(uintptr_t)object->body);
    array_free(&r->guests);
    array_free(&r->groups);
    array_free(&r->subnets);
    free(r);
}

/* A part that cannot be restored is mended by the looks that follow; instances go on beside it. */
static void restore(void *arg)
{
    struct restore *r = arg;
    log_failure(LOG_ERROR, restore_all(r), "restoring the network");
    atomic_store(&r->node->network_ready, true);
    free_restore(r);
}

/* ---- looks ---- */

static void look_over(void *arg)
{
    struct node *n = arg;
    n->checking = false;
}

static void look(void *arg)
{
    struct node *n = arg;
    struct error *e = network_check(n->network);
    bool bad = e != NULL;
    if (bad != n->network_bad)
        log_failure(LOG_ERROR, e, "network");
    else
        error_free(e);
    if (!bad && n->network_bad)
        log_info("network: mended");
    n->network_bad = bad;
    loop_post(daemon_loop(n->daemon), look_over, n);
}

void nets_tick(struct node *n, int64_t elapsed)
{
    n->check_left -= elapsed;
    if (!n->network || n->checking || n->check_left > 0)
        return;
    n->check_left = CHECK_MS;
    struct error *e = workers_submit(n->networker, look, n);
    n->checking = e == NULL;
    error_free(e);
}

/* ---- life ---- */

static struct error *open_network(struct node *n)
{
    const struct node_config *c = n->config;
    _cleanup_free_ char *dir = xasprintf("%s/network", c->state_dir);
    ARRAY(char *) services = {0};
    const char *cursor = c->guest_services;
    for (char *piece; cursor && (piece = str_next_piece(&cursor, ','));) {
        array_push(&services, xstrdup(piece + strspn(piece, " ")));
        free(piece);
    }
    struct network_options o = {.state_dir = dir,
                                .netns_prefix = c->netns_prefix,
                                .link_device = c->link_device,
                                .link_address = c->link_address,
                                .public_network = c->public_network,
                                .guest_services = (const char *const *)services.data,
                                .guest_services_len = services.len,
                                .guest_outside = c->guest_outside,
                                .arg = n,
                                .on_vpc = on_vpc,
                                .on_vpc_gone = on_vpc_gone};
    struct error *e = network_open(&o, &n->network);
    array_each(&services, s)
        free(*s);
    array_free(&services);
    return e;
}

/* What metadata tokens are made with; made at the first start. */
static struct error *read_secret(const struct node *n, unsigned char ret[METADATA_SECRET_SIZE])
{
    _cleanup_free_ char *path = xasprintf("%s/metadata.key", n->config->state_dir);
    _cleanup_free_ char *text = NULL;
    size_t len;
    struct error *e = file_read(path, 4096, &text, &len);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        random_bytes(ret, METADATA_SECRET_SIZE);
        text = hex_encode(ret, METADATA_SECRET_SIZE);
        return file_write_durable(path, text, strlen(text), 0600);
    }
    RETURN_IF_ERROR(e);
    text[strcspn(text, "\n")] = '\0';
    return error_wrap(hex_decode(text, ret, METADATA_SECRET_SIZE), "%s", path);
}

struct error *nets_open(struct node *n)
{
    const struct node_config *c = n->config;
    if (!c->link_device || !(n->hypervisor->capabilities & HYPERVISOR_TAP)) {
        atomic_store(&n->network_ready, true);
        return NULL;
    }
    if (!c->link_address)
        return error_new(ERROR_INVALID, "link-device wants link-address");
    n->model->link = xstrndup(c->link_address, strcspn(c->link_address, "/"));
    struct metadata_options o = {.arg = n, .lookup = find_caller};
    RETURN_IF_ERROR(read_secret(n, o.secret));
    struct error *e = metadata_open(&o, &n->metadata);
    wipe(o.secret, sizeof o.secret);
    RETURN_IF_ERROR(e);
    RETURN_IF_ERROR(open_network(n));
    struct restore *r = xnew0(struct restore);
    r->node = n;
    guests_all(n->guests, &r->guests);
    add_objects(r);
    e = workers_submit(n->networker, restore, r);
    if (e)
        free_restore(r);
    return e;
}

void nets_close(struct node *n)
{
    workers_free(n->networker);
    network_close(n->network);
    metadata_close(n->metadata);
}
