/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/id-list.h"
#include "tests/sim/world.h"

/* What stands in for the daemons: starts models from their disks and carries out their effects, any of which
 * may be the last thing that a process does. */

/* True where the process dies before its next effect. */
static bool dies(struct world *w, struct proc *p)
{
    if (!w->faults_on || !chance(w, 0.001))
        return false;
    proc_crash(w, p);
    return true;
}

/* ---- the cloud's disk ---- */

#define DISK_PUT(list, value, same)                                                                \
    do {                                                                                           \
        bool put_ = false;                                                                         \
        array_each(&(list), old) {                                                                 \
            if (same) {                                                                            \
                *old = (value);                                                                    \
                put_ = true;                                                                       \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        if (!put_)                                                                                 \
            array_push(&(list), (value));                                                          \
    } while (0)

static bool same_outbox(const struct outbox_row *o, const struct id *receiver, enum object_kind kind,
                        const struct id *id)
{
    return id_eq(&o->receiver, receiver) && o->kind == kind && id_eq(&o->id, id);
}

static void apply_removed(struct cloud_disk *d, const struct cloud_removed *r)
{
    if (r->kind == ROW_OUTBOX) {
        for (size_t k = 0; k < d->outbox.len; k++) {
            if (same_outbox(&d->outbox.data[k], &r->receiver, r->object, &r->id))
                array_remove(&d->outbox, k--);
        }
    } else if (r->kind == ROW_SHARED) {
        for (size_t k = 0; k < d->shared.len; k++) {
            if (id_eq(&d->shared.data[k].id, &r->id))
                array_remove(&d->shared, k--);
        }
    } else if (r->kind == ROW_OPERATION) {
        for (size_t k = 0; k < d->operations.len; k++) {
            if (id_eq(&d->operations.data[k].id, &r->id))
                array_remove(&d->operations, k--);
        }
    } else if (r->kind == ROW_INSTANCE) {
        for (size_t k = 0; k < d->instances.len; k++) {
            if (id_eq(&d->instances.data[k].id, &r->id))
                array_remove(&d->instances, k--);
        }
    }
}

static void apply(struct cloud_disk *d, const struct lazy_write *l)
{
    if (l->removed) {
        apply_removed(d, &l->what);
        return;
    }
    switch (l->kind) {
    case ROW_INSTANCE:
        DISK_PUT(d->instances, l->instance, id_eq(&old->id, &l->instance.id));
        break;
    case ROW_RESERVATION:
        DISK_PUT(d->reservations, l->reservation, id_eq(&old->id, &l->reservation.id));
        break;
    case ROW_ZONE:
        DISK_PUT(d->zones, l->zone, id_eq(&old->id, &l->zone.id));
        break;
    case ROW_NODE:
        DISK_PUT(d->nodes, l->node, id_eq(&old->id, &l->node.id));
        break;
    case ROW_OUTBOX:
        DISK_PUT(d->outbox, l->outbox,
                 same_outbox(old, &l->outbox.receiver, l->outbox.kind, &l->outbox.id));
        break;
    case ROW_SHARED:
        DISK_PUT(d->shared, l->shared, id_eq(&old->id, &l->shared.id));
        break;
    case ROW_OPERATION:
        DISK_PUT(d->operations, l->operation, id_eq(&old->id, &l->operation.id));
        break;
    }
}

/* Stands for any reason: that there is one is what the disk keeps here. */
static char stored_reason[] = "stored";

/* A copy of a row's text that lives as long as the world. */
static char *keep_text(struct world *w, const char *text)
{
    if (!text)
        return NULL;
    array_each(&w->texts, kept) {
        if (streq(*kept, text))
            return *kept;
    }
    array_push(&w->texts, xstrdup(text));
    return w->texts.data[w->texts.len - 1];
}

/* A row as it is written: what is not stored is left out. */
static struct lazy_write written(struct world *w, const struct cloud_row *row)
{
    struct lazy_write l = {.kind = row->kind};
    switch (row->kind) {
    case ROW_INSTANCE:
        l.instance = *(const struct cloud_instance *)row;
        l.instance.body = l.instance.reason_text = NULL;
        l.instance.uses = keep_text(w, l.instance.uses);
        l.instance.progress_left = 0;
        if (l.instance.reason_code)
            l.instance.reason_code = stored_reason;
        l.instance.row.queued = false;
        break;
    case ROW_RESERVATION:
        l.reservation = *(const struct cloud_reservation *)row;
        l.reservation.row.queued = false;
        break;
    case ROW_ZONE: {
        const struct cloud_zone *z = (const struct cloud_zone *)row;
        l.zone = (struct cloud_zone){.id = z->id, .epoch = z->epoch, .process = z->process, .asked = z->asked};
        break;
    }
    case ROW_NODE: {
        const struct cloud_node *n = (const struct cloud_node *)row;
        l.node = (struct cloud_node){.id = n->id, .zone = n->zone, .boot = n->boot, .fenced = n->fenced, .link = n->link};
        break;
    }
    case ROW_SHARED:
        l.shared = *(const struct cloud_shared *)row;
        l.shared.row.queued = l.shared.stale = false;
        l.shared.mentions = keep_text(w, l.shared.mentions);
        break;
    case ROW_OPERATION:
        l.operation = *(const struct cloud_operation *)row;
        l.operation.row.queued = false;
        break;
    case ROW_OUTBOX:
        l.outbox = *(const struct outbox_row *)row;
        l.outbox.row.queued = false;
        l.outbox.attempt = 0;
        break;
    }
    return l;
}

static void flush_lazy(struct world *w)
{
    array_each(&w->lazy, l)
        apply(&w->disk, l);
    w->lazy.len = 0;
}

static void write_rows(struct world *w, struct cloud_model *c)
{
    array_each(&c->changed, row)
        array_push(&w->lazy, written(w, *row));
    array_each(&c->removed, r)
        array_push(&w->lazy, ((struct lazy_write){.removed = true, .what = *r}));
    if (c->era_changed)
        w->disk.era = c->era;
    if (c->flush)
        flush_lazy(w);
}

char *sim_shared_body(const struct cloud_model *c, const struct cloud_shared *s)
{
    _cleanup_str_ struct str text = STR_INIT;
    const char *cursor = s->mentions;
    struct id mentioned;
    while (id_list_next(&cursor, &mentioned)) {
        array_each(&c->instances, i) {
            if (cloud_member(*i, &mentioned))
                str_printf(&text, "%s %s;", (*i)->id.text, (*i)->node.text);
        }
    }
    return xstrdup(str_text(&text));
}

#define COPY_LIST(to, from)                                                                        \
    do {                                                                                           \
        (to).len = 0;                                                                              \
        array_each(&(from), it_)                                                                   \
            array_push(&(to), *it_);                                                               \
    } while (0)

static void copy_disk(struct cloud_disk *to, const struct cloud_disk *from)
{
    to->era = from->era;
    COPY_LIST(to->instances, from->instances);
    COPY_LIST(to->reservations, from->reservations);
    COPY_LIST(to->zones, from->zones);
    COPY_LIST(to->nodes, from->nodes);
    COPY_LIST(to->outbox, from->outbox);
    COPY_LIST(to->shared, from->shared);
    COPY_LIST(to->operations, from->operations);
}

void cloud_back_up(struct world *w)
{
    flush_lazy(w);
    copy_disk(&w->backup, &w->disk);
    w->backed_up = w->promises.len;
}

/* As the restoring of a backup does: see core/cloud.h. */
bool cloud_restore(struct world *w, struct proc *p)
{
    if (!w->backed_up)
        return false;
    if (p->up)
        proc_crash(w, p);
    w->lazy.len = 0;
    copy_disk(&w->disk, &w->backup);
    w->disk.era += 1 + (uint64_t)w->now * 2654435761u % CLOUD_ERA_STEP;
    w->disk.outbox.len = 0;
    w->disk.reservations.len = 0;
    w->disk.operations.len = 0;
    array_each(&w->disk.instances, i) {
        if (i->wanted && id_none(&i->node))
            i->deadline_left = w->timing.placing;
    }
    for (size_t k = 0; k < w->promises.len; k++) {
        struct promise *promise = &w->promises.data[k];
        promise->lost |= k >= w->backed_up;
        promise->terminated = false;
        promise->deadline_state = -1;
        promise->cloud_ticks = w->timing.pending; /* what was spent before the backup is not known */
    }
    return true;
}

void cloud_settle(struct world *w, struct proc *p)
{
    struct cloud_model *c = p->cloud;
    if (dies(w, p))
        return;
    array_each(&c->removed, r)
        law_row_settled(w, c, r);
    write_rows(w, c);
    for (size_t k = 0; k < c->outgoing.len; k++) {
        struct cloud_outgoing *out = &c->outgoing.data[k];
        if (dies(w, p))
            return;
        const struct id *last = out->route == ROUTE_PROCESS ? &out->message.process : NULL;
        const struct cloud_shared *s = cloud_find_shared(c, out->message.id.text);
        if (out->message.type == MESSAGE_OBJECT && out->message.present && s)
            out->message.body = sim_shared_body(c, s);
        broker_publish(w, p, "cluster", &out->message.zone, last, &out->message, out->attempt, 0);
    }
    cloud_effects_clear(c);
}

void cluster_settle(struct world *w, struct proc *p)
{
    struct cluster_model *c = p->cluster;
    for (size_t k = 0; k < c->effects.len; k++) {
        struct cluster_effect *e = &c->effects.data[k];
        if (dies(w, p))
            return;
        if (e->kind == CLUSTER_ACK)
            broker_ack(w, p, e->token);
        else if (e->kind == CLUSTER_REPORT)
            broker_publish(w, p, "report", &e->message.zone, NULL, &e->message, 0, 0);
        else
            broker_publish(w, p, "node", &e->message.zone, &e->message.node, &e->message, 0, e->token);
    }
    cluster_effects_clear(c);
}

static void write_record(struct host *h, const struct node_record *r)
{
    struct node_record copy = *r;
    copy.body = copy.why = NULL;
    DISK_PUT(h->records, copy, id_eq(&old->id, &copy.id));
}

static void drop_record(struct host *h, const struct id *id)
{
    for (size_t k = 0; k < h->records.len; k++) {
        if (id_eq(&h->records.data[k].id, id))
            array_remove(&h->records, k--);
    }
}

/* The object that a delivery's token stands for; NULL where it is gone. */
static const struct message *delivered(const struct world *w, uint64_t token)
{
    array_each(&w->queues, q) {
        array_each(&(*q)->items, item) {
            if (item->token == token)
                return &item->message;
        }
    }
    return NULL;
}

void node_settle(struct world *w, struct proc *p)
{
    struct node_model *n = p->node_model;
    struct host *h = &w->hosts[p->zone][p->node];
    for (size_t k = 0; k < n->effects.len; k++) {
        struct node_effect *e = &n->effects.data[k];
        if (dies(w, p))
            return;
        switch (e->kind) {
        case NODE_WRITE_RECORD:
            write_record(h, &e->record);
            break;
        case NODE_DROP_RECORD:
            drop_record(h, &e->record.id);
            break;
        case NODE_WRITE_SELF:
            h->self = e->self;
            h->boot_seen = h->boot_now;
            break;
        case NODE_WRITE_SHARED: {
            struct node_shared copy = e->shared;
            copy.body = keep_text(w, e->shared.body);
            DISK_PUT(h->shared, copy, id_eq(&old->id, &copy.id));
            break;
        }
        case NODE_DROP_SHARED:
            for (size_t at = 0; at < h->shared.len; at++) {
                if (id_eq(&h->shared.data[at].id, &e->shared.id))
                    array_remove(&h->shared, at--);
            }
            break;
        case NODE_SHARED:
            break;
        case NODE_WRITE_OPERATION: {
            struct node_operation copy = e->operation;
            copy.body = copy.text = NULL;
            DISK_PUT(h->operations, copy, id_eq(&old->id, &copy.id));
            break;
        }
        case NODE_DROP_OPERATION:
            for (size_t at = 0; at < h->operations.len; at++) {
                if (id_eq(&h->operations.data[at].id, &e->operation.id))
                    array_remove(&h->operations, at--);
            }
            break;
        case NODE_ACK: {
            const struct message *m = delivered(w, e->token);
            if (m)
                law_acked(w, p, m);
            broker_ack(w, p, e->token);
            break;
        }
        case NODE_REPORT:
            law_reported(w, p, &e->message);
            broker_publish(w, p, "report", &e->message.zone, NULL, &e->message, 0, 0);
            break;
        default:
            host_start_job(w, p, e);
            break;
        }
    }
    node_effects_clear(n);
}

/* ---- lives ---- */

static void start_cloud(struct world *w, struct proc *p)
{
    struct cloud_model *c = p->cloud = cloud_new(&w->timing, w->cloud_id.text, w->disk.era);
    c->counts = w->counts;
    array_each(&w->disk.zones, z)
        cloud_load_zone(c, xmemdup(z, sizeof *z));
    array_each(&w->disk.nodes, n)
        cloud_load_node(c, xmemdup(n, sizeof *n));
    array_each(&w->disk.reservations, r)
        cloud_load_reservation(c, xmemdup(r, sizeof *r));
    array_each(&w->disk.instances, stored) {
        struct cloud_instance *i = xmemdup(stored, sizeof *stored);
        i->reason_code = xstrdup(stored->reason_code);
        i->uses = xstrdup(stored->uses);
        cloud_load_instance(c, i);
    }
    array_each(&w->disk.outbox, o)
        cloud_load_outbox(c, xmemdup(o, sizeof *o));
    array_each(&w->disk.shared, stored) {
        struct cloud_shared *s = xmemdup(stored, sizeof *stored);
        s->mentions = xstrdup(stored->mentions);
        cloud_load_shared(c, s);
    }
    array_each(&w->disk.operations, o)
        cloud_load_operation(c, xmemdup(o, sizeof *o));
    cloud_add_type(c, "m1.small", (struct size){1, 512, 1});
    cloud_loaded(c);
    law_loaded(w, c);
}

static void start_node(struct world *w, struct proc *p)
{
    struct host *h = &w->hosts[p->zone][p->node];
    /* an operator may offer less than before */
    struct size offered = {w->faults_on && chance(w, 0.3) ? 2 : 4, 4096, 40};
    p->node_model = node_new(&w->timing, &h->self, h->boot_seen != h->boot_now, offered);
    p->node_model->counts = w->counts;
    array_each(&h->records, r) {
        struct node_record copy = *r;
        node_load(p->node_model, &copy);
    }
    array_each(&h->shared, s) {
        struct node_shared copy = *s;
        copy.body = xstrdup(s->body);
        node_load_shared(p->node_model, &copy);
    }
    array_each(&h->operations, o) {
        struct node_operation copy = *o;
        node_load_operation(p->node_model, &copy);
    }
    p->node_model->link = xasprintf("10.%d.%d.%d", p->zone, p->node, (int)rnd_below(w, 3));
    node_started(p->node_model);
}

void proc_start(struct world *w, struct proc *p)
{
    trace(w, "start of %d %d.%d", p->kind, p->zone, p->node);
    p->up = true;
    p->paused = false;
    p->life++;
    p->last_tick = w->now;
    p->connect_at = w->now + (int64_t)rnd_below(w, 500);
    if (p->kind == PROC_CLOUD) {
        start_cloud(w, p);
        cloud_settle(w, p);
    } else if (p->kind == PROC_CLUSTER) {
        _cleanup_free_ char *zone = xasprintf("z%c", 'a' + p->zone);
        _cleanup_free_ char *name = xasprintf("p-%ju", (uintmax_t)++w->processes);
        p->cluster = cluster_new(&w->timing, zone, name);
        p->cluster->counts = w->counts;
    } else {
        start_node(w, p);
        node_settle(w, p);
    }
}

void proc_crash(struct world *w, struct proc *p)
{
    trace(w, "crash of %d %d.%d", p->kind, p->zone, p->node);
    w->struck[FAULT_CRASH]++;
    broker_disconnect(w, p);
    struct host *h = &w->hosts[p->zone][p->node];
    array_each(&p->jobs, job) {
        /* libvirt has the call, or will read it from a socket that nobody holds */
        if (job->kind == NODE_JOB_CREATE && chance(w, 0.5))
            array_push(&h->late, *job);
        array_free(&job->seen);
    }
    p->jobs.len = 0;
    p->confirms.len = 0;
    p->up = false;
    p->paused = false;
    p->start_at = w->now + 300 + (int64_t)rnd_below(w, 4000);
    if (p->kind == PROC_CLOUD) {
        if (chance(w, 0.5))
            flush_lazy(w);
        w->lazy.len = 0;
        cloud_free(p->cloud);
    } else if (p->kind == PROC_CLUSTER) {
        cluster_free(p->cluster);
    } else {
        node_free(p->node_model);
    }
}

void proc_tick(struct world *w, struct proc *p)
{
    int64_t elapsed = w->now - p->last_tick;
    p->last_tick = w->now;
    if (p->kind == PROC_CLOUD) {
        array_each(&w->promises, promise)
            promise->cloud_ticks += timing_spend(&w->timing, elapsed);
        cloud_on_tick(p->cloud, elapsed);
        law_deadline(w, p->cloud);
        cloud_settle(w, p);
    } else if (p->kind == PROC_CLUSTER) {
        cluster_on_tick(p->cluster, elapsed);
        cluster_settle(w, p);
    } else {
        node_on_tick(p->node_model, elapsed);
        node_settle(w, p);
    }
}

/* ---- the API ---- */

static struct cloud_shared *any_group(struct world *w, const struct cloud_model *c)
{
    size_t from = c->shared.len ? (size_t)rnd_below(w, c->shared.len) : 0;
    for (size_t k = 0; k < c->shared.len; k++) {
        struct cloud_shared *s = c->shared.data[(from + k) % c->shared.len];
        if (s->kind == KIND_GROUP)
            return s;
    }
    return NULL;
}

/* The zone's subnet, whose map lists its own users, and a group or two. */
static size_t pick_uses(struct world *w, struct cloud_model *c, const struct id *zone, struct id ret[3])
{
    _cleanup_free_ char *subnet = xasprintf("subnet-%s", zone->text);
    ret[0] = id_of(subnet);
    if (!cloud_find_shared(c, subnet))
        cloud_share(c, KIND_SUBNET, subnet, &ret[0], 1);
    size_t count = 1;
    for (uint64_t k = rnd_below(w, 3); k > 0; k--) {
        const struct cloud_shared *s = any_group(w, c);
        if (s && !(count == 2 && id_eq(&ret[1], &s->id)))
            ret[count++] = s->id;
    }
    return count;
}

/* A group is made, its rules change, or it is deleted. */
void sim_share(struct world *w, struct proc *p)
{
    struct cloud_model *c = p->cloud;
    struct cloud_shared *s = any_group(w, c), *other = any_group(w, c);
    if (s && chance(w, 0.2) && !cloud_shared_used(c, s)) {
        cloud_unshare(c, s);
    } else {
        struct id id, mentions[1];
        if (s && chance(w, 0.8)) {
            id = s->id;
        } else {
            _cleanup_free_ char *name = xasprintf("sg-%06ju", (uintmax_t)++w->ids);
            id = id_of(name);
        }
        if (other)
            mentions[0] = other->id;
        cloud_share(c, KIND_GROUP, id.text, mentions, other && chance(w, 0.7) ? 1 : 0);
    }
    cloud_settle(w, p);
}

void sim_operate(struct world *w, struct proc *p)
{
    struct cloud_model *c = p->cloud;
    if (!c->instances.len)
        return;
    const struct cloud_instance *i = c->instances.data[rnd_below(w, c->instances.len)];
    if (i->state != INSTANCE_RUNNING)
        return;
    _cleanup_free_ char *name = xasprintf("op-%06ju", (uintmax_t)++w->ids);
    struct id id = id_of(name);
    cloud_operate(c, &id, i, "reboot", 20000, "request");
    cloud_settle(w, p);
}

void sim_run_instances(struct world *w, struct proc *p)
{
    struct cloud_model *c = p->cloud;
    struct cloud_zone *z = c->zones.data[rnd_below(w, c->zones.len)];
    uint64_t count = 1 + rnd_below(w, 3);
    if (cloud_free_slots(c, z, "m1.small") < count && !chance(w, 0.1))
        return;
    struct cloud_want wants[3];
    struct id uses[3];
    size_t uses_len = pick_uses(w, c, &z->id, uses);
    for (uint64_t k = 0; k < count; k++) {
        _cleanup_free_ char *id = xasprintf("i-%08ju", (uintmax_t)++w->ids);
        wants[k] = (struct cloud_want){id_of(id), {1, 512, 1}, "{}", uses, uses_len};
    }
    _cleanup_free_ char *r = xasprintf("r-%08ju", (uintmax_t)w->ids);
    cloud_run(c, r, "000000000001", z->id.text, "request", wants, count);
    uint64_t life = p->life;
    cloud_settle(w, p);
    if (!p->up || p->life != life)
        return; /* died before it answered: it may be there or not */
    for (uint64_t k = 0; k < count; k++)
        array_push(&w->promises, ((struct promise){.id = wants[k].id}));
}

void sim_terminate(struct world *w, struct proc *p)
{
    if (!w->promises.len)
        return;
    const struct promise *any = &w->promises.data[rnd_below(w, w->promises.len)];
    struct id id = any->id;
    if (any->lost)
        return;
    struct cloud_instance *i = cloud_find_instance(p->cloud, id.text);
    if (!i)
        return;
    cloud_terminate(p->cloud, i, "request");
    uint64_t life = p->life;
    cloud_settle(w, p);
    if (p->up && p->life == life)
        promise_find(w, &id)->terminated = true;
}
