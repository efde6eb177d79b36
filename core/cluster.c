/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/cluster.h"
#include "core/cluster-internal.h"
#include "core/digest.h"

struct cluster_model *cluster_new(const struct timing *timing, const char *zone, const char *process)
{
    struct cluster_model *c = xnew0(struct cluster_model);
    c->timing = *timing;
    c->zone = id_of(zone);
    c->process = id_of(process);
    c->state = CLUSTER_JOINING;
    return c;
}

static void forget_waiting(struct cluster_model *c)
{
    array_each(&c->waiting, w)
        message_free(&w->message);
    c->waiting.len = 0;
}

void cluster_effects_clear(struct cluster_model *c)
{
    array_each(&c->effects, e)
        message_free(&e->message);
    c->effects.len = 0;
}

void cluster_free(struct cluster_model *c)
{
    if (!c)
        return;
    cluster_effects_clear(c);
    forget_waiting(c);
    placing_forget_all(c);
    array_free(&c->nodes);
    array_free(&c->holds);
    array_free(&c->wanted);
    array_free(&c->waiting);
    array_free(&c->types);
    array_free(&c->effects);
    free(c);
}

static void go(struct cluster_model *c, enum cluster_state to)
{
    life_cycle_go(&LIFE_CLUSTER, c->counts ? c->counts->cluster : NULL, &c->state, (int)to);
}

struct cluster_effect *cluster_do(struct cluster_model *c, enum cluster_effect_kind kind)
{
    struct cluster_effect *e = array_add(&c->effects);
    e->kind = kind;
    return e;
}

struct message *cluster_report(struct cluster_model *c, enum message_type type)
{
    struct message *m = &cluster_do(c, CLUSTER_REPORT)->message;
    m->type = type;
    m->zone = c->zone;
    m->process = c->process;
    m->epoch = c->epoch;
    m->cloud = c->cloud;
    return m;
}

static void ack(struct cluster_model *c, uint64_t token)
{
    cluster_do(c, CLUSTER_ACK)->token = token;
}

/* Back to having no epoch; what the view knew of room is asked for again. */
static void join_again(struct cluster_model *c)
{
    go(c, CLUSTER_JOINING);
    c->epoch = (struct epoch){0, 0};
    c->snapshot = false;
    c->question++;
    c->asking = false;
    c->ask_left = 0;
    c->nodes.len = 0;
    c->holds.len = 0;
    placing_forget_all(c);
}

void cluster_on_connected(struct cluster_model *c)
{
    forget_waiting(c);
    join_again(c);
}

static void ask_epoch(struct cluster_model *c)
{
    c->asking = true;
    c->ask_left = c->timing.heartbeat;
    cluster_report(c, MESSAGE_EPOCH_REQUEST)->request = c->question;
}

/* An instance's object is also the echo of its placement. */
static void note_instance(struct cluster_model *c, const struct message *m)
{
    if (!m->present && !hold_find(c, &m->id, &m->node))
        return; /* its absence is to be made sure of; it takes no room */
    struct cluster_hold *h = hold_get(c, &m->id, &m->node);
    if (m->generation < h->generation)
        return;
    h->generation = m->generation;
    h->size = m->size;
    h->placed = true;
    h->claim_left = 0;
}

static void forward(struct cluster_model *c, uint64_t token, const struct message *m)
{
    struct cluster_effect *e = cluster_do(c, CLUSTER_FORWARD);
    e->token = token;
    e->message = message_copy(m);
    e->message.epoch = c->epoch;
    e->message.process = c->process;
}

static void obey(struct cluster_model *c, uint64_t token, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_OBJECT:
        if (m->kind == KIND_RESERVATION) {
            placing_want(c, m);
            ack(c, token);
            placing_try(c);
            return;
        }
        if (m->kind == KIND_INSTANCE)
            note_instance(c, m);
        forward(c, token, m);
        return;
    case MESSAGE_BOOT_ANSWER:
    case MESSAGE_INVENTORY_REQUEST:
        forward(c, token, m);
        return;
    default:
        ack(c, token);
    }
}

void cluster_on_delivery(struct cluster_model *c, uint64_t token, const struct message *m)
{
    c->cloud = m->cloud;
    if (c->state != CLUSTER_JOINING && epoch_compare(m->epoch, c->epoch) > 0) {
        /* Another process was active meanwhile: this one's view and epoch are of the past. */
        join_again(c);
    }
    if (c->state != CLUSTER_JOINING) {
        obey(c, token, m);
        return;
    }
    struct cluster_held_delivery *w = array_add(&c->waiting);
    w->token = token;
    w->message = message_copy(m);
    if (!c->asking)
        ask_epoch(c);
}

static void take_epoch(struct cluster_model *c, const struct message *m)
{
    if (c->state == CLUSTER_JOINING && (!c->asking || m->request != c->question))
        return;
    if (c->state != CLUSTER_JOINING && epoch_compare(m->epoch, c->epoch) <= 0)
        return;
    c->epoch = m->epoch;
    c->asking = false;
    c->snapshot = false;
    c->learning_left = c->timing.node_expired;
    c->inventory_left = 0;
    array_each(&c->nodes, n)
        n->known = false;
    go(c, CLUSTER_LEARNING);
}

/* The deliveries that came before the epoch, in their order. */
static void obey_waiting(struct cluster_model *c)
{
    for (size_t k = 0; k < c->waiting.len; k++) {
        obey(c, c->waiting.data[k].token, &c->waiting.data[k].message);
        message_free(&c->waiting.data[k].message);
    }
    c->waiting.len = 0;
}

static struct cluster_node *node_find(struct cluster_model *c, const struct id *id)
{
    array_each(&c->nodes, n) {
        if (id_eq(&n->id, id))
            return n;
    }
    return NULL;
}

static struct cluster_node *node_get(struct cluster_model *c, const struct id *id)
{
    struct cluster_node *n = node_find(c, id);
    if (!n) {
        n = array_add(&c->nodes);
        n->id = *id;
    }
    return n;
}

static void take_snapshot(struct cluster_model *c, const struct message *m)
{
    if (c->state == CLUSTER_JOINING || epoch_compare(m->epoch, c->epoch) != 0)
        return;
    c->snapshot = true;
    c->inventory_left = 0; /* its nodes are asked at the next tick */
    c->types.len = 0;
    array_each(&m->slots, slot)
        array_push(&c->types, *slot);
    array_each(&c->nodes, n)
        n->in_zone = false;
    array_each(&c->holds, h)
        h->placed = false;
    array_each(&m->items, item) {
        if (id_none(&item->id)) {
            node_get(c, &item->node)->in_zone = true;
            continue;
        }
        struct cluster_hold *h = hold_get(c, &item->id, &item->node);
        h->generation = item->generation;
        h->size = item->size;
        h->placed = true;
        h->claim_left = 0;
    }
    holds_sweep(c);
}

/* Ready once nothing is left to learn: each node has answered in this epoch, or is expired. */
static void look_ready(struct cluster_model *c)
{
    if (c->state != CLUSTER_LEARNING || !c->snapshot)
        return;
    array_each(&c->nodes, n) {
        if (!n->known && c->learning_left > 0)
            return;
    }
    go(c, CLUSTER_READY);
    c->heartbeat_left = 0; /* the cloud learns of the room at once */
    placing_try(c);
}

void cluster_on_control(struct cluster_model *c, const struct message *m)
{
    if (!id_eq(&m->process, &c->process))
        return;
    if (m->type == MESSAGE_EPOCH_GRANT) {
        take_epoch(c, m);
    } else if (m->type == MESSAGE_SNAPSHOT) {
        take_snapshot(c, m);
        if (c->snapshot)
            obey_waiting(c);
        look_ready(c);
    }
}

static void take_inventory(struct cluster_model *c, struct cluster_node *n, const struct message *m)
{
    array_each(&c->holds, h) {
        if (id_eq(&h->node, &n->id))
            h->reported = false;
    }
    array_each(&m->items, item) {
        if (item->kind != KIND_INSTANCE)
            continue;
        struct cluster_hold *h = hold_get(c, &item->id, &n->id);
        h->reported = true;
        if (item->generation > h->generation)
            h->generation = item->generation;
        if (!h->placed && !h->claim_left)
            h->size = item->size;
    }
    holds_sweep(c);
    if (m->request == c->epoch.n && epoch_compare(m->epoch, c->epoch) == 0 && !n->known) {
        n->known = true;
        c->heartbeat_left = 0;
    }
}

static void take_applied(struct cluster_model *c, const struct message *m)
{
    if (m->kind != KIND_INSTANCE)
        return;
    struct cluster_hold *h = hold_find(c, &m->id, &m->node);
    if (!h || m->generation < h->generation)
        return;
    if (m->present) {
        h->reported = true;
        return;
    }
    h->reported = h->placed = false;
    h->claim_left = 0;
    holds_sweep(c);
    placing_try(c);
}

void cluster_on_report(struct cluster_model *c, const struct message *m)
{
    if (id_none(&m->node) || c->state == CLUSTER_JOINING)
        return;
    if (!node_find(c, &m->node))
        c->ask_left = 0; /* enrolled since the snapshot: ask for it anew at the next tick */
    struct cluster_node *n = node_get(c, &m->node);
    if (m->run < n->run)
        return;
    n->run = m->run;
    n->silent = 0;
    n->heard = true;
    switch (m->type) {
    case MESSAGE_HEARTBEAT:
        n->size = m->size;
        break;
    case MESSAGE_INVENTORY:
        n->size = m->size;
        take_inventory(c, n, m);
        look_ready(c);
        placing_try(c);
        break;
    case MESSAGE_APPLIED:
        take_applied(c, m);
        break;
    default:
        break;
    }
}

static void send_heartbeat(struct cluster_model *c)
{
    struct message *m = cluster_report(c, MESSAGE_CLUSTER_HEARTBEAT);
    array_each(&c->holds, h) {
        if (!h->placed)
            continue;
        m->count++;
        m->digest ^= digest_object(KIND_INSTANCE, h->id.text, h->generation);
    }
    if (c->state == CLUSTER_READY)
        placing_slots(c, m);
}

/* Asks each node that is not yet known in this epoch. */
static void ask_inventories(struct cluster_model *c)
{
    array_each(&c->nodes, n) {
        if (n->known)
            continue;
        struct cluster_effect *e = cluster_do(c, CLUSTER_FORWARD);
        e->message.type = MESSAGE_INVENTORY_REQUEST;
        e->message.zone = c->zone;
        e->message.node = n->id;
        e->message.cloud = c->cloud;
        e->message.epoch = c->epoch;
        e->message.process = c->process;
        e->message.request = c->epoch.n;
    }
}

/* A node reports that the snapshot did not name: the cloud has enrolled it since. */
static bool stranger_reports(const struct cluster_model *c)
{
    array_each(&c->nodes, n) {
        if (n->heard && !n->in_zone && n->silent < c->timing.node_expired)
            return true;
    }
    return false;
}

void cluster_on_tick(struct cluster_model *c, int64_t elapsed)
{
    int64_t spent = timing_spend(&c->timing, elapsed);
    bool waits = c->state == CLUSTER_JOINING ? c->asking : !c->snapshot || stranger_reports(c);
    c->ask_left -= spent;
    if (waits && c->ask_left <= 0)
        ask_epoch(c); /* the grant or the snapshot was lost: the same question gets the same answer */
    if (c->state == CLUSTER_JOINING)
        return;
    array_each(&c->nodes, n) {
        if (n->silent < c->timing.node_expired)
            n->silent += spent;
    }
    array_each(&c->holds, h) {
        if (h->claim_left > 0 && (h->claim_left -= spent) < 0)
            h->claim_left = 0;
    }
    holds_sweep(c);
    if (c->learning_left > 0)
        c->learning_left -= spent;
    c->inventory_left -= spent;
    if (c->inventory_left <= 0) {
        ask_inventories(c);
        c->inventory_left = c->timing.heartbeat;
    }
    look_ready(c);
    c->heartbeat_left -= spent;
    if (c->heartbeat_left <= 0) {
        send_heartbeat(c);
        c->heartbeat_left = c->timing.heartbeat;
    }
    placing_tick(c, spent);
}
