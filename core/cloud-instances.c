/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/map.h"
#include "core/cloud-internal.h"
#include "core/id-list.h"

/* A step that a node reports, each percent of an image among them, keeps `pending` from being spent for so long. */
#define PROGRESS_MS 30000

void instance_go(struct cloud_model *c, struct cloud_instance *i, enum instance_state to)
{
    life_cycle_go(&LIFE_INSTANCE, c->counts ? c->counts->instance : NULL, &i->state, (int)to);
    if (to == INSTANCE_SHUTTING_DOWN)
        i->deadline_left = c->timing.shutting_down;
    /* What was observed comes again; what was decided must not be lost. */
    cloud_changed(c, &i->row, to == INSTANCE_RUNNING ? RIDES_ALONG : FLUSHED);
}

void cloud_run(struct cloud_model *c, const char *reservation, const char *account, const char *zone,
               const char *request_id, const struct cloud_want *wants, size_t count)
{
    struct cloud_reservation *r = xnew0(struct cloud_reservation);
    r->id = id_of(reservation);
    r->account = id_of(account);
    r->zone = id_of(zone);
    r->generation = 1;
    r->placing_left = c->timing.placing;
    strncpy(r->request_id, request_id, sizeof r->request_id - 1);
    cloud_load_reservation(c, r);
    cloud_changed(c, &r->row, FLUSHED);
    for (size_t k = 0; k < count; k++) {
        struct cloud_instance *i = xnew0(struct cloud_instance);
        i->id = wants[k].id;
        i->reservation = r->id;
        i->account = r->account;
        i->zone = r->zone;
        i->generation = 1;
        i->wanted = true;
        i->state = INSTANCE_PENDING;
        i->size = wants[k].size;
        i->deadline_left = c->timing.pending;
        i->forget_left = c->timing.keep_gone;
        i->body = xstrdup(wants[k].body);
        i->uses = id_list_make(wants[k].uses, wants[k].uses_len);
        memcpy(i->request_id, r->request_id, sizeof i->request_id);
        cloud_load_instance(c, i);
        cloud_changed(c, &i->row, FLUSHED);
        cloud_say(c, i, &r->zone, "accepted");
    }
    outbox_mark(c, &r->zone, KIND_RESERVATION, &r->id);
    outbox_pump(c);
}

bool reservation_unplaced(const struct cloud_model *c, const struct cloud_reservation *r)
{
    array_each(&c->instances, i) {
        if (id_eq(&(*i)->reservation, &r->id) && (*i)->wanted && id_none(&(*i)->node))
            return true;
    }
    return false;
}

/* The recorded placement, or nobody left to place, is the report that ends a reservation's row. */
void reservation_settle(struct cloud_model *c, struct cloud_reservation *r)
{
    if (reservation_unplaced(c, r))
        return;
    struct outbox_row *o = outbox_find(c, &r->zone, KIND_RESERVATION, &r->id);
    if (o)
        outbox_settle(c, o);
}

static void set_reason(struct cloud_instance *i, const char *code, const char *text)
{
    if (i->reason_code || !code)
        return;
    i->reason_code = xstrdup(code);
    i->reason_text = xstrdup(text);
}

/* Nothing holds it any more: room and address may be used again. */
void instance_gone(struct cloud_model *c, struct cloud_instance *i)
{
    if (i->held) {
        shared_touch(c, i);
        i->held = false;
        shared_left(c, i, &i->node);
    }
    if (i->state != INSTANCE_TERMINATED)
        instance_go(c, i, INSTANCE_TERMINATED);
    cloud_changed(c, &i->row, RIDES_ALONG);
}

void instance_give_up(struct cloud_model *c, struct cloud_instance *i, enum instance_state shown,
                      const char *code, const char *text)
{
    if (i->wanted) {
        i->wanted = false;
        i->generation++;
        if (!id_none(&i->node))
            outbox_mark(c, &i->node, KIND_INSTANCE, &i->id);
    }
    set_reason(i, code, text);
    instance_go(c, i, shown);
    if (text)
        cloud_say(c, i, id_none(&i->node) ? &i->zone : &i->node, "%s: %s", code, text);
    struct cloud_reservation *r = reservation_find(c, i->reservation.text);
    if (r)
        reservation_settle(c, r);
}

enum instance_state cloud_terminate(struct cloud_model *c, struct cloud_instance *i, const char *request_id)
{
    enum instance_state before = (enum instance_state)i->state;
    if (before == INSTANCE_SHUTTING_DOWN || before == INSTANCE_TERMINATED)
        return before;
    memset(i->request_id, 0, sizeof i->request_id);
    strncpy(i->request_id, request_id, sizeof i->request_id - 1);
    instance_give_up(c, i, INSTANCE_SHUTTING_DOWN, "Client.UserInitiatedShutdown",
                     "User initiated shutdown");
    outbox_pump(c);
    return before;
}

/* One line of a placement: valid only for an instance that still waits at the same generation. */
static bool may_place(const struct cloud_model *c, const struct cloud_instance *i,
                      const struct message *m, const struct message_item *item)
{
    const struct cloud_node *n = cloud_find_node(c, item->node.text);
    return i && i->wanted && id_none(&i->node) && i->generation == item->generation &&
           id_eq(&i->zone, &m->zone) && n && !n->fenced && id_eq(&n->zone, &m->zone);
}

void instance_placed(struct cloud_model *c, const struct message *m)
{
    const struct cloud_zone *z = cloud_find_zone(c, m->zone.text);
    if (!z || epoch_compare(m->epoch, z->epoch) != 0)
        return;
    array_each(&m->items, item) {
        struct cloud_instance *i = cloud_find_instance(c, item->id.text);
        if (!may_place(c, i, m, item))
            continue;
        i->node = item->node;
        i->held = true;
        i->generation++;
        cloud_changed(c, &i->row, FLUSHED);
        shared_touch(c, i);
        outbox_mark(c, &i->node, KIND_INSTANCE, &i->id);
        cloud_say(c, i, &i->node, "placed on node %s", i->node.text);
    }
    struct cloud_reservation *r = reservation_find(c, m->id.text);
    if (r)
        reservation_settle(c, r);
}

/* The node made a tombstone because it has no room: only now may the instance go elsewhere. */
static void no_room(struct cloud_model *c, struct cloud_instance *i)
{
    struct id node = i->node;
    cloud_say(c, i, &node, "node %s has no room", node.text);
    shared_touch(c, i);
    memset(&i->node, 0, sizeof i->node);
    i->held = false;
    shared_left(c, i, &node);
    i->generation++;
    cloud_changed(c, &i->row, FLUSHED);
    struct cloud_reservation *r = reservation_find(c, i->reservation.text);
    if (!r)
        return;
    r->generation++;
    r->placing_left = c->timing.placing;
    cloud_changed(c, &r->row, FLUSHED);
    outbox_mark(c, &r->zone, KIND_RESERVATION, &r->id);
}

bool instance_adopt(struct cloud_model *c, struct cloud_instance *i, const struct cloud_node *n,
                    const struct message_item *item)
{
    if (!i->wanted || item->generation <= i->generation || !item->present)
        return false;
    struct id before = i->node;
    i->node = n->id;
    i->held = true;
    i->generation = item->generation;
    shared_touch(c, i);
    if (!id_none(&before) && !id_eq(&before, &n->id)) {
        outbox_mark(c, &before, KIND_INSTANCE, &i->id); /* absent there, for sure */
        shared_left(c, i, &before);
    }
    cloud_changed(c, &i->row, FLUSHED);
    cloud_say(c, i, &n->id, "found on node %s, placed there after the backup", n->id.text);
    struct cloud_reservation *r = reservation_find(c, i->reservation.text);
    if (r)
        reservation_settle(c, r);
    return true;
}

/* The node obeyed something that the rows know nothing of: it was ordered after the backup. */
static void adopt_answer(struct cloud_model *c, struct cloud_instance *i, const struct message *m)
{
    if (i->wanted && !m->present) {
        instance_give_up(c, i, INSTANCE_TERMINATED, "Server.InternalError",
                         "it was ended after the backup that the cloud was restored from");
    }
    if (m->generation > i->generation)
        i->generation = m->generation;
    cloud_changed(c, &i->row, FLUSHED);
}

void instance_applied(struct cloud_model *c, const struct message *m)
{
    struct outbox_row *o = outbox_find(c, &m->node, KIND_INSTANCE, &m->id);
    struct cloud_instance *i = cloud_find_instance(c, m->id.text);
    if (!i) {
        if (o && !m->present)
            outbox_settle(c, o);
        return;
    }
    bool here = id_eq(&i->node, &m->node);
    bool ended = i->wanted && !m->present && m->result != APPLIED_NO_ROOM && m->generation == i->generation;
    if (here && (m->generation > i->generation || ended))
        adopt_answer(c, i, m);
    if (m->generation > i->generation ? m->present : m->generation < i->generation)
        return; /* else: absent at a later generation is absent, too */
    if (o)
        outbox_settle(c, o);
    if (m->present || !id_eq(&i->node, &m->node))
        return;
    if (!i->wanted) {
        if (i->held)
            cloud_say(c, i, &m->node, "removed from node %s", m->node.text);
        instance_gone(c, i);
    } else if (m->result == APPLIED_NO_ROOM) {
        no_room(c, i);
    }
}

void instance_observe(struct cloud_model *c, struct cloud_instance *i, const struct id *node, uint64_t run,
                      uint64_t seq, enum observation what, const char *text)
{
    if (!id_eq(&i->node, node) || observed_compare(run, seq, i->obs_run, i->obs_seq) <= 0)
        return;
    i->obs_run = run;
    i->obs_seq = seq;
    cloud_changed(c, &i->row, RIDES_ALONG);
    if (text && what == OBSERVED_STEP) {
        cloud_say(c, i, node, "%s", text);
        i->progress_left = PROGRESS_MS;
    }
    if (!i->wanted)
        return;
    if (what == OBSERVED_RUNNING && i->state == INSTANCE_PENDING) {
        instance_go(c, i, INSTANCE_RUNNING);
        cloud_say(c, i, node, "running");
    } else if (what == OBSERVED_ENDED) {
        instance_give_up(c, i, INSTANCE_TERMINATED, "Server.InternalError", text ? text : "it ended");
    } else if (what == OBSERVED_SHUT_DOWN) {
        instance_give_up(c, i, INSTANCE_TERMINATED, "Client.InstanceInitiatedShutdown",
                         "Instance initiated shutdown");
    } else if (what == OBSERVED_FAILED) {
        instance_give_up(c, i, INSTANCE_TERMINATED, "Server.InternalError",
                         text ? text : "it could not be started");
    }
}

static void reservation_tick(struct cloud_model *c, struct cloud_reservation *r, int64_t spent)
{
    if (!outbox_find(c, &r->zone, KIND_RESERVATION, &r->id))
        return;
    r->placing_left -= spent;
    if (r->placing_left > 0)
        return;
    for (size_t k = 0; k < c->instances.len; k++) {
        struct cloud_instance *i = c->instances.data[k];
        if (id_eq(&i->reservation, &r->id) && i->wanted && id_none(&i->node))
            instance_give_up(c, i, INSTANCE_TERMINATED, "Server.InsufficientInstanceCapacity",
                             "no node of the zone took it in time");
    }
    reservation_settle(c, r);
}

/* A reservation goes with its last instance. */
static void forget_reservation(struct cloud_model *c, const struct id *id)
{
    array_each(&c->instances, i) {
        if (id_eq(&(*i)->reservation, id))
            return;
    }
    for (size_t k = 0; k < c->reservations.len; k++) {
        struct cloud_reservation *r = c->reservations.data[k];
        if (!id_eq(&r->id, id))
            continue;
        array_push(&c->removed, ((struct cloud_removed){.kind = ROW_RESERVATION, .id = r->id}));
        map_take(c->by_id, r->id.text);
        array_remove(&c->reservations, k);
        cloud_unchanged(c, &r->row);
        free(r);
        return;
    }
}

static void forget(struct cloud_model *c, size_t at)
{
    struct cloud_instance *i = c->instances.data[at];
    struct id reservation = i->reservation;
    array_push(&c->removed, ((struct cloud_removed){.kind = ROW_INSTANCE, .id = i->id}));
    map_take(c->by_id, i->id.text);
    array_remove(&c->instances, at);
    cloud_unchanged(c, &i->row);
    free(i->body);
    free(i->uses);
    free(i->reason_code);
    free(i->reason_text);
    free(i);
    forget_reservation(c, &reservation);
}

void instance_tick(struct cloud_model *c, int64_t spent)
{
    array_each(&c->reservations, r)
        reservation_tick(c, *r, spent);
    for (size_t k = 0; k < c->instances.len; k++) {
        struct cloud_instance *i = c->instances.data[k];
        if (i->state == INSTANCE_TERMINATED) {
            if (!i->held && !i->wanted && (i->forget_left -= spent) <= 0)
                forget(c, k--);
            continue;
        }
        if (i->state == INSTANCE_RUNNING)
            continue;
        if (i->state == INSTANCE_SHUTTING_DOWN && !i->held) {
            instance_gone(c, i); /* it was never placed */
            continue;
        }
        if (i->state == INSTANCE_PENDING && i->progress_left > 0) {
            i->progress_left -= spent;
            continue;
        }
        i->deadline_left -= spent;
        if (i->deadline_left > 0)
            continue;
        if (i->state == INSTANCE_PENDING)
            instance_give_up(c, i, INSTANCE_TERMINATED, "Server.InternalError",
                             "it did not come up in time");
        else
            instance_go(c, i, INSTANCE_TERMINATED);
    }
}
