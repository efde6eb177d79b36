/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/digest.h"
#include "core/node-internal.h"

static struct node_shared *find(struct node_model *n, const struct id *id)
{
    array_each(&n->shared, s) {
        if (id_eq(&s->id, id))
            return s;
    }
    return NULL;
}

void node_load_shared(struct node_model *n, struct node_shared *take)
{
    take->forget_left = n->timing.keep_gone;
    array_push(&n->shared, *take);
    take->body = NULL;
}

static struct node_effect *do_shared(struct node_model *n, enum node_effect_kind kind, const struct node_shared *s)
{
    struct node_effect *e = node_do(n, kind);
    e->shared = *s;
    e->shared.body = xstrdup(s->body);
    return e;
}

/* Durable first, then the network is told, then the cloud.  What is absent is kept as a tombstone for a while, so that
 * an older present that comes late is refused. */
void node_share(struct node_model *n, uint64_t token, const struct message *m)
{
    struct node_shared *s = find(n, &m->id);
    if (!s) {
        s = array_add(&n->shared);
        s->id = m->id;
        s->kind = m->kind;
    }
    if (m->generation > s->generation) {
        s->generation = m->generation;
        s->present = m->present && id_eq(&m->node, &n->self.node);
        s->forget_left = n->timing.keep_gone;
        free(s->body);
        s->body = s->present ? xstrdup(m->body) : NULL;
        do_shared(n, NODE_WRITE_SHARED, s);
        do_shared(n, NODE_SHARED, s);
    }
    node_do(n, NODE_ACK)->token = token;
    struct message *answer = node_report(n, MESSAGE_APPLIED);
    answer->kind = s->kind;
    answer->id = s->id;
    answer->generation = s->generation;
    answer->present = s->present;
}

void node_shared_sum(const struct node_model *n, struct message *m)
{
    array_each(&n->shared, s) {
        if (!s->present)
            continue;
        m->count++;
        m->digest ^= digest_object(s->kind, s->id.text, s->generation);
    }
}

void node_shared_items(const struct node_model *n, struct message *m)
{
    array_each(&n->shared, s) {
        if (!s->present)
            continue;
        struct message_item *item = array_add(&m->items);
        item->kind = s->kind;
        item->id = s->id;
        item->generation = s->generation;
        item->present = true;
    }
}

void node_shared_tick(struct node_model *n, int64_t spent)
{
    for (size_t k = 0; k < n->shared.len; k++) {
        struct node_shared *s = &n->shared.data[k];
        if (s->present || (s->forget_left -= spent) > 0)
            continue;
        do_shared(n, NODE_DROP_SHARED, s);
        array_remove(&n->shared, k);
        k--;
    }
}
