/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/map.h"
#include "core/cloud-internal.h"

/* How many publishes may await their confirm; the rest waits as dirty rows. */
#define IN_FLIGHT_MAX 128

static char *row_key(const struct id *receiver, enum object_kind kind, const struct id *id)
{
    return xasprintf("%s/%d/%s", receiver->text, (int)kind, id->text);
}

static void row_go(struct cloud_model *c, struct outbox_row *o, enum outbox_state to)
{
    life_cycle_go(&LIFE_OUTBOX, c->counts ? c->counts->outbox : NULL, &o->state, (int)to);
}

struct outbox_row *outbox_find(const struct cloud_model *c, const struct id *receiver,
                               enum object_kind kind, const struct id *id)
{
    _cleanup_free_ char *key = row_key(receiver, kind, id);
    return map_get(c->outbox_by_key, key);
}

void cloud_load_outbox(struct cloud_model *c, struct outbox_row *take)
{
    take->row.kind = ROW_OUTBOX;
    _cleanup_free_ char *key = row_key(&take->receiver, take->kind, &take->id);
    array_push(&c->outbox, take);
    map_set(c->outbox_by_key, key, take);
}

void outbox_mark(struct cloud_model *c, const struct id *receiver, enum object_kind kind,
                 const struct id *id)
{
    struct outbox_row *o = outbox_find(c, receiver, kind, id);
    if (!o) {
        o = xnew0(struct outbox_row);
        o->receiver = *receiver;
        o->kind = kind;
        o->id = *id;
        cloud_load_outbox(c, o);
    }
    o->attempt = 0; /* the result of a publish under way no longer counts */
    o->wait = o->wait_left = 0;
    row_go(c, o, OUTBOX_DIRTY);
    cloud_changed(c, &o->row, FLUSHED);
}

void outbox_settle(struct cloud_model *c, struct outbox_row *o)
{
    _cleanup_free_ char *key = row_key(&o->receiver, o->kind, &o->id);
    row_go(c, o, OUTBOX_NONE);
    map_take(c->outbox_by_key, key);
    array_push(&c->removed,
               ((struct cloud_removed){ROW_OUTBOX, o->receiver, o->id, o->kind}));
    cloud_unchanged(c, &o->row);
    for (size_t k = 0; k < c->outbox.len; k++) {
        if (c->outbox.data[k] == o) {
            array_remove(&c->outbox, k);
            break;
        }
    }
    free(o);
}

bool outbox_open_for(const struct cloud_model *c, const struct id *receiver)
{
    array_each(&c->outbox, o) {
        if (id_eq(&(*o)->receiver, receiver))
            return true;
    }
    return false;
}

static void row_again(struct cloud_model *c, struct outbox_row *o)
{
    o->attempt = 0;
    row_go(c, o, OUTBOX_DIRTY);
    cloud_changed(c, &o->row, RIDES_ALONG);
}

void outbox_wake(struct cloud_model *c, const struct id *receiver)
{
    array_each(&c->outbox, o) {
        if (id_eq(&(*o)->receiver, receiver) && (*o)->state == OUTBOX_SENT) {
            (*o)->wait = 0;
            row_again(c, *o);
        }
    }
}

void cloud_on_connected(struct cloud_model *c)
{
    array_each(&c->outbox, o) {
        if ((*o)->state == OUTBOX_SENT || (*o)->state == OUTBOX_IN_FLIGHT) {
            (*o)->wait = 0;
            row_again(c, *o);
        }
    }
    /* Reports sent while nobody listened are gone: ask for what they said. */
    array_each(&c->nodes, n)
        (*n)->inventory_left = 0;
    c->hello_left = 0;
    outbox_pump(c);
}

/* The zone through which the receiver is reached; NULL: neither zone nor node is known. */
static const struct cloud_zone *route_of(const struct cloud_model *c, const struct id *receiver,
                                         const struct cloud_node **ret_node)
{
    *ret_node = cloud_find_node(c, receiver->text);
    return cloud_find_zone(c, *ret_node ? (*ret_node)->zone.text : receiver->text);
}

static bool receiver_alive(const struct cloud_model *c, const struct id *receiver)
{
    const struct cloud_node *n;
    const struct cloud_zone *z = route_of(c, receiver, &n);
    if (!z)
        return false;
    return n ? n->heard && n->silent < c->timing.node_expired
             : z->heard && z->silent < c->timing.node_expired;
}

static void fill_instance(struct cloud_model *c, struct message *m, const struct outbox_row *o)
{
    const struct cloud_instance *i = cloud_find_instance(c, o->id.text);
    m->node = o->receiver;
    if (!i) { /* forgotten: nothing of it may stay */
        m->generation = UINT64_MAX >> 1;
        return;
    }
    m->generation = i->generation;
    m->present = i->wanted && id_eq(&i->node, &o->receiver);
    m->size = i->size;
    if (m->present)
        m->body = xstrdup(i->body);
    memcpy(m->request_id, i->request_id, sizeof m->request_id);
}

static void fill_reservation(struct cloud_model *c, struct message *m, const struct outbox_row *o)
{
    const struct cloud_reservation *r = reservation_find(c, o->id.text);
    if (!r)
        return;
    m->generation = r->generation;
    m->present = true;
    memcpy(m->request_id, r->request_id, sizeof m->request_id);
    array_each(&c->instances, i) {
        if (id_eq(&(*i)->reservation, &r->id) && (*i)->wanted && id_none(&(*i)->node)) {
            struct message_item *item = array_add(&m->items);
            item->id = (*i)->id;
            item->generation = (*i)->generation;
            item->size = (*i)->size;
        }
    }
}

/* Builds the message from the resource as it is now. */
static void row_send(struct cloud_model *c, struct outbox_row *o, const struct cloud_zone *z)
{
    struct cloud_outgoing *out = cloud_send(c, ROUTE_CLUSTER, MESSAGE_OBJECT, &z->id);
    out->message.kind = o->kind;
    out->message.id = o->id;
    switch (o->kind) {
    case KIND_INSTANCE:
        fill_instance(c, &out->message, o);
        break;
    case KIND_OPERATION:
        operation_fill(c, &out->message, o);
        break;
    case KIND_GROUP:
    case KIND_SUBNET:
        shared_fill(c, &out->message, o);
        break;
    default:
        fill_reservation(c, &out->message, o);
        break;
    }
    out->attempt = o->attempt = ++c->attempts;
    row_go(c, o, OUTBOX_IN_FLIGHT);
}

void outbox_pump(struct cloud_model *c)
{
    size_t in_flight = 0;
    shared_pump(c);
    array_each(&c->outbox, o)
        in_flight += (*o)->state == OUTBOX_IN_FLIGHT;
    for (size_t k = 0; k < c->outbox.len && in_flight < IN_FLIGHT_MAX; k++) {
        struct outbox_row *o = c->outbox.data[k];
        const struct cloud_node *n;
        const struct cloud_zone *z = route_of(c, &o->receiver, &n);
        if (o->state != OUTBOX_DIRTY || o->wait_left > 0 || !z)
            continue;
        row_send(c, o, z);
        in_flight++;
    }
}

void cloud_published(struct cloud_model *c, uint64_t attempt, enum publish_result result)
{
    array_each(&c->outbox, it) {
        struct outbox_row *o = *it;
        if (o->attempt != attempt || o->state != OUTBOX_IN_FLIGHT)
            continue;
        if (result == PUBLISH_CONFIRMED) {
            row_go(c, o, OUTBOX_SENT);
            o->wait = o->wait ? o->wait * 2 : c->timing.resend;
            if (o->wait > c->timing.resend_most)
                o->wait = c->timing.resend_most;
            o->wait_left = o->wait;
            cloud_changed(c, &o->row, RIDES_ALONG);
        } else {
            row_again(c, o);
            o->wait_left = c->timing.tick; /* not in a tight loop */
        }
        return;
    }
}

void outbox_tick(struct cloud_model *c, int64_t spent)
{
    array_each(&c->outbox, it) {
        struct outbox_row *o = *it;
        if (o->wait_left > 0)
            o->wait_left -= spent;
        if (o->state == OUTBOX_SENT && o->wait_left <= 0 && receiver_alive(c, &o->receiver))
            row_again(c, o);
    }
}
