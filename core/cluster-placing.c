/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/cluster-internal.h"

/* How many reservations may wait for room at once; further ones are sent again by the cloud. */
#define WANTED_MAX 1024

struct cluster_hold *hold_find(struct cluster_model *c, const struct id *id, const struct id *node)
{
    array_each(&c->holds, h) {
        if (id_eq(&h->id, id) && id_eq(&h->node, node))
            return h;
    }
    return NULL;
}

struct cluster_hold *hold_get(struct cluster_model *c, const struct id *id, const struct id *node)
{
    struct cluster_hold *h = hold_find(c, id, node);
    if (!h) {
        h = array_add(&c->holds);
        h->id = *id;
        h->node = *node;
    }
    return h;
}

void holds_sweep(struct cluster_model *c)
{
    for (size_t k = 0; k < c->holds.len; k++) {
        const struct cluster_hold *h = &c->holds.data[k];
        if (!h->placed && !h->reported && h->claim_left <= 0)
            array_remove(&c->holds, k--);
    }
}

struct size node_room(const struct cluster_model *c, const struct cluster_node *n)
{
    struct size room = n->size;
    array_each(&c->holds, h) {
        if (id_eq(&h->node, &n->id))
            room = size_subtract(room, h->size);
    }
    return room;
}

bool node_usable(const struct cluster_model *c, const struct cluster_node *n)
{
    return n->known && n->in_zone && n->heard && n->silent < c->timing.node_expired;
}

void placing_forget_all(struct cluster_model *c)
{
    array_each(&c->wanted, w)
        message_free(&w->object);
    c->wanted.len = 0;
}

void placing_tick(struct cluster_model *c, int64_t spent)
{
    for (size_t k = 0; k < c->wanted.len; k++) {
        struct cluster_wanted *w = &c->wanted.data[k];
        if ((w->left -= spent) > 0)
            continue;
        message_free(&w->object);
        array_remove(&c->wanted, k--);
    }
    placing_try(c);
}

void placing_want(struct cluster_model *c, const struct message *m)
{
    for (size_t k = 0; k < c->wanted.len; k++) {
        struct message *old = &c->wanted.data[k].object;
        if (!id_eq(&old->id, &m->id))
            continue;
        if (m->generation < old->generation)
            return;
        message_free(old);
        array_remove(&c->wanted, k);
        break;
    }
    if (!m->present || c->wanted.len >= WANTED_MAX)
        return;
    struct cluster_wanted *w = array_add(&c->wanted);
    w->object = message_copy(m);
    w->left = c->timing.placing;
}

/* The usable node with the most memory left that the size fits; NULL: none. */
static struct cluster_node *choose(struct cluster_model *c, struct size need)
{
    struct cluster_node *best = NULL;
    struct size best_room = {0, 0, 0};
    array_each(&c->nodes, n) {
        if (!node_usable(c, n))
            continue;
        struct size room = node_room(c, n);
        if (size_fits(need, room) && (!best || room.memory_mib > best_room.memory_mib)) {
            best = n;
            best_room = room;
        }
    }
    return best;
}

static struct cluster_hold *claim_of(struct cluster_model *c, const struct message_item *item)
{
    array_each(&c->holds, h) {
        if (id_eq(&h->id, &item->id) && h->claim_left > 0 && h->generation == item->generation)
            return h;
    }
    return NULL;
}

/* Claims a node for each instance, or for none. */
static bool claim_all(struct cluster_model *c, const struct message *want)
{
    size_t before = c->holds.len;
    array_each(&want->items, item) {
        if (claim_of(c, item))
            continue;
        struct cluster_node *n = choose(c, item->size);
        struct cluster_hold *h = n ? hold_find(c, &item->id, &n->id) : NULL;
        if (!n || h) { /* no room; or that node still answers for an earlier life of it */
            c->holds.len = before; /* new claims were added at the end */
            return false;
        }
        h = array_add(&c->holds);
        h->id = item->id;
        h->node = n->id;
        h->reservation = want->id;
        h->generation = item->generation;
        h->size = item->size;
        h->claim_left = c->timing.placing;
    }
    return true;
}

static void answer(struct cluster_model *c, const struct message *want)
{
    struct message *m = cluster_report(c, MESSAGE_PLACEMENT);
    m->kind = KIND_RESERVATION;
    m->id = want->id;
    m->generation = want->generation;
    memcpy(m->request_id, want->request_id, sizeof m->request_id);
    array_each(&want->items, item) {
        struct cluster_hold *h = claim_of(c, item);
        struct message_item *line = array_add(&m->items);
        line->id = item->id;
        line->generation = item->generation;
        line->node = h->node;
    }
}

void placing_try(struct cluster_model *c)
{
    if (c->state != CLUSTER_READY)
        return;
    for (size_t k = 0; k < c->wanted.len; k++) {
        struct message *want = &c->wanted.data[k].object;
        if (!claim_all(c, want))
            continue;
        answer(c, want);
        message_free(want);
        array_remove(&c->wanted, k--);
    }
}

static uint64_t times(struct size room, struct size need)
{
    uint64_t n = UINT64_MAX;
    if (need.vcpus && room.vcpus / need.vcpus < n)
        n = room.vcpus / need.vcpus;
    if (need.memory_mib && room.memory_mib / need.memory_mib < n)
        n = room.memory_mib / need.memory_mib;
    if (need.disk_gib && room.disk_gib / need.disk_gib < n)
        n = room.disk_gib / need.disk_gib;
    return n == UINT64_MAX ? 0 : n;
}

void placing_slots(const struct cluster_model *c, struct message *m)
{
    array_each(&c->types, type) {
        struct message_slots *slot = array_add(&m->slots);
        *slot = *type;
        slot->free = 0;
        array_each(&c->nodes, n) {
            if (node_usable(c, n))
                slot->free += times(node_room(c, n), type->size);
        }
    }
}
