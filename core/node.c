/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/node.h"
#include "common/base/map.h"
#include "core/digest.h"
#include "core/message-json.h"
#include "core/node-internal.h"

/* Inventory questions kept while no listing is to be had. */
#define ASKED_MAX 16

struct node_model *node_new(const struct timing *timing, const struct node_self *self, bool boot_changed,
                            struct size offered)
{
    struct node_model *n = xnew0(struct node_model);
    n->timing = *timing;
    n->self = *self;
    n->self.run++;
    if (boot_changed)
        n->self.boot++;
    n->size = offered;
    n->by_id = map_new();
    return n;
}

void node_record_free(struct node_record *r)
{
    free(r->body);
    free(r->why);
    r->body = r->why = NULL;
}

static void instance_free(struct node_instance *i)
{
    node_record_free(&i->r);
    free(i);
}

void node_effects_clear(struct node_model *n)
{
    array_each(&n->effects, e) {
        message_free(&e->message);
        node_record_free(&e->record);
        free(e->shared.body);
        free(e->operation.text);
    }
    n->effects.len = 0;
}

void node_free(struct node_model *n)
{
    if (!n)
        return;
    node_effects_clear(n);
    array_each(&n->instances, i)
        instance_free(*i);
    array_each(&n->asked, m)
        message_free(m);
    array_each(&n->shared, s)
        free(s->body);
    array_each(&n->operations, o) {
        free(o->body);
        free(o->text);
    }
    array_free(&n->shared);
    array_free(&n->operations);
    array_free(&n->instances);
    array_free(&n->unowned);
    array_free(&n->asked);
    array_free(&n->effects);
    map_free(n->by_id, NULL);
    free(n->public_key);
    free(n->link);
    free(n);
}

struct node_instance *node_find(const struct node_model *n, const char *id)
{
    return map_get(n->by_id, id);
}

struct node_effect *node_do(struct node_model *n, enum node_effect_kind kind)
{
    struct node_effect *e = array_add(&n->effects);
    e->kind = kind;
    return e;
}

struct message *node_report(struct node_model *n, enum message_type type)
{
    struct message *m = &node_do(n, NODE_REPORT)->message;
    m->type = type;
    m->cloud = n->self.cloud;
    m->zone = n->self.zone;
    m->node = n->self.node;
    m->run = n->self.run;
    m->boot = n->self.boot;
    m->epoch = n->self.epoch;
    return m;
}

void node_go(struct node_model *n, struct node_instance *i, enum node_phase to)
{
    life_cycle_go(&LIFE_NODE, n->counts ? n->counts->node : NULL, &i->r.phase, (int)to);
}

void node_write(struct node_model *n, const struct node_instance *i)
{
    struct node_effect *e = node_do(n, NODE_WRITE_RECORD);
    e->record = i->r;
    e->record.body = xstrdup(i->r.body);
    e->record.why = xstrdup(i->r.why);
}

void node_write_self(struct node_model *n)
{
    node_do(n, NODE_WRITE_SELF)->self = n->self;
}

struct node_instance *node_add(struct node_model *n, const struct id *id)
{
    struct node_instance *i = xnew0(struct node_instance);
    i->r.id = *id;
    i->r.phase = NODE_NEW;
    i->forget_left = n->timing.keep_gone;
    array_push(&n->instances, i);
    map_set(n->by_id, id->text, i);
    return i;
}

void node_load(struct node_model *n, struct node_record *take)
{
    struct node_instance *i = node_add(n, &take->id);
    i->r = *take;
    take->body = take->why = NULL;
}

bool node_awaits_boot(const struct node_model *n)
{
    return n->self.answered_boot != n->self.boot;
}

/* Records of an earlier boot wait for the cloud's word; those that may have been starting are looked for. */
void node_started(struct node_model *n)
{
    node_write_self(n);
    array_each(&n->instances, it) {
        struct node_instance *i = *it;
        bool was_alive = i->r.phase == NODE_ACCEPTED || i->r.phase == NODE_STARTING ||
                         i->r.phase == NODE_RUNNING;
        if (i->r.boot != n->self.boot && was_alive) {
            node_go(n, i, NODE_HELD);
            node_write(n, i);
        }
        i->lost = i->r.phase == NODE_STARTING;
    }
    node_operations_started(n);
    n->list_left = 0;
    n->heartbeat_left = 0;
}

struct size node_used(const struct node_model *n)
{
    struct size used = {0, 0, 0};
    array_each(&n->instances, i) {
        bool holds = (*i)->r.present || (*i)->r.phase == NODE_STOPPING;
        if (holds)
            used = size_add(used, (*i)->r.size);
    }
    return used;
}

void node_applied(struct node_model *n, const struct node_instance *i)
{
    struct message *m = node_report(n, MESSAGE_APPLIED);
    m->kind = KIND_INSTANCE;
    m->id = i->r.id;
    m->generation = i->r.generation;
    m->present = i->r.present;
    m->result = i->r.no_room ? APPLIED_NO_ROOM : APPLIED_OK;
    memcpy(m->request_id, i->request_id, sizeof m->request_id);
}

void node_observed(struct node_model *n, const struct node_instance *i, enum observation what,
                   const char *text)
{
    struct message *m = node_report(n, MESSAGE_OBSERVED);
    m->kind = KIND_INSTANCE;
    m->id = i->r.id;
    m->generation = i->r.generation;
    m->observed = what;
    m->seq = n->seq++;
    m->text = xstrdup(text);
    memcpy(m->request_id, i->request_id, sizeof m->request_id);
}

static void send_heartbeat(struct node_model *n)
{
    struct message *m = node_report(n, MESSAGE_HEARTBEAT);
    m->seq = n->seq;
    m->size = n->size;
    m->body = xstrdup(n->public_key);
    m->text = xstrdup(n->link);
    array_each(&n->instances, i) {
        if (!(*i)->r.present)
            continue;
        m->count++;
        m->digest ^= digest_object(KIND_INSTANCE, (*i)->r.id.text, (*i)->r.generation);
    }
    node_shared_sum(n, m);
}

static enum observation seen_of(const struct node_instance *i)
{
    if (i->r.phase == NODE_RUNNING && !i->lost)
        return OBSERVED_RUNNING;
    return i->r.phase == NODE_ENDED ? i->r.ended : OBSERVED_NOTHING;
}

/* Spec files and domains, cut at one number of the reports' sequence. */
static void send_inventory(struct node_model *n, const struct message *question)
{
    struct message *m = node_report(n, MESSAGE_INVENTORY);
    m->seq = n->seq++;
    m->size = n->size;
    m->request = question->request;
    array_each(&n->instances, it) {
        const struct node_instance *i = *it;
        if (!i->r.present && i->r.phase != NODE_STOPPING)
            continue;
        struct message_item *item = array_add(&m->items);
        item->kind = KIND_INSTANCE;
        item->id = i->r.id;
        item->generation = i->r.generation;
        item->present = i->r.present;
        item->size = i->r.size;
        item->observed = seen_of(i);
        item->place = message_place_of(i->r.body);
    }
    array_each(&n->unowned, d) {
        struct message_item *item = array_add(&m->items);
        item->kind = KIND_INSTANCE;
        item->id = d->id;
        item->generation = d->generation;
        item->present = true;
        item->observed = OBSERVED_UNOWNED;
    }
    node_shared_items(n, m);
}

void node_answer_inventory(struct node_model *n, const struct message *question)
{
    if (n->asked.len >= ASKED_MAX)
        return;
    array_push(&n->asked, message_copy(question));
    node_ask_listing(n);
}

void node_ask_listing(struct node_model *n)
{
    if (n->listing)
        return;
    n->listing = true;
    n->list_left = n->timing.listing;
    node_do(n, NODE_LIST)->serial = ++n->list_serial;
}

void node_send_boot(struct node_model *n)
{
    struct message *m = node_report(n, MESSAGE_BOOT);
    array_each(&n->instances, it) {
        const struct node_instance *i = *it;
        if (i->r.phase != NODE_HELD)
            continue;
        struct message_item *item = array_add(&m->items);
        item->id = i->r.id;
        item->generation = i->r.generation;
        item->present = true;
    }
}

void node_on_connected(struct node_model *n)
{
    n->heartbeat_left = 0;
}

/* True where the sender's epoch is not of the past; a higher one is made durable first. */
static bool epoch_ok(struct node_model *n, const struct message *m)
{
    int order = epoch_compare(m->epoch, n->self.epoch);
    if (order < 0)
        return false;
    bool first = id_none(&n->self.cloud);
    if (!first && !id_eq(&n->self.cloud, &m->cloud))
        return false;
    if (order > 0 || first) {
        n->self.epoch = m->epoch;
        n->self.cloud = m->cloud;
        node_write_self(n);
    }
    return true;
}

static void ack(struct node_model *n, uint64_t token)
{
    node_do(n, NODE_ACK)->token = token;
}

void node_on_delivery(struct node_model *n, uint64_t token, const struct message *m)
{
    if (!epoch_ok(n, m)) {
        ack(n, token);
        return;
    }
    switch (m->type) {
    case MESSAGE_OBJECT:
        node_object(n, token, m);
        return;
    case MESSAGE_INVENTORY_REQUEST:
        node_answer_inventory(n, m);
        break;
    case MESSAGE_BOOT_ANSWER:
        node_boot_answer(n, m);
        break;
    default:
        break;
    }
    ack(n, token);
}

static bool matches(const struct node_domain *d, const struct id *id)
{
    return id_eq(&d->id, id);
}

static const struct node_domain *domain_of(const struct node_model *n, const struct node_domain *domains,
                                           size_t count, const struct id *id)
{
    for (size_t k = 0; k < count; k++) {
        if (strcmp(domains[k].cloud, n->self.cloud.text) == 0 && matches(&domains[k], id))
            return &domains[k];
    }
    return NULL;
}

/* How many good listings must lack an instance whose start call was lost. */
#define LOOKS_NEEDED 3

static void look_at(struct node_model *n, struct node_instance *i, const struct node_domain *d)
{
    bool running = d && d->running;
    switch (i->r.phase) {
    case NODE_STARTING:
        if (running) {
            i->lost = false;
            node_go(n, i, NODE_RUNNING);
            node_write(n, i);
            node_observed(n, i, OBSERVED_RUNNING, NULL);
        } else if (d && d->paused && i->lost) {
            node_resume(n, i);
        } else if (!d && i->lost && ++i->looks >= LOOKS_NEEDED) {
            node_fence(n, i);
        }
        return;
    case NODE_RUNNING:
        if (!d)
            node_ended(n, i, OBSERVED_ENDED, "its domain ended without being asked to");
        return;
    case NODE_GONE:
        if (d) { /* a start call that came late */
            node_go(n, i, NODE_STOPPING);
            node_work(n, i);
        }
        return;
    default:
        return;
    }
}

static void note_unowned(struct node_model *n, const struct node_domain *domains, size_t count)
{
    n->unowned.len = 0;
    for (size_t k = 0; k < count; k++) {
        if (strcmp(domains[k].cloud, n->self.cloud.text) != 0 || id_none(&domains[k].id))
            continue; /* another cloud's, or nobody's: never touched */
        if (!node_find(n, domains[k].id.text))
            array_push(&n->unowned, domains[k]);
    }
}

void node_on_listing(struct node_model *n, uint64_t serial, bool ok, const struct node_domain *domains,
                     size_t count)
{
    n->listing = false;
    if (!ok || serial != n->list_serial) {
        n->list_left = n->timing.tick;
        return;
    }
    n->listed_once = true;
    note_unowned(n, domains, count);
    array_each(&n->instances, it) {
        struct node_instance *i = *it;
        if (!i->busy && i->touched < serial)
            look_at(n, i, domain_of(n, domains, count, &i->r.id));
    }
    array_each(&n->asked, question) {
        send_inventory(n, question);
        message_free(question);
    }
    n->asked.len = 0;
    array_each(&n->instances, i)
        node_work(n, *i);
}

void node_on_domain_event(struct node_model *n, const char *id, enum observation what, const char *why)
{
    struct node_instance *i = node_find(n, id);
    if (i && i->r.phase == NODE_RUNNING && !i->busy) {
        free(i->r.why);
        i->r.why = xstrdup(why);
        i->r.ended = what;
    }
    n->list_left = 0;
}

static void forget_old(struct node_model *n, int64_t spent)
{
    for (size_t k = 0; k < n->instances.len; k++) {
        struct node_instance *i = n->instances.data[k];
        if (i->r.phase != NODE_GONE || i->busy || (i->forget_left -= spent) > 0)
            continue;
        node_do(n, NODE_DROP_RECORD)->record.id = i->r.id;
        map_take(n->by_id, i->r.id.text);
        array_remove(&n->instances, k--);
        instance_free(i);
    }
}

static bool anything_lost(const struct node_model *n)
{
    array_each(&n->instances, i) {
        if ((*i)->lost)
            return true;
    }
    return false;
}

void node_on_tick(struct node_model *n, int64_t elapsed)
{
    int64_t spent = timing_spend(&n->timing, elapsed);
    array_each(&n->instances, it) {
        if ((*it)->retry_left > 0)
            (*it)->retry_left -= spent;
        node_work(n, *it);
    }
    forget_old(n, spent);
    node_shared_tick(n, spent);
    node_operations_tick(n, spent);
    n->list_left -= spent;
    if (n->list_left <= 0 || anything_lost(n))
        node_ask_listing(n);
    n->heartbeat_left -= spent;
    if (n->heartbeat_left > 0)
        return;
    n->heartbeat_left = n->timing.heartbeat;
    send_heartbeat(n);
    if (node_awaits_boot(n))
        node_send_boot(n);
}
