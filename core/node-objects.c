/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/node-internal.h"


static void ack(struct node_model *n, uint64_t token)
{
    node_do(n, NODE_ACK)->token = token;
}

static void take_body(struct node_instance *i, const struct message *m)
{
    i->r.size = m->size;
    free(i->r.body);
    i->r.body = xstrdup(m->body);
}

/* A tombstone: refuses every generation up to `generation` as present, whatever comes late. */
void node_entomb(struct node_model *n, struct node_instance *i, uint64_t generation, bool no_room)
{
    i->r.generation = generation;
    i->r.present = false;
    i->r.no_room = no_room;
    i->r.boot = n->self.boot;
    i->forget_left = n->timing.keep_gone;
    i->retry_left = 0;
    node_go(n, i, NODE_STOPPING);
    node_write(n, i);
}

void node_accept(struct node_model *n, struct node_instance *i, uint64_t generation)
{
    i->r.generation = generation;
    i->r.present = true;
    i->r.no_room = false;
    i->r.boot = n->self.boot;
    i->lost = false;
    i->looks = 0;
    i->retry_left = 0;
    node_go(n, i, NODE_ACCEPTED);
    node_write(n, i);
}

/* Room for one more, the record's own share not counted. */
static bool has_room(const struct node_model *n, const struct node_instance *i, struct size need)
{
    struct size used = node_used(n);
    if (i->r.present || i->r.phase == NODE_STOPPING)
        used = size_subtract(used, i->r.size);
    return size_fits(need, size_subtract(n->size, used));
}

/* A present object of a later generation than the record's. */
static void take_present(struct node_model *n, struct node_instance *i, const struct message *m)
{
    switch (i->r.phase) {
    case NODE_NEW:
    case NODE_GONE:
        if (!has_room(n, i, m->size)) {
            node_entomb(n, i, m->generation, true);
            return;
        }
        take_body(i, m);
        node_accept(n, i, m->generation);
        return;
    case NODE_HELD: /* judged by its own generation: the cloud knows of the boot or will */
        take_body(i, m);
        node_accept(n, i, m->generation);
        return;
    case NODE_STOPPING: /* its absence is not yet answered: comes again */
        return;
    default:
        take_body(i, m);
        i->r.generation = m->generation;
        node_write(n, i);
    }
}

static void take_absent(struct node_model *n, struct node_instance *i, const struct message *m)
{
    if (i->r.phase == NODE_STOPPING || i->r.phase == NODE_GONE) {
        i->r.generation = m->generation;
        i->r.no_room = false;
        node_write(n, i);
        return;
    }
    node_entomb(n, i, m->generation, false);
}

void node_object(struct node_model *n, uint64_t token, const struct message *m)
{
    if (object_kind_shared(m->kind)) {
        node_share(n, token, m);
        return;
    }
    if (m->kind == KIND_OPERATION) {
        node_operate(n, token, m);
        return;
    }
    if (m->kind != KIND_INSTANCE) {
        ack(n, token);
        return;
    }
    bool present = m->present && id_eq(&m->node, &n->self.node);
    struct node_instance *i = node_find(n, m->id.text);
    if (!i)
        i = node_add(n, &m->id);
    if (m->generation > i->r.generation) {
        memcpy(i->request_id, m->request_id, sizeof i->request_id);
        if (present)
            take_present(n, i, m);
        else
            take_absent(n, i, m);
    }
    ack(n, token);
    /* The answer to a repeated object is the same answer; an absence is answered once it is made sure. */
    if (i->r.present || i->r.phase == NODE_GONE)
        node_applied(n, i);
    node_work(n, i);
}

static void judge(struct node_model *n, struct node_instance *i, const struct message_item *item)
{
    if (i->r.phase != NODE_HELD || i->r.generation != item->generation)
        return;
    if (item->verdict == BOOT_START) {
        node_accept(n, i, i->r.generation);
    } else if (item->verdict == BOOT_ABSENT) {
        node_entomb(n, i, i->r.generation, false);
    }
    node_work(n, i);
}

/* Speaks only of the (id, generation) pairs that were sent with this boot's number. */
void node_boot_answer(struct node_model *n, const struct message *m)
{
    if (m->boot != n->self.boot)
        return;
    array_each(&m->items, item) {
        struct node_instance *i = node_find(n, item->id.text);
        if (i)
            judge(n, i, item);
    }
    if (node_awaits_boot(n)) {
        n->self.answered_boot = m->boot;
        node_write_self(n);
    }
}
