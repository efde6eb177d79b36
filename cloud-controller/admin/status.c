/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/gen/admin.h"
#include "cloud-controller/quarantine.h"
#include "cloud-controller/request.h"
#include "common/base/clock.h"

static const char *node_state(const struct brain *b, const struct cloud_node *n)
{
    if (n->fenced)
        return "fenced";
    if (!n->heard)
        return "not heard yet";
    return n->silent < brain_timing(b)->node_expired ? "up" : "unreachable";
}

static const char *zone_state(const struct brain *b, const struct cloud_zone *z)
{
    if (!z->heard)
        return "not heard yet";
    return z->silent < brain_timing(b)->node_expired ? "up" : "unreachable";
}

static void fill_node(const struct brain *b, const struct cloud_model *c, const struct cloud_node *n,
                      struct admin_node *ret)
{
    struct size used = {0, 0, 0};
    int64_t instances = 0;
    array_each(&c->instances, i) {
        if ((*i)->held && id_eq(&(*i)->node, &n->id)) {
            used = size_add(used, (*i)->size);
            instances++;
        }
    }
    ret->id = xstrdup(n->id.text);
    ret->zone = xstrdup(n->zone.text);
    ret->state = xstrdup(node_state(b, n));
    ret->boot = (int64_t)n->boot;
    ret->vcpus = (int64_t)n->size.vcpus;
    ret->vcpus_used = (int64_t)used.vcpus;
    ret->memory_mib = (int64_t)n->size.memory_mib;
    ret->memory_mib_used = (int64_t)used.memory_mib;
    ret->instances = instances;
    ret->has_boot = ret->has_vcpus = ret->has_vcpus_used = ret->has_memory_mib = true;
    ret->has_memory_mib_used = ret->has_instances = true;
}

static void add_zone(const struct brain *b, const struct cloud_zone *z, struct admin_status_response *out)
{
    struct admin_zone *zone = array_add(&out->zones);
    zone->name = xstrdup(z->id.text);
    zone->state = xstrdup(zone_state(b, z));
    zone->epoch = (int64_t)z->epoch.n;
    zone->has_epoch = true;
    array_each(&z->slots, slot) {
        struct admin_slots *line = array_add(&zone->slots);
        line->type = xstrdup(slot->type.text);
        line->free = (int64_t)slot->free;
        line->has_free = true;
    }
}

static void add_daemon(struct admin_status_response *out, const char *name, const char *id, const char *zone,
                       const char *state, int64_t silent_ms)
{
    struct admin_daemon *d = array_add(&out->daemons);
    d->name = xstrdup(name);
    d->id = xstrdup(id);
    d->zone = xstrdup(zone);
    d->state = xstrdup(state);
    d->version = streq(name, "cloud-controller") ? xstrdup(PACKAGE_VERSION) : NULL;
    d->last_seen_seconds = silent_ms / 1000;
    d->has_last_seen_seconds = silent_ms >= 0; /* never heard: left out */
}

/* Why an instance is not where the user wants it, in words. */
static char *why_stuck(const struct brain *b, const struct cloud_model *c, const struct cloud_instance *i)
{
    if (id_none(&i->node)) {
        const struct cloud_zone *z = cloud_find_zone(c, i->zone.text);
        bool lost = !z || !streq(zone_state(b, z), "up");
        return lost ? xasprintf("waits for the Cluster Controller of %s, which sends no heartbeat", i->zone.text)
                    : xasprintf("waits to be placed in %s", i->zone.text);
    }
    const struct cloud_node *n = cloud_find_node(c, i->node.text);
    if (!n || !streq(node_state(b, n), "up"))
        return xasprintf("its node %s is unreachable", i->node.text);
    return xasprintf(i->wanted ? "node %s is starting it" : "node %s is removing it", i->node.text);
}

static void add_stuck(const struct brain *b, const struct cloud_model *c, struct admin_status_response *out)
{
    array_each(&c->instances, it) {
        const struct cloud_instance *i = *it;
        bool held_on = i->state == INSTANCE_TERMINATED && i->held;
        if (i->state != INSTANCE_PENDING && i->state != INSTANCE_SHUTTING_DOWN && !held_on)
            continue;
        int64_t whole = i->state == INSTANCE_PENDING ? brain_timing(b)->pending : brain_timing(b)->shutting_down;
        struct admin_stuck *s = array_add(&out->stuck);
        s->kind = xstrdup("instance");
        s->id = xstrdup(i->id.text);
        s->since_seconds = held_on ? whole / 1000 : (whole - i->deadline_left) / 1000;
        s->has_since_seconds = true;
        s->why = why_stuck(b, c, i);
    }
}

static struct error *status(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)tx;
    struct admin_status_response *out = arg;
    array_each(&c->zones, z) {
        add_zone(b, *z, out);
        add_daemon(out, "cluster-controller", (*z)->process.text, (*z)->id.text, zone_state(b, *z), (*z)->heard ? (*z)->silent : -1);
    }
    array_each(&c->nodes, n) {
        fill_node(b, c, *n, array_add(&out->nodes));
        add_daemon(out, "node-controller", (*n)->id.text, (*n)->zone.text, node_state(b, *n), (*n)->heard ? (*n)->silent : -1);
        array_each(&(*n)->quarantined, id) {
            struct admin_quarantined *q = array_add(&out->quarantined);
            q->node = xstrdup((*n)->id.text);
            q->id = xstrdup(id->text);
        }
    }
    add_stuck(b, c, out);
    out->open_requests = (int64_t)c->outbox.len;
    out->has_open_requests = true;
    return NULL;
}

struct error *admin_status(struct request_ctx *ctx, const struct admin_status_request *in,
                           struct admin_status_response *ret_out)
{
    (void)in;
    RETURN_IF_ERROR(authorize(ctx, "*"));
    ret_out->version = xstrdup(PACKAGE_VERSION);
    ret_out->region = xstrdup(ctx->cloud->config->region);
    ret_out->broker = xstrdup(brain_connected(ctx->cloud->brain) ? "up" : "down");
    add_daemon(ret_out, "cloud-controller", "cloud", "", "up", 0);
    return brain_change(ctx->cloud->brain, DB_LAZY | DB_RESCUE, status, ret_out);
}

static struct error *list_nodes(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)tx;
    struct admin_list_nodes_response *out = arg;
    array_each(&c->nodes, n)
        fill_node(b, c, *n, array_add(&out->nodes));
    return NULL;
}

struct error *admin_list_nodes(struct request_ctx *ctx, const struct admin_list_nodes_request *in,
                               struct admin_list_nodes_response *ret_out)
{
    (void)in;
    RETURN_IF_ERROR(authorize(ctx, "*"));
    return brain_change(ctx->cloud->brain, DB_LAZY | DB_RESCUE, list_nodes, ret_out);
}

struct one_node {
    const char *id;
    bool fence;
    struct admin_node **ret;
};

static struct error *one_node(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    const struct one_node *q = arg;
    struct cloud_node *n = cloud_find_node(c, q->id);
    if (!n)
        return error_new(ADMIN_NODE_NOT_FOUND, "There is no node %.80s.", q->id);
    if (q->fence && streq(node_state(b, n), "up"))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "Node %s sends heartbeats: stop it first, or its domains would run on.", q->id);
    if (q->fence) {
        RETURN_IF_ERROR(quarantine_fenced(tx, n));
        cloud_fence_node(c, n);
    }
    *q->ret = xnew0(struct admin_node);
    fill_node(b, c, n, *q->ret);
    return NULL;
}

struct reap {
    const char *id;
    struct id node;
};

static struct error *reap(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    (void)tx;
    struct reap *r = arg;
    const struct cloud_node *n = cloud_reap(c, r->id);
    if (!n)
        return error_new(ADMIN_INSTANCE_NOT_FOUND, "No node holds an instance %.80s in quarantine.", r->id);
    r->node = n->id;
    return NULL;
}

struct error *admin_reap_instance(struct request_ctx *ctx, const struct admin_reap_instance_request *in,
                                  struct admin_reap_instance_response *ret_out)
{
    struct reap r = {.id = in->instance_id};
    RETURN_IF_ERROR(authorize(ctx, in->instance_id));
    RETURN_IF_ERROR(brain_change(ctx->cloud->brain, DB_FORCED | DB_RESCUE, reap, &r));
    ret_out->node_id = xstrdup(r.node.text);
    return NULL;
}

struct error *admin_get_node(struct request_ctx *ctx, const struct admin_get_node_request *in,
                             struct admin_get_node_response *ret_out)
{
    struct one_node q = {in->node_id, false, &ret_out->node};
    RETURN_IF_ERROR(authorize(ctx, in->node_id));
    return brain_change(ctx->cloud->brain, DB_LAZY | DB_RESCUE, one_node, &q);
}

struct error *admin_fence_node(struct request_ctx *ctx, const struct admin_fence_node_request *in,
                               struct admin_fence_node_response *ret_out)
{
    struct one_node q = {in->node_id, true, &ret_out->node};
    RETURN_IF_ERROR(authorize(ctx, in->node_id));
    return brain_change(ctx->cloud->brain, DB_FORCED | DB_RESCUE, one_node, &q);
}
