/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/cloud-internal.h"
#include "core/digest.h"

/* The row of the node that reports; one that no row names is enrolled by its broker user. */
struct cloud_node *node_known(struct cloud_model *c, const struct message *m)
{
    struct cloud_node *n = cloud_find_node(c, m->node.text);
    if (n || id_none(&m->node) || !cloud_find_zone(c, m->zone.text))
        return n && n->fenced ? NULL : n;
    n = xnew0(struct cloud_node);
    n->id = m->node;
    n->zone = m->zone;
    cloud_load_node(c, n);
    cloud_changed(c, &n->row, FLUSHED);
    return n;
}

static void ask_inventory(struct cloud_model *c, struct cloud_node *n)
{
    struct message *m = &cloud_send(c, ROUTE_CLUSTER, MESSAGE_INVENTORY_REQUEST, &n->zone)->message;
    m->node = n->id;
    n->asked_left = 2 * c->timing.heartbeat;
    n->inventory_left = c->timing.inventory;
    n->disputes = 0;
}

/* Follows a node's (run, sequence): a number that was left out is a report that was lost. */
void node_seen(struct cloud_model *c, struct cloud_node *n, const struct message *m)
{
    if (m->run < n->run)
        return;
    bool was_lost = !n->heard || n->silent >= c->timing.node_expired;
    if (m->run > n->run) {
        n->run = m->run;
        n->next_seq = 0;
        n->inventory_left = 0;
        was_lost = true;
    }
    n->heard = true;
    n->silent = 0;
    if (was_lost)
        outbox_wake(c, &n->id);
    if (m->type != MESSAGE_OBSERVED)
        return;
    if (m->seq == n->next_seq)
        n->next_seq++;
    else if (m->seq > n->next_seq)
        n->inventory_left = 0;
}

static bool same_held(struct cloud_model *c, const struct cloud_node *n, const struct message *m)
{
    uint64_t count = 0, digest = 0;
    array_each(&c->instances, i) {
        if ((*i)->wanted && id_eq(&(*i)->node, &n->id)) {
            count++;
            digest ^= digest_object(KIND_INSTANCE, (*i)->id.text, (*i)->generation);
        }
    }
    shared_sum(c, n, &count, &digest);
    return count == m->count && digest == m->digest && m->seq == n->next_seq;
}

/* Where its part of the guests' network ends; maps of subnets tell it to the others. */
static void take_link(struct cloud_model *c, struct cloud_node *n, const struct message *m)
{
    struct id link;
    if (!m->text || !id_parse(m->text, &link) || id_eq(&link, &n->link))
        return;
    n->link = link;
    cloud_changed(c, &n->row, FLUSHED);
    shared_moved(c, n);
}

/* No cloud was restored so often since its last backup, or at all: a node that says so is not believed. */
#define ERAS_AHEAD (256 * CLOUD_ERA_STEP)
#define ERAS_EVER  (8192 * CLOUD_ERA_STEP)

void cloud_outrank_era(struct cloud_model *c, uint64_t era)
{
    if (era > c->era + ERAS_AHEAD || era > ERAS_EVER)
        return;
    c->era = era + 1;
    c->era_changed = c->flush = true;
    shared_new_era(c);
    array_each(&c->zones, z) {
        (*z)->epoch.era = c->era;
        cloud_changed(c, &(*z)->row, FLUSHED);
    }
}

/* A node has seen a later epoch than was ever granted by these rows: they came from a backup. */
static void look_at_era(struct cloud_model *c, const struct message *m)
{
    const struct cloud_zone *zone = cloud_find_zone(c, m->zone.text);
    if (zone && epoch_compare(m->epoch, zone->epoch) > 0)
        cloud_outrank_era(c, m->epoch.era);
}

void node_heartbeat(struct cloud_model *c, const struct message *m)
{
    struct cloud_node *n = node_known(c, m);
    if (!n || m->run < n->run)
        return;
    look_at_era(c, m);
    node_seen(c, n, m);
    n->size = m->size;
    take_link(c, n, m);
    if (outbox_open_for(c, &n->id) || same_held(c, n, m))
        n->disputes = 0;
    else if (++n->disputes >= 2)
        n->inventory_left = 0;
}

static void quarantine(struct cloud_node *n, const struct id *id)
{
    array_each(&n->quarantined, q) {
        if (id_eq(q, id))
            return;
    }
    array_push(&n->quarantined, *id);
}

/* One line of an inventory against the row: what lags is sent again. */
static void compare_item(struct cloud_model *c, struct cloud_node *n, const struct message *m,
                         const struct message_item *item)
{
    struct cloud_instance *i = cloud_find_instance(c, item->id.text);
    if (!i) {
        quarantine(n, &item->id);
        return;
    }
    instance_adopt(c, i, n, item);
    bool wanted_here = i->wanted && id_eq(&i->node, &n->id);
    if (!wanted_here && item->present && item->generation >= i->generation) {
        i->generation = item->generation + 1; /* the row came from a backup: its absence must outrank this */
        cloud_changed(c, &i->row, FLUSHED);
    }
    if (!wanted_here || item->generation < i->generation || item->observed == OBSERVED_UNOWNED) {
        if (!outbox_find(c, &n->id, KIND_INSTANCE, &i->id))
            outbox_mark(c, &n->id, KIND_INSTANCE, &i->id);
    }
    if (item->observed != OBSERVED_NOTHING && item->observed != OBSERVED_UNOWNED)
        instance_observe(c, i, &n->id, m->run, m->seq, item->observed, NULL);
}

static bool listed(const struct message *m, const struct id *id)
{
    array_each(&m->items, item) {
        if (item->kind == KIND_INSTANCE && id_eq(&item->id, id))
            return true;
    }
    return false;
}

void node_inventory(struct cloud_model *c, const struct message *m)
{
    struct cloud_node *n = node_known(c, m);
    if (!n || m->run < n->run)
        return;
    node_seen(c, n, m);
    if (m->seq >= n->next_seq) /* it has a number of its own among the reports */
        n->next_seq = m->seq + 1;
    n->asked_left = 0;
    n->disputes = 0;
    n->quarantined.len = 0;
    array_each(&m->items, item) {
        if (item->kind == KIND_INSTANCE)
            compare_item(c, n, m, item);
    }
    shared_inventory(c, n, m);
    /* What is not listed is no answer: the object may not have arrived yet.  It is only sent again. */
    for (size_t k = 0; k < c->instances.len; k++) {
        struct cloud_instance *i = c->instances.data[k];
        if (i->held && id_eq(&i->node, &n->id) && !listed(m, &i->id) &&
            !outbox_find(c, &n->id, KIND_INSTANCE, &i->id))
            outbox_mark(c, &n->id, KIND_INSTANCE, &i->id);
    }
}

void node_boot(struct cloud_model *c, const struct message *m)
{
    struct cloud_node *n = node_known(c, m);
    if (!n || m->run < n->run || m->boot < n->boot)
        return;
    node_seen(c, n, m);
    if (m->boot > n->boot) {
        n->boot = m->boot;
        cloud_changed(c, &n->row, FLUSHED);
    }
    struct message *answer = &cloud_send(c, ROUTE_CLUSTER, MESSAGE_BOOT_ANSWER, &n->zone)->message;
    answer->node = n->id;
    answer->boot = m->boot;
    array_each(&m->items, asked) {
        const struct cloud_instance *i = cloud_find_instance(c, asked->id.text);
        struct message_item *item = array_add(&answer->items);
        item->id = asked->id;
        item->generation = asked->generation;
        if (!i)
            item->verdict = BOOT_UNKNOWN;
        else
            item->verdict = i->wanted && id_eq(&i->node, &n->id) ? BOOT_START : BOOT_ABSENT;
    }
}

void cloud_fence_node(struct cloud_model *c, struct cloud_node *n)
{
    n->fenced = true;
    cloud_changed(c, &n->row, FLUSHED);
    for (size_t k = 0; k < c->instances.len; k++) {
        struct cloud_instance *i = c->instances.data[k];
        if (!i->held || !id_eq(&i->node, &n->id))
            continue;
        if (i->wanted)
            instance_give_up(c, i, INSTANCE_TERMINATED, "Server.InternalError", "its node was fenced");
        struct outbox_row *o = outbox_find(c, &n->id, KIND_INSTANCE, &i->id);
        if (o)
            outbox_settle(c, o);
        instance_gone(c, i);
    }
    for (size_t k = 0; k < c->outbox.len; k++) { /* what else it was to be told */
        if (id_eq(&c->outbox.data[k]->receiver, &n->id))
            outbox_settle(c, c->outbox.data[k--]);
    }
    outbox_pump(c);
}

const struct cloud_node *cloud_reap(struct cloud_model *c, const char *id)
{
    array_each(&c->nodes, n) {
        array_each(&(*n)->quarantined, q) {
            if (!id_is(q, id) || cloud_find_instance(c, id))
                continue;
            outbox_mark(c, &(*n)->id, KIND_INSTANCE, q); /* no row names it: it is sent as absent, for ever */
            outbox_pump(c);
            return *n;
        }
    }
    return NULL;
}

void node_tick(struct cloud_model *c, int64_t spent)
{
    array_each(&c->nodes, it) {
        struct cloud_node *n = *it;
        if (n->silent < c->timing.node_expired)
            n->silent += spent;
        if (n->asked_left > 0)
            n->asked_left -= spent;
        if (n->inventory_left > 0)
            n->inventory_left -= spent;
        bool alive = n->heard && n->silent < c->timing.node_expired && !n->fenced;
        if (alive && n->inventory_left <= 0 && n->asked_left <= 0)
            ask_inventory(c, n);
    }
}
