/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/map.h"
#include "core/cloud-internal.h"
#include "core/digest.h"
#include "core/id-list.h"

void cloud_load_shared(struct cloud_model *c, struct cloud_shared *take)
{
    take->row.kind = ROW_SHARED;
    array_push(&c->shared, take);
    map_set(c->shared_by_id, take->id.text, take);
}

struct cloud_shared *cloud_find_shared(const struct cloud_model *c, const char *id)
{
    return map_get(c->shared_by_id, id);
}

bool cloud_member(const struct cloud_instance *i, const struct id *shared)
{
    return i->held && !id_none(&i->node) && id_list_has(i->uses, shared);
}

bool cloud_shared_used(const struct cloud_model *c, const struct cloud_shared *s)
{
    array_each(&c->instances, i) {
        if (((*i)->wanted || (*i)->held) && id_list_has((*i)->uses, &s->id))
            return true;
    }
    return false;
}

void cloud_share(struct cloud_model *c, enum object_kind kind, const char *id, const struct id *mentions,
                 size_t count)
{
    struct cloud_shared *s = cloud_find_shared(c, id);
    if (!s) {
        s = xnew0(struct cloud_shared);
        s->id = id_of(id);
        s->kind = kind;
        cloud_load_shared(c, s);
    }
    free(s->mentions);
    s->mentions = id_list_make(mentions, count);
    s->stale = true;
    cloud_changed(c, &s->row, FLUSHED);
    outbox_pump(c);
}

void cloud_unshare(struct cloud_model *c, struct cloud_shared *s)
{
    array_push(&c->removed, ((struct cloud_removed){.kind = ROW_SHARED, .id = s->id, .object = s->kind}));
    c->flush = true;
    map_take(c->shared_by_id, s->id.text);
    for (size_t k = 0; k < c->shared.len; k++) {
        if (c->shared.data[k] == s) {
            array_remove(&c->shared, k);
            break;
        }
    }
    cloud_unchanged(c, &s->row);
    free(s->mentions);
    free(s);
}

void shared_touch(struct cloud_model *c, const struct cloud_instance *i)
{
    const char *cursor = i->uses;
    struct id used;
    while (id_list_next(&cursor, &used)) {
        array_each(&c->shared, s)
            (*s)->stale |= id_eq(&(*s)->id, &used) || id_list_has((*s)->mentions, &used);
    }
}

bool shared_needed(const struct cloud_model *c, const struct cloud_node *n, const struct cloud_shared *s)
{
    array_each(&c->instances, i) {
        if (id_eq(&(*i)->node, &n->id) && cloud_member(*i, &s->id))
            return true;
    }
    return false;
}

void shared_left(struct cloud_model *c, const struct cloud_instance *i, const struct id *node)
{
    const struct cloud_node *n = cloud_find_node(c, node->text);
    const char *cursor = i->uses;
    struct id used;
    while (n && id_list_next(&cursor, &used)) {
        const struct cloud_shared *s = cloud_find_shared(c, used.text);
        if (s && !n->fenced && !shared_needed(c, n, s))
            outbox_mark(c, node, s->kind, &s->id);
    }
}

void shared_moved(struct cloud_model *c, const struct cloud_node *n)
{
    array_each(&c->shared, s)
        (*s)->stale |= (*s)->kind == KIND_SUBNET && shared_needed(c, n, *s);
}

static void mark_holders(struct cloud_model *c, const struct cloud_shared *s)
{
    array_each(&c->nodes, n) {
        if (!(*n)->fenced && shared_needed(c, *n, s))
            outbox_mark(c, &(*n)->id, s->kind, &s->id);
    }
}

void shared_new_era(struct cloud_model *c)
{
    uint64_t era = (c->era - 1) << 32;
    array_each(&c->shared, it) {
        struct cloud_shared *s = *it;
        if (s->generation >> 32 == era >> 32)
            continue;
        s->generation = era | (s->generation & UINT32_MAX);
        s->stale = true;
    }
}

void shared_pump(struct cloud_model *c)
{
    array_each(&c->shared, it) {
        struct cloud_shared *s = *it;
        if (!s->stale)
            continue;
        s->stale = false;
        s->generation++;
        cloud_changed(c, &s->row, FLUSHED);
        mark_holders(c, s);
    }
}

void shared_sum(struct cloud_model *c, const struct cloud_node *n, uint64_t *count, uint64_t *digest)
{
    c->marks++;
    array_each(&c->instances, i) {
        if (!(*i)->held || !id_eq(&(*i)->node, &n->id))
            continue;
        const char *cursor = (*i)->uses;
        struct id used;
        while (id_list_next(&cursor, &used)) {
            struct cloud_shared *s = cloud_find_shared(c, used.text);
            if (!s || s->mark == c->marks)
                continue;
            s->mark = c->marks;
            (*count)++;
            *digest ^= digest_object(s->kind, s->id.text, s->generation);
        }
    }
}

static void mark_once(struct cloud_model *c, const struct cloud_node *n, enum object_kind kind, const struct id *id)
{
    if (!outbox_find(c, &n->id, kind, id))
        outbox_mark(c, &n->id, kind, id);
}

static bool listed(const struct message *m, const struct id *id)
{
    array_each(&m->items, item) {
        if (object_kind_shared(item->kind) && id_eq(&item->id, id))
            return true;
    }
    return false;
}

/* A node holds a later generation than the row, which came from a backup: what the row says gets a later one yet. */
static void outrank(struct cloud_model *c, struct cloud_shared *s, uint64_t generation)
{
    if (!s || generation <= s->generation || generation >> 62)
        return;
    if (generation >> 32 >= c->era) {
        cloud_outrank_era(c, (generation >> 32) + 1);
        return;
    }
    s->generation = generation;
    s->stale = true;
}

/* What lags or is nobody's is sent again; what no row names stays while an unknown instance may stand on it. */
void shared_inventory(struct cloud_model *c, struct cloud_node *n, const struct message *m)
{
    array_each(&m->items, item) {
        if (!object_kind_shared(item->kind))
            continue;
        struct cloud_shared *s = cloud_find_shared(c, item->id.text);
        if (!s && n->quarantined.len)
            continue;
        outrank(c, s, item->generation);
        if (!s || item->generation < s->generation || !shared_needed(c, n, s))
            mark_once(c, n, item->kind, &item->id);
    }
    array_each(&c->shared, s) {
        if (!listed(m, &(*s)->id) && shared_needed(c, n, *s))
            mark_once(c, n, (*s)->kind, &(*s)->id);
    }
}

void shared_fill(const struct cloud_model *c, struct message *m, const struct outbox_row *o)
{
    const struct cloud_shared *s = cloud_find_shared(c, o->id.text);
    const struct cloud_node *n = cloud_find_node(c, o->receiver.text);
    m->node = o->receiver;
    /* Forgotten: nothing of it may stay in this era; a backup may know it yet. */
    m->generation = s ? s->generation : (c->era - 1) << 32 | UINT32_MAX;
    m->present = s && n && shared_needed(c, n, s);
}

void shared_applied(struct cloud_model *c, const struct message *m)
{
    struct outbox_row *o = outbox_find(c, &m->node, m->kind, &m->id);
    struct cloud_shared *s = cloud_find_shared(c, m->id.text);
    outrank(c, s, m->generation);
    if (o && !(s && s->stale) && (s ? m->generation == s->generation : !m->present))
        outbox_settle(c, o);
}
