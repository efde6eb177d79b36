/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/cloud-internal.h"
#include "core/digest.h"

static void send_snapshot(struct cloud_model *c, struct cloud_zone *z)
{
    struct cloud_outgoing *grant = cloud_send(c, ROUTE_PROCESS, MESSAGE_EPOCH_GRANT, &z->id);
    grant->message.request = z->asked;
    struct message *m = &cloud_send(c, ROUTE_PROCESS, MESSAGE_SNAPSHOT, &z->id)->message;
    array_each(&c->types, type) {
        struct message_slots *slot = array_add(&m->slots);
        slot->type = type->name;
        slot->size = type->size;
    }
    array_each(&c->nodes, n) {
        if (id_eq(&(*n)->zone, &z->id) && !(*n)->fenced)
            array_add(&m->items)->node = (*n)->id;
    }
    array_each(&c->instances, i) {
        if (!(*i)->held || !id_eq(&(*i)->zone, &z->id))
            continue;
        struct message_item *item = array_add(&m->items);
        item->id = (*i)->id;
        item->node = (*i)->node;
        item->generation = (*i)->generation;
        item->size = (*i)->size;
        item->present = true;
    }
    z->disputes = 0;
}

void zone_epoch_request(struct cloud_model *c, const struct message *m)
{
    struct cloud_zone *z = cloud_find_zone(c, m->zone.text);
    if (!z)
        return;
    bool again = id_eq(&z->process, &m->process) && z->asked == m->request;
    if (!again) {
        z->epoch.n++;
        z->process = m->process;
        z->asked = m->request;
        z->disputes = 0;
        cloud_changed(c, &z->row, FLUSHED);
    }
    send_snapshot(c, z);
    outbox_wake(c, &z->id); /* its predecessor may have taken them along */
}

/* Placements as the cloud holds them for the zone, as the cluster's heartbeat sums them up. */
static bool same_placements(const struct cloud_model *c, const struct cloud_zone *z,
                            const struct message *m)
{
    uint64_t count = 0, digest = 0;
    array_each(&c->instances, i) {
        if ((*i)->held && id_eq(&(*i)->zone, &z->id)) {
            count++;
            digest ^= digest_object(KIND_INSTANCE, (*i)->id.text, (*i)->generation);
        }
    }
    return count == m->count && digest == m->digest;
}

static bool zone_busy(const struct cloud_model *c, const struct cloud_zone *z)
{
    array_each(&c->outbox, o) {
        const struct cloud_node *n = cloud_find_node(c, (*o)->receiver.text);
        if (id_eq(n ? &n->zone : &(*o)->receiver, &z->id))
            return true;
    }
    return false;
}

void zone_heartbeat(struct cloud_model *c, const struct message *m)
{
    struct cloud_zone *z = cloud_find_zone(c, m->zone.text);
    if (!z || !id_eq(&z->process, &m->process))
        return;
    if (epoch_compare(m->epoch, z->epoch) < 0) { /* the grant was lost on its way */
        send_snapshot(c, z);
        return;
    }
    if (!z->heard || z->silent >= c->timing.node_expired)
        outbox_wake(c, &z->id);
    z->heard = true;
    z->silent = 0;
    z->slots.len = 0;
    array_each(&m->slots, slot)
        array_push(&z->slots, *slot);
    if (zone_busy(c, z) || same_placements(c, z, m))
        z->disputes = 0;
    else if (++z->disputes >= 2)
        send_snapshot(c, z);
}

uint64_t cloud_free_slots(const struct cloud_model *c, const struct cloud_zone *z, const char *type)
{
    uint64_t unplaced = 0;
    array_each(&c->instances, i)
        unplaced += (*i)->wanted && id_none(&(*i)->node) && id_eq(&(*i)->zone, &z->id);
    array_each(&z->slots, slot) {
        if (id_is(&slot->type, type))
            return slot->free > unplaced ? slot->free - unplaced : 0;
    }
    return 0;
}

void zone_tick(struct cloud_model *c, int64_t spent)
{
    array_each(&c->zones, z) {
        if ((*z)->silent < c->timing.node_expired)
            (*z)->silent += spent;
    }
    c->hello_left -= spent;
    if (c->hello_left > 0)
        return;
    c->hello_left = c->timing.heartbeat;
    array_each(&c->zones, z)
        cloud_send(c, ROUTE_CLUSTER, MESSAGE_HELLO, &(*z)->id);
}
