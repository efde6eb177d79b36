/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/network/network.h"
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>
#include "common/base/log.h"
#include "common/crypto/digest.h"
#include "common/file/file.h"
#include "node-controller/network/internal.h"

static void unlockp(pthread_mutex_t **lock)
{
    if (*lock)
        pthread_mutex_unlock(*lock);
}

static pthread_mutex_t *locked(struct network *n)
{
    pthread_mutex_lock(&n->lock);
    return &n->lock;
}

#define LOCKED(n) _cleanup_(unlockp) pthread_mutex_t *locked_ __attribute__((unused)) = locked(n)

/* ---- opening ---- */

static struct error *take_service(struct network *n, const char *text)
{
    const char *colon = strrchr(text, ':');
    struct service *s = array_add(&n->services);
    uint64_t port = 0;
    _cleanup_free_ char *host = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
    struct error *e = colon ? parse_u64(colon + 1, 65535, &port) : NULL;
    if (e || !port || !address_parse(host, &s->address)) {
        error_free(e);
        return error_new(ERROR_INVALID, "guest service '%s' is not ADDRESS:PORT", text);
    }
    s->port = (uint16_t)port;
    return NULL;
}

static struct error *take_addresses(struct network *n, const struct network_options *o)
{
    if (!cidr_parse(o->link_address, &n->link_range, &n->link_address))
        return error_new(ERROR_INVALID, "link-address '%s' is not ADDRESS/LENGTH", o->link_address);
    n->has_public = o->public_network != NULL;
    if (!n->has_public)
        return NULL;
    if (!cidr_parse(o->public_network, &n->public_range, NULL) || !cidr_holds(&n->link_range, &n->public_range))
        return error_new(ERROR_INVALID, "public-network '%s' is no part of the link network", o->public_network);
    if (cidr_has(&n->public_range, n->link_address))
        return error_new(ERROR_INVALID, "link-address %s lies in public-network %s: it could be given to a guest",
                         o->link_address, o->public_network);
    return NULL;
}

/* Names of namespaces are made of it. */
static bool prefix_fit(const char *prefix)
{
    return id_valid(prefix) && prefix[0] != '.' && prefix[0] != '-';
}

static struct error *take_options(struct network *n, const struct network_options *o)
{
    unsigned char d[SHA256_SIZE];
    if (!prefix_fit(o->netns_prefix))
        return error_new(ERROR_INVALID, "netns-prefix '%s' does not fit a name", o->netns_prefix);
    if (strlen(o->link_device) >= DEVICE_NAME || !id_valid(o->link_device) || o->link_device[0] == '.')
        return error_new(ERROR_INVALID, "link-device '%s' is no device's name", o->link_device);
    RETURN_IF_ERROR(take_addresses(n, o));
    for (size_t k = 0; k < o->guest_services_len; k++)
        RETURN_IF_ERROR(take_service(n, o->guest_services[k]));
    sha256(o->netns_prefix, strlen(o->netns_prefix), d);
    n->table = xasprintf("mallee-%02x%02x%02x%02x", d[0], d[1], d[2], d[3]);
    n->state_dir = xstrdup(o->state_dir);
    n->prefix = xstrdup(o->netns_prefix);
    n->link_device = xstrdup(o->link_device);
    n->outside = o->guest_outside;
    n->arg = o->arg;
    n->on_vpc = o->on_vpc;
    n->on_vpc_gone = o->on_vpc_gone;
    return NULL;
}

/* `ret_new`: it is another one than before, so what was set on it is gone. */
static struct error *check_link(struct network *n, bool *ret_new)
{
    unsigned index = if_nametoindex(n->link_device);
    *ret_new = index != n->link_index;
    if (index)
        n->link_index = index;
    else
        return error_new(ERROR_UNAVAILABLE, "there is no device %s in the node's network namespace: make it, or name "
                         "another as link-device", n->link_device);
    return NULL;
}

struct error *network_open(const struct network_options *o, struct network **ret)
{
    _cleanup_(network_closep) struct network *n = xnew0(struct network);
    pthread_mutex_init(&n->lock, NULL);
    n->host = -1;
    n->vpcs = map_new();
    n->groups = map_new();
    n->subnets = map_new();
    RETURN_IF_ERROR(take_options(n, o));
    bool new_link;
    RETURN_IF_ERROR(check_link(n, &new_link));
    RETURN_IF_ERROR(netns_own(&n->host));
    RETURN_IF_ERROR(file_make_dirs(n->state_dir));
    if (chmod(n->state_dir, 0711) < 0)
        return error_errno(errno, "opening %s to dnsmasq", n->state_dir);
    *ret = TAKE_PTR(n);
    return NULL;
}

static void free_vpc(void *v)
{
    vpc_free(v);
}

static void free_group(void *g)
{
    group_free(g);
}

static void free_subnet(void *s)
{
    subnet_free(s);
}

void network_close(struct network *n)
{
    if (!n)
        return;
    map_free(n->vpcs, free_vpc);
    map_free(n->groups, free_group);
    map_free(n->subnets, free_subnet);
    array_free(&n->services);
    if (n->host >= 0)
        close(n->host);
    pthread_mutex_destroy(&n->lock);
    free(n->state_dir);
    free(n->prefix);
    free(n->link_device);
    free(n->table);
    free(n);
}

/* ---- guests ---- */

static struct error *check_guest(struct network *n, const struct network_guest *g)
{
    uint32_t address;
    struct vpc *v = vpc_find(n, &g->vpc);
    if (g->public_address[0] && (!n->has_public || !address_parse(g->public_address, &address) ||
                                 !cidr_has(&n->public_range, address)))
        return error_new(ERROR_INVALID, "%s is none of this node's public network", g->public_address);
    for (size_t k = 0; v && k < v->cards.len; k++) {
        const struct network_guest *other = &v->cards.data[k].guest;
        if (!id_eq(&other->instance, &g->instance) && (streq(other->address, g->address) || streq(other->mac, g->mac)))
            return error_new(ERROR_EXISTS, "address or MAC is still that of %s", other->instance.text);
    }
    return NULL;
}

static bool same_guest(const struct network_guest *a, const struct network_guest *b)
{
    if (a->groups_len != b->groups_len)
        return false;
    for (size_t k = 0; k < a->groups_len; k++)
        if (!id_eq(&a->groups[k], &b->groups[k]))
            return false;
    return id_eq(&a->vpc, &b->vpc) && id_eq(&a->subnet, &b->subnet) && streq(a->address, b->address) && streq(a->mac, b->mac) &&
           streq(a->public_address, b->public_address) && streq(a->subnet_cidr, b->subnet_cidr) &&
           streq(a->vpc_cidr, b->vpc_cidr) && a->vni == b->vni;
}

static struct vpc *vpc_of(struct network *n, const struct id *instance)
{
    struct map_cursor at = {0};
    void *value;
    while (map_next(n->vpcs, &at, NULL, &value))
        if (vpc_card(value, instance))
            return value;
    return NULL;
}

/* Puts the guest into the table; nothing is made yet. */
static struct vpc *add_card(struct network *n, const struct network_guest *g)
{
    struct vpc *v = vpc_get(n, &g->vpc);
    struct card *c = vpc_card(v, &g->instance);
    cidr_parse(g->vpc_cidr, &v->cidr, NULL);
    if (!c)
        c = array_add(&v->cards);
    c->guest = *g;
    device_name("mt", g->instance.text, c->tap);
    return v;
}

static struct error *unplug(struct network *n, struct vpc *v, const struct id *instance)
{
    struct card *c = vpc_card(v, instance);
    RETURN_IF_ERROR(rules_drop_card(n, v, c));
    RETURN_IF_ERROR(host_drop_public(n, v, c));
    RETURN_IF_ERROR(vpc_unplug(n, v, c));
    if (v->cards.len == 1)
        return vpc_destroy(n, v);
    array_remove(&v->cards, (size_t)(c - v->cards.data));
    RETURN_IF_ERROR(vpc_trim(n, v));
    if (v->built && !v->ruled)
        RETURN_IF_ERROR(rules_replace(n, v));
    return v->built ? dhcp_sync(n, v) : NULL;
}

/* An instance's network never changes while it lives; one that differs is another instance of the same name. */
static struct error *drop_other(struct network *n, const struct network_guest *g)
{
    struct vpc *v = vpc_of(n, &g->instance);
    if (!v || same_guest(&vpc_card(v, &g->instance)->guest, g))
        return NULL;
    return unplug(n, v, &g->instance);
}

static struct error *prepare(struct network *n, const struct network_guest *g)
{
    RETURN_IF_ERROR(check_guest(n, g));
    RETURN_IF_ERROR(drop_other(n, g));
    struct vpc *v = add_card(n, g);
    struct card *c = vpc_card(v, &g->instance);
    RETURN_IF_ERROR(vpc_build(n, v));
    RETURN_IF_ERROR(vpc_bridge(n, v, g));
    RETURN_IF_ERROR(rules_add_card(n, v, c));
    RETURN_IF_ERROR(wire_sync(n, v, vpc_segment(v, &g->subnet)));
    if (!c->public_set)
        RETURN_IF_ERROR(host_set_public(n, v, c));
    RETURN_IF_ERROR(dhcp_sync(n, v));
    return vpc_announce(n, v);
}

struct error *network_prepare(struct network *n, const struct network_guest *g)
{
    LOCKED(n);
    return error_wrap(prepare(n, g), "the network of %s", g->instance.text);
}

struct error *network_plug(struct network *n, const struct network_guest *g)
{
    LOCKED(n);
    struct vpc *v = vpc_find(n, &g->vpc);
    const struct card *c = v ? vpc_card(v, &g->instance) : NULL;
    if (!c || !c->in_rules || !v->ruled)
        return error_new(ERROR_UNAVAILABLE, "the network of %s is not prepared", g->instance.text);
    return error_wrap(vpc_plug(n, v, c), "the network of %s", g->instance.text);
}

struct error *network_unplug(struct network *n, const struct id *instance)
{
    LOCKED(n);
    struct vpc *v = vpc_of(n, instance);
    return v ? error_wrap(unplug(n, v, instance), "removing the network of %s", instance->text) : NULL;
}

/* ---- objects ---- */

static struct error *keep_group(struct network *n, const struct id *id, const json_t *body)
{
    struct group *g = NULL;
    if (body)
        RETURN_IF_ERROR(group_parse(id, body, &g));
    group_free(g ? map_set(n->groups, id->text, g) : map_take(n->groups, id->text));
    return NULL;
}

static struct error *keep_subnet(struct network *n, const struct id *id, const json_t *body)
{
    struct subnet *s = NULL;
    if (body)
        RETURN_IF_ERROR(subnet_parse(id, body, &s));
    subnet_free(s ? map_set(n->subnets, id->text, s) : map_take(n->subnets, id->text));
    return NULL;
}

struct error *network_set_group(struct network *n, const struct id *id, const json_t *body)
{
    LOCKED(n);
    struct map_cursor at = {0};
    void *value;
    RETURN_IF_ERROR(error_wrap(keep_group(n, id, body), "the group %s", id->text));
    while (map_next(n->vpcs, &at, NULL, &value)) {
        struct vpc *v = value;
        if (v->built)
            RETURN_IF_ERROR(error_wrap(rules_set_group(n, v, id), "the group %s in %s", id->text, v->name));
    }
    return NULL;
}

struct error *network_set_subnet(struct network *n, const struct id *id, const json_t *body)
{
    LOCKED(n);
    struct map_cursor at = {0};
    void *value;
    RETURN_IF_ERROR(error_wrap(keep_subnet(n, id, body), "the subnet %s", id->text));
    while (map_next(n->vpcs, &at, NULL, &value)) {
        struct vpc *v = value;
        struct segment *s = vpc_segment(v, id);
        if (v->built && s && s->bridged)
            RETURN_IF_ERROR(wire_sync(n, v, s));
    }
    return NULL;
}

/* ---- restoring ---- */

/* The first failure is kept, the others are logged. */
static void keep_first(struct error **first, struct error *e)
{
    if (!e)
        return;
    if (*first)
        log_failure(LOG_WARNING, e, "restoring the network");
    else
        *first = e;
}

static struct error *plug_found(struct network *n, struct vpc *v, const struct card *c)
{
    struct error *e = vpc_plug(n, v, c);
    if (!error_is(e, &ERROR_NOT_FOUND))
        return e;
    log_debug("%s has no tap yet", c->guest.instance.text);
    return error_free(e);
}

/* Makes the VPC whole, whatever of it is there. */
static struct error *rebuild(struct network *n, struct vpc *v)
{
    v->built = v->ruled = false;
    array_each(&v->segments, s)
        s->bridged = s->wired = false;
    RETURN_IF_ERROR(vpc_build(n, v));
    array_each(&v->cards, c)
        RETURN_IF_ERROR(vpc_bridge(n, v, &c->guest));
    RETURN_IF_ERROR(rules_replace(n, v));
    array_each(&v->segments, s)
        RETURN_IF_ERROR(wire_sync(n, v, s));
    array_each(&v->cards, c)
        RETURN_IF_ERROR(host_set_public(n, v, c));
    array_each(&v->cards, c)
        RETURN_IF_ERROR(plug_found(n, v, c));
    RETURN_IF_ERROR(dhcp_sync(n, v));
    RETURN_IF_ERROR(vpc_announce(n, v));
    return vpc_sweep(n, v);
}

static void take_objects(struct network *n, const struct network_object *o, size_t len,
                         struct error *(*keep)(struct network *, const struct id *, const json_t *), struct error **first)
{
    for (size_t k = 0; k < len; k++)
        keep_first(first, error_wrap(keep(n, &o[k].id, o[k].body), "the object %s", o[k].id.text));
}

static void take_guests(struct network *n, const struct network_guest *guests, size_t len, struct error **first)
{
    for (size_t k = 0; k < len; k++) {
        struct error *e = check_guest(n, &guests[k]);
        if (!e)
            add_card(n, &guests[k]);
        keep_first(first, error_wrap(e, "the network of %s", guests[k].instance.text));
    }
}

struct error *network_restore(struct network *n, const struct network_guest *guests, size_t guests_len,
                              const struct network_object *groups, size_t groups_len,
                              const struct network_object *subnets, size_t subnets_len)
{
    LOCKED(n);
    struct map_cursor at = {0};
    struct error *first = NULL;
    void *value;
    take_objects(n, groups, groups_len, keep_group, &first);
    take_objects(n, subnets, subnets_len, keep_subnet, &first);
    take_guests(n, guests, guests_len, &first);
    keep_first(&first, vpc_remove_strays(n));
    while (map_next(n->vpcs, &at, NULL, &value))
        keep_first(&first, error_wrap(rebuild(n, value), "restoring %s", ((struct vpc *)value)->name));
    keep_first(&first, map_size(n->vpcs) ? host_sync(n) : host_drop_table(n));
    keep_first(&first, host_remove_strays(n));
    return first;
}

/* ---- watching ---- */

static struct error *check_vpc(struct network *n, struct vpc *v)
{
    struct error *e = vpc_check(n, v);
    if (!e && !dhcp_runs(v)) {
        log_warning("the dnsmasq of %s had ended: it is started again", v->name);
        return dhcp_sync(n, v);
    }
    if (!error_is(e, &ERROR_NOT_FOUND))
        return e;
    _cleanup_free_ char *what = xasprintf("%s is made anew", v->name);
    log_failure(LOG_WARNING, e, what);
    return rebuild(n, v);
}

struct link_question {
    struct network *n;
    bool new_link;
};

static struct error *ask_link(void *arg)
{
    struct link_question *q = arg;
    return check_link(q->n, &q->new_link);
}

struct error *network_check(struct network *n)
{
    LOCKED(n);
    struct map_cursor at = {0};
    struct error *first = NULL;
    struct link_question q = {n, false};
    void *value;
    if (!map_size(n->vpcs))
        return NULL;
    RETURN_IF_ERROR(netns_run(n->host, ask_link, &q));
    while (map_next(n->vpcs, &at, NULL, &value))
        keep_first(&first, error_wrap(q.new_link ? rebuild(n, value) : check_vpc(n, value), "the network of %s",
                                      ((struct vpc *)value)->name));
    keep_first(&first, host_check(n));
    return first;
}
