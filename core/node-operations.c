/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/json/json.h"
#include "core/node-internal.h"

/* Longer than any command lives in a queue: afterwards no copy of one can come. */
#define KEEP_MS (20 * 60 * 1000)

static struct node_operation *find(struct node_model *n, const char *id)
{
    array_each(&n->operations, o) {
        if (id_is(&o->id, id))
            return o;
    }
    return NULL;
}

void node_load_operation(struct node_model *n, struct node_operation *take)
{
    take->forget_left = KEEP_MS;
    array_push(&n->operations, *take);
    take->body = take->text = NULL;
}

static void write_down(struct node_model *n, const struct node_operation *o)
{
    struct node_effect *e = node_do(n, NODE_WRITE_OPERATION);
    e->operation = *o;
    e->operation.body = NULL;
    e->operation.text = xstrdup(o->text);
}

static void report(struct node_model *n, const struct node_operation *o)
{
    struct message *m = node_report(n, MESSAGE_APPLIED);
    m->kind = KIND_OPERATION;
    m->id = o->id;
    m->generation = 1;
    m->present = true;
    m->result = o->ok ? APPLIED_OK : APPLIED_FAILED;
    m->body = xstrdup(o->body);
    m->text = xstrdup(o->text);
    memcpy(m->request_id, o->request_id, sizeof m->request_id);
}

static void over(struct node_model *n, struct node_operation *o, bool ok, char *take_body, const char *why)
{
    o->done = true;
    o->ok = ok;
    o->body = take_body;
    free(o->text);
    o->text = xstrdup(why);
    write_down(n, o);
    report(n, o);
}

static bool read_body(const struct message *m, struct node_operation *o)
{
    _cleanup_(json_decrefp) json_t *body = NULL;
    struct error *e = json_parse_object(m->body, strlen(m->body), 4096, &body);
    if (!e)
        e = json_need_id(body, "instance", &o->instance);
    if (!e)
        e = json_need_id(body, "action", &o->action);
    bool ok = e == NULL;
    error_free(e);
    return ok;
}

static void begin(struct node_model *n, struct node_operation *o)
{
    const struct node_instance *i = node_find(n, o->instance.text);
    if (!i || !i->r.present || i->r.phase != NODE_RUNNING) {
        over(n, o, false, NULL, "the instance does not run on this node");
        return;
    }
    write_down(n, o);
    struct node_effect *e = node_do(n, NODE_JOB_OPERATE);
    e->record = i->r;
    e->record.body = xstrdup(i->r.body);
    e->record.why = NULL;
    e->operation = *o;
    e->operation.body = e->operation.text = NULL;
}

/* A repeated one gets the answer again, or waits with the first. */
void node_operate(struct node_model *n, uint64_t token, const struct message *m)
{
    struct node_operation *o = find(n, m->id.text), fresh = {.id = m->id, .forget_left = KEEP_MS};
    bool meant = m->present && m->body && id_eq(&m->node, &n->self.node);
    if (o && o->done) {
        report(n, o);
    } else if (!o && meant && read_body(m, &fresh)) {
        memcpy(fresh.request_id, m->request_id, sizeof fresh.request_id);
        array_push(&n->operations, fresh);
        begin(n, &n->operations.data[n->operations.len - 1]);
    }
    node_do(n, NODE_ACK)->token = token;
}

void node_on_operated(struct node_model *n, const char *id, bool ok, char *take_body, const char *why)
{
    struct node_operation *o = find(n, id);
    if (o && !o->done)
        over(n, o, ok, take_body, why);
    else
        free(take_body);
}

void node_operations_started(struct node_model *n)
{
    array_each(&n->operations, o) {
        if (o->done)
            continue;
        o->done = true;
        o->text = xstrdup("the node's daemon ended while it was at it");
        write_down(n, o);
    }
}

void node_operations_tick(struct node_model *n, int64_t spent)
{
    for (size_t k = 0; k < n->operations.len; k++) {
        struct node_operation *o = &n->operations.data[k];
        if (!o->done || (o->forget_left -= spent) > 0)
            continue;
        node_do(n, NODE_DROP_OPERATION)->operation.id = o->id;
        free(o->body);
        free(o->text);
        array_remove(&n->operations, k);
        k--;
    }
}
