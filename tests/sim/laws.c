/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tests/sim/world.h"
#include <stdarg.h>
#include <stdio.h>

void broken(struct world *w, const char *format, ...)
{
    printf("BROKEN seed %ju step %ju at %.3f s: ", (uintmax_t)w->seed, (uintmax_t)w->step, (double)w->now / 1e3);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(1);
}

void trace(const struct world *w, const char *format, ...)
{
    if (!w->verbose)
        return;
    printf("%9.3f ", (double)w->now / 1e3);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static struct host *host_of(struct world *w, const struct id *node)
{
    return &w->hosts[node->text[2] - 'a'][node->text[3] - '0'];
}

struct promise *promise_find(struct world *w, const struct id *id)
{
    array_each(&w->promises, p) {
        if (id_eq(&p->id, id))
            return p;
    }
    return NULL;
}

/* What no row names any more, because the rows are a backup's: it is kept wherever it is. */
static bool kept(struct world *w, const struct id *id)
{
    const struct promise *p = promise_find(w, id);
    return p ? p->lost : w->backed_up > 0;
}

/* Law 2: one domain an id in the whole cloud; law 4: no more than the node offers; and a start beyond the
 * first only after a power cut of that node. */
void law_started(struct world *w, int zone, int node, const struct sim_domain *d)
{
    struct size used = {0, 0, 0};
    for (int z = 0; z < w->zones; z++) {
        for (int n = 0; n < w->nodes; n++) {
            size_t same = 0;
            array_each(&w->hosts[z][n].domains, other) {
                same += !other->foreign && id_eq(&other->id, &d->id);
                if (z == zone && n == node && !other->foreign)
                    used = size_add(used, other->size);
            }
            bool here = z == zone && n == node;
            if (same > (here ? 1u : 0u))
                broken(w, "two domains of %s", d->id.text);
        }
    }
    if (!kept(w, &d->id) && !size_fits(used, (struct size){4, 4096, 40}))
        broken(w, "node %d of zone %d holds more than it has", node, zone);
    struct promise *p = promise_find(w, &d->id);
    if (p && ++p->starts > 1 + w->hosts[zone][node].power_cuts)
        broken(w, "%s started %ju times after %ju power cuts", d->id.text, (uintmax_t)p->starts,
               (uintmax_t)w->hosts[zone][node].power_cuts);
}

static const struct node_record *record_of(const struct host *h, const struct id *id)
{
    array_each(&h->records, r) {
        if (id_eq(&r->id, id))
            return r;
    }
    return NULL;
}

/* One that comes with a lower epoch than the node has seen is dropped, and changes nothing. */
void law_obeyed(struct world *w, const struct proc *p, const struct message *m)
{
    const struct host *h = &w->hosts[p->zone][p->node];
    if (epoch_compare(m->epoch, h->self.epoch) >= 0)
        return;
    array_each(&p->node_model->effects, e) {
        if (e->kind != NODE_ACK)
            broken(w, "%s obeyed from a lower epoch", m->id.text);
    }
}

static const struct node_shared *shared_of(const struct host *h, const struct id *id)
{
    array_each(&h->shared, s) {
        if (id_eq(&s->id, id))
            return s;
    }
    return NULL;
}

/* What is not a state is done at most once. */
void law_operated(struct world *w, const struct id *operation)
{
    array_each(&w->operated, done) {
        if (id_eq(done, operation))
            broken(w, "%s was done twice", operation->text);
    }
    array_push(&w->operated, *operation);
}

/* An object that is acked is the node's own: durable at its generation or a later one. */
void law_acked(struct world *w, const struct proc *p, const struct message *m)
{
    const struct host *h = &w->hosts[p->zone][p->node];
    if (m->type != MESSAGE_OBJECT)
        return;
    if (epoch_compare(m->epoch, h->self.epoch) < 0 || m->kind == KIND_OPERATION)
        return;
    if (object_kind_shared(m->kind)) {
        const struct node_shared *s = shared_of(h, &m->id);
        if (!s || s->generation < m->generation)
            broken(w, "%s acked at generation %ju before it was durable", m->id.text, (uintmax_t)m->generation);
        return;
    }
    const struct node_record *r = record_of(h, &m->id);
    bool stopping = r && r->phase == NODE_STOPPING;
    if (!stopping && (!r || r->generation < m->generation))
        broken(w, "%s acked at generation %ju before it was durable", m->id.text, (uintmax_t)m->generation);
}

/* A report never says that something ended which runs. */
void law_reported(struct world *w, const struct proc *p, const struct message *m)
{
    struct host *h = &w->hosts[p->zone][p->node];
    bool over = m->type == MESSAGE_OBSERVED &&
                (m->observed == OBSERVED_ENDED || m->observed == OBSERVED_FAILED ||
                 m->observed == OBSERVED_SHUT_DOWN);
    bool absent = m->type == MESSAGE_APPLIED && m->kind == KIND_INSTANCE && !m->present;
    if ((over || absent) && host_domain(h, &m->id, false))
        broken(w, "%s reported %s while its domain runs", m->id.text, over ? "ended" : "absent");
    if (absent && m->generation > 0) {
        const struct node_record *r = record_of(h, &m->id);
        if (!r || r->present || r->generation < m->generation)
            broken(w, "%s answered absent without a durable tombstone", m->id.text);
    }
}

static void law_shared_settled(struct world *w, const struct cloud_model *c, const struct cloud_removed *r)
{
    const struct cloud_shared *s = cloud_find_shared(c, r->id.text);
    const struct host *h = host_of(w, &r->receiver);
    const struct node_shared *held = shared_of(h, &r->id);
    if (s && (!held || held->generation < s->generation))
        broken(w, "row of %s for %s gone before it was applied", r->id.text, r->receiver.text);
}

/* An outbox row goes only with the receiver's report of the current generation. */
void law_row_settled(struct world *w, const struct cloud_model *c, const struct cloud_removed *r)
{
    if (r->kind != ROW_OUTBOX || r->object == KIND_OPERATION)
        return;
    if (object_kind_shared(r->object)) {
        law_shared_settled(w, c, r);
        return;
    }
    if (r->object == KIND_RESERVATION) {
        array_each(&c->instances, i) {
            const struct cloud_reservation *of = map_get(c->by_id, (*i)->reservation.text);
            if (of && id_eq(&of->id, &r->id) && (*i)->wanted && id_none(&(*i)->node) &&
                (*i)->state == INSTANCE_PENDING) {
                bool again = false;
                array_each(&c->outbox, o)
                    again |= id_eq(&(*o)->id, &r->id);
                if (!again)
                    broken(w, "row of %s gone though %s is not placed", r->id.text, (*i)->id.text);
            }
        }
        return;
    }
    const struct cloud_instance *i = cloud_find_instance(c, r->id.text);
    if (!i)
        return;
    for (int z = 0; z < w->zones; z++) {
        for (int n = 0; n < w->nodes; n++) {
            _cleanup_free_ char *name = xasprintf("n-%c%d", 'a' + z, n);
            if (!id_is(&r->receiver, name))
                continue;
            const struct node_record *record = record_of(&w->hosts[z][n], &i->id);
            bool moved = id_none(&i->node); /* no room: the next generation is made with the same report */
            if (!record || record->generation + (moved ? 1 : 0) < i->generation)
                broken(w, "row of %s for %s gone before it was applied", r->id.text, name);
        }
    }
}

/* Law 1: what was answered is there after any crash. */
void law_loaded(struct world *w, const struct cloud_model *c)
{
    array_each(&w->promises, p) {
        const struct cloud_instance *i = cloud_find_instance(c, p->id.text);
        if (p->lost)
            continue;
        if (!i)
            broken(w, "%s was accepted and is gone", p->id.text);
        if (p->terminated && i->wanted)
            broken(w, "%s was terminated and is wanted again", p->id.text);
    }
}

void law_foreign(struct world *w)
{
    uint64_t there = 0;
    for (int z = 0; z < w->zones; z++) {
        for (int n = 0; n < w->nodes; n++) {
            array_each(&w->hosts[z][n].domains, d)
                there += d->foreign;
        }
    }
    if (there != w->foreign_made)
        broken(w, "a domain of another cloud was destroyed");
}

/* No deadline ends that the cloud's own ticks have not spent. */
void law_deadline(struct world *w, const struct cloud_model *c)
{
    array_each(&w->promises, p) {
        const struct cloud_instance *i = cloud_find_instance(c, p->id.text);
        if (!i || i->state == p->deadline_state)
            continue;
        bool by_deadline = i->state == INSTANCE_TERMINATED && i->reason_text &&
                           (strstr(i->reason_text, "in time") != NULL);
        int64_t least = i->reason_text && strstr(i->reason_text, "no node") ? w->timing.placing : w->timing.pending;
        if (by_deadline && p->cloud_ticks < least)
            broken(w, "%s ended by its deadline after %jd of %jd ms", p->id.text, (intmax_t)p->cloud_ticks,
                   (intmax_t)least);
        p->deadline_state = i->state; /* what was spent stays: a lost observation makes it pending again */
    }
}

/* Every node holds what its instances use, as it is now, and nothing else. */
static bool shared_settled(struct world *w, const struct cloud_model *c, struct str *why)
{
    array_each(&c->nodes, n) {
        const struct host *h = host_of(w, &(*n)->id);
        array_each(&c->shared, it) {
            const struct cloud_shared *s = *it;
            const struct node_shared *held = shared_of(h, &s->id);
            bool needed = false;
            array_each(&c->instances, i)
                needed |= id_eq(&(*i)->node, &(*n)->id) && cloud_member(*i, &s->id);
            if (needed ? !held || !held->present || held->generation != s->generation : held && held->present) {
                str_printf(why, "%s holds %s %s at generation %ju, not %ju", (*n)->id.text, s->id.text,
                           needed ? "needed" : "not needed", (uintmax_t)(held ? held->generation : 0),
                           (uintmax_t)s->generation);
                return false;
            }
            _cleanup_free_ char *body = sim_shared_body(c, s);
            if (needed && !streq(body, held->body ? held->body : "")) {
                str_printf(why, "%s holds an older content of %s at generation %ju", (*n)->id.text, s->id.text,
                           (uintmax_t)s->generation);
                return false;
            }
        }
        array_each(&h->shared, held) {
            if (held->present && !w->backed_up && !cloud_find_shared(c, held->id.text)) {
                str_printf(why, "%s holds %s, which is forgotten", (*n)->id.text, held->id.text);
                return false;
            }
        }
    }
    return true;
}

static bool node_settled(struct world *w, const struct cloud_model *c, int z, int n, struct str *why)
{
    struct host *h = &w->hosts[z][n];
    _cleanup_free_ char *name = xasprintf("n-%c%d", 'a' + z, n);
    array_each(&h->domains, d) {
        const struct cloud_instance *i = cloud_find_instance(c, d->id.text);
        if (!i && kept(w, &d->id))
            continue;
        if (!d->foreign && (!i || !i->wanted || !id_is(&i->node, name))) {
            str_printf(why, "domain %s on %s has no owner", d->id.text, name);
            return false;
        }
    }
    array_each(&h->records, r) {
        const struct cloud_instance *i = cloud_find_instance(c, r->id.text);
        bool owned = i && i->wanted && id_is(&i->node, name);
        if (!i && kept(w, &r->id))
            continue;
        if ((r->present || r->phase == NODE_STOPPING) && !owned) {
            str_printf(why, "spec file of %s on %s has no owner", r->id.text, name);
            return false;
        }
    }
    array_each(&h->disks, disk) {
        const struct cloud_instance *i = cloud_find_instance(c, disk->text);
        if (!i && kept(w, disk))
            continue;
        if (!i || !i->wanted || !id_is(&i->node, name)) {
            str_printf(why, "disk of %s on %s has no owner", disk->text, name);
            return false;
        }
    }
    return true;
}

/* True where everything has come to rest as the cloud wants it; else why not. */
bool law_settled(struct world *w, struct str *why)
{
    const struct cloud_model *c = NULL;
    array_each(&w->procs, p) {
        if ((*p)->kind == PROC_CLOUD && (*p)->up)
            c = (*p)->cloud;
    }
    if (!c) {
        str_add(why, "the cloud is down");
        return false;
    }
    if (c->outbox.len) {
        str_printf(why, "outbox row of %s for %s is open (state %d)", c->outbox.data[0]->id.text,
                   c->outbox.data[0]->receiver.text, c->outbox.data[0]->state);
        return false;
    }
    array_each(&c->instances, it) {
        const struct cloud_instance *i = *it;
        if (i->state == INSTANCE_PENDING || i->state == INSTANCE_SHUTTING_DOWN ||
            (i->state == INSTANCE_TERMINATED && i->held)) {
            str_printf(why, "%s is %s on '%s' generation %ju", i->id.text, instance_state_name(i->state),
                       i->node.text, (uintmax_t)i->generation);
            return false;
        }
        bool shown = i->state == INSTANCE_RUNNING;
        const struct sim_domain *d = shown ? host_domain(host_of(w, &i->node), &i->id, false) : NULL;
        if (shown && (!d || d->paused)) {
            str_printf(why, "%s is shown running and is not", i->id.text);
            return false;
        }
    }
    if (c->operations.len) {
        str_printf(why, "%s is neither done nor given up", c->operations.data[0]->id.text);
        return false;
    }
    for (int z = 0; z < w->zones; z++) {
        for (int n = 0; n < w->nodes; n++) {
            if (!node_settled(w, c, z, n, why))
                return false;
        }
    }
    return shared_settled(w, c, why);
}

void law_end(struct world *w)
{
    const struct cloud_model *c = NULL;
    array_each(&w->procs, p) {
        if ((*p)->kind == PROC_CLOUD)
            c = (*p)->cloud;
    }
    law_loaded(w, c);
    array_each(&w->promises, p) {
        const struct cloud_instance *i = cloud_find_instance(c, p->id.text);
        if (p->lost)
            continue;
        if (i->state == INSTANCE_TERMINATED && !i->reason_code)
            broken(w, "%s ended without a reason", p->id.text);
    }
}
