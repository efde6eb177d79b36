/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/cloud.h"
#include <stdarg.h>
#include <stdio.h>
#include "common/base/map.h"
#include "common/base/str.h"
#include "core/cloud-internal.h"

struct cloud_model *cloud_new(const struct timing *timing, const char *cloud, uint64_t era)
{
    struct cloud_model *c = xnew0(struct cloud_model);
    c->timing = *timing;
    c->cloud = id_of(cloud);
    c->era = era;
    c->by_id = map_new();
    c->outbox_by_key = map_new();
    c->shared_by_id = map_new();
    return c;
}

static void instance_free(struct cloud_instance *i)
{
    free(i->body);
    free(i->uses);
    free(i->reason_code);
    free(i->reason_text);
    free(i);
}

void cloud_effects_clear(struct cloud_model *c)
{
    array_each(&c->changed, row)
        (*row)->queued = false;
    c->changed.len = 0;
    c->removed.len = 0;
    array_each(&c->outgoing, out)
        message_free(&out->message);
    c->outgoing.len = 0;
    array_each(&c->events, event)
        free(event->text);
    c->events.len = 0;
    array_each(&c->finished, done) {
        free(done->body);
        free(done->text);
    }
    c->finished.len = 0;
    c->era_changed = false;
    c->flush = false;
}

void cloud_free(struct cloud_model *c)
{
    if (!c)
        return;
    cloud_effects_clear(c);
    array_each(&c->instances, i)
        instance_free(*i);
    array_each(&c->reservations, r)
        free(*r);
    array_each(&c->zones, z) {
        array_free(&(*z)->slots);
        free(*z);
    }
    array_each(&c->nodes, n) {
        array_free(&(*n)->quarantined);
        free(*n);
    }
    array_each(&c->outbox, o)
        free(*o);
    array_each(&c->shared, s) {
        free((*s)->mentions);
        free(*s);
    }
    array_each(&c->operations, o)
        free(*o);
    array_free(&c->shared);
    array_free(&c->operations);
    array_free(&c->finished);
    array_free(&c->instances);
    array_free(&c->reservations);
    array_free(&c->zones);
    array_free(&c->nodes);
    array_free(&c->outbox);
    array_free(&c->types);
    array_free(&c->changed);
    array_free(&c->removed);
    array_free(&c->outgoing);
    array_free(&c->events);
    map_free(c->by_id, NULL);
    map_free(c->outbox_by_key, NULL);
    map_free(c->shared_by_id, NULL);
    free(c);
}

void cloud_changed(struct cloud_model *c, struct cloud_row *row, enum flush flush)
{
    if (flush == FLUSHED)
        c->flush = true;
    if (row->queued)
        return;
    row->queued = true;
    array_push(&c->changed, row);
}

void cloud_unchanged(struct cloud_model *c, const struct cloud_row *row)
{
    for (size_t k = 0; k < c->changed.len; k++) {
        if (c->changed.data[k] == row) {
            array_remove(&c->changed, k);
            return;
        }
    }
}

void cloud_say(struct cloud_model *c, const struct cloud_instance *i, const struct id *source,
               const char *format, ...)
{
    struct cloud_event *event = array_add(&c->events);
    event->instance = i->id;
    event->source = *source;
    va_list args;
    va_start(args, format);
    if (vasprintf(&event->text, format, args) < 0)
        abort();
    va_end(args);
}

struct cloud_outgoing *cloud_send(struct cloud_model *c, enum cloud_route route, enum message_type type,
                                  const struct id *zone)
{
    struct cloud_outgoing *out = array_add(&c->outgoing);
    out->route = route;
    out->message.type = type;
    out->message.zone = *zone;
    out->message.cloud = c->cloud;
    const struct cloud_zone *z = cloud_find_zone(c, zone->text);
    out->message.epoch = z ? z->epoch : (struct epoch){c->era, 0};
    if (z)
        out->message.process = z->process;
    return out;
}

void cloud_load_instance(struct cloud_model *c, struct cloud_instance *take)
{
    take->row.kind = ROW_INSTANCE;
    array_push(&c->instances, take);
    map_set(c->by_id, take->id.text, take);
}

void cloud_load_reservation(struct cloud_model *c, struct cloud_reservation *take)
{
    take->row.kind = ROW_RESERVATION;
    array_push(&c->reservations, take);
    map_set(c->by_id, take->id.text, take);
}

void cloud_load_node(struct cloud_model *c, struct cloud_node *take)
{
    take->row.kind = ROW_NODE;
    array_push(&c->nodes, take);
}

void cloud_load_zone(struct cloud_model *c, struct cloud_zone *take)
{
    take->row.kind = ROW_ZONE;
    take->epoch.era = c->era;
    array_push(&c->zones, take);
}

void cloud_loaded(struct cloud_model *c)
{
    array_each(&c->zones, z)
        (*z)->silent = 0;
    array_each(&c->outbox, o) {
        if ((*o)->state == OUTBOX_IN_FLIGHT)
            life_cycle_go(&LIFE_OUTBOX, c->counts ? c->counts->outbox : NULL, &(*o)->state, OUTBOX_DIRTY);
    }
}

struct cloud_instance *cloud_find_instance(const struct cloud_model *c, const char *id)
{
    return str_starts(id, "i-") ? map_get(c->by_id, id) : NULL;
}

struct cloud_reservation *reservation_find(const struct cloud_model *c, const char *id)
{
    return str_starts(id, "r-") ? map_get(c->by_id, id) : NULL;
}

struct cloud_zone *cloud_find_zone(const struct cloud_model *c, const char *id)
{
    array_each(&c->zones, z) {
        if (id_is(&(*z)->id, id))
            return *z;
    }
    return NULL;
}

struct cloud_node *cloud_find_node(const struct cloud_model *c, const char *id)
{
    array_each(&c->nodes, n) {
        if (id_is(&(*n)->id, id))
            return *n;
    }
    return NULL;
}

void cloud_add_type(struct cloud_model *c, const char *name, struct size size)
{
    array_push(&c->types, ((struct cloud_type){id_of(name), size}));
}

static void applied(struct cloud_model *c, const struct message *m)
{
    struct cloud_node *n = node_known(c, m);
    if (!n)
        return;
    node_seen(c, n, m);
    if (m->kind == KIND_INSTANCE)
        instance_applied(c, m);
    else if (m->kind == KIND_OPERATION)
        operation_applied(c, m);
    else if (object_kind_shared(m->kind))
        shared_applied(c, m);
}

void cloud_on_message(struct cloud_model *c, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_EPOCH_REQUEST:
        zone_epoch_request(c, m);
        break;
    case MESSAGE_PLACEMENT:
        instance_placed(c, m);
        break;
    case MESSAGE_CLUSTER_HEARTBEAT:
        zone_heartbeat(c, m);
        break;
    case MESSAGE_APPLIED:
        applied(c, m);
        break;
    case MESSAGE_OBSERVED: {
        struct cloud_node *n = node_known(c, m);
        if (!n)
            break;
        node_seen(c, n, m);
        struct cloud_instance *i = cloud_find_instance(c, m->id.text);
        if (i)
            instance_observe(c, i, &m->node, m->run, m->seq, m->observed, m->text);
        break;
    }
    case MESSAGE_HEARTBEAT:
        node_heartbeat(c, m);
        break;
    case MESSAGE_INVENTORY:
        node_inventory(c, m);
        break;
    case MESSAGE_BOOT:
        node_boot(c, m);
        break;
    default:
        break; /* not a report */
    }
    outbox_pump(c);
}

void cloud_on_tick(struct cloud_model *c, int64_t elapsed)
{
    int64_t spent = timing_spend(&c->timing, elapsed);
    shared_new_era(c);
    instance_tick(c, spent);
    operation_tick(c, spent);
    zone_tick(c, spent);
    node_tick(c, spent);
    outbox_tick(c, spent);
    outbox_pump(c);
}
