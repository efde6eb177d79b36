/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/str.h"
#include "core/cloud-internal.h"

void cloud_load_operation(struct cloud_model *c, struct cloud_operation *take)
{
    take->row.kind = ROW_OPERATION;
    array_push(&c->operations, take);
}

void cloud_operate(struct cloud_model *c, const struct id *operation, const struct cloud_instance *i,
                   const char *action, int64_t left, const char *request_id)
{
    struct cloud_operation *o = xnew0(struct cloud_operation);
    o->id = *operation;
    o->instance = i->id;
    o->node = i->node;
    o->action = id_of(action);
    o->left = left;
    strncpy(o->request_id, request_id, sizeof o->request_id - 1);
    cloud_load_operation(c, o);
    cloud_changed(c, &o->row, FLUSHED);
    outbox_mark(c, &o->node, KIND_OPERATION, &o->id);
    outbox_pump(c);
}

static size_t place_of(const struct cloud_model *c, const char *id)
{
    size_t k = 0;
    while (k < c->operations.len && !id_is(&c->operations.data[k]->id, id))
        k++;
    return k;
}

void operation_fill(const struct cloud_model *c, struct message *m, const struct outbox_row *row)
{
    size_t at = place_of(c, row->id.text);
    m->node = row->receiver;
    m->generation = 1;
    if (at == c->operations.len)
        return; /* given up meanwhile: absent */
    const struct cloud_operation *o = c->operations.data[at];
    m->present = true;
    m->body = xasprintf("{\"instance\":\"%s\",\"action\":\"%s\"}", o->instance.text, o->action.text);
    memcpy(m->request_id, o->request_id, sizeof m->request_id);
}

static void finish(struct cloud_model *c, size_t at, bool ok, const char *body, const char *text)
{
    struct cloud_operation *o = c->operations.data[at];
    array_push(&c->finished, ((struct cloud_finished){o->id, ok, xstrdup(body), xstrdup(text)}));
    array_push(&c->removed, ((struct cloud_removed){.kind = ROW_OPERATION, .id = o->id}));
    cloud_unchanged(c, &o->row);
    array_remove(&c->operations, at);
    free(o);
}

void operation_applied(struct cloud_model *c, const struct message *m)
{
    size_t at = place_of(c, m->id.text);
    struct outbox_row *row = outbox_find(c, &m->node, KIND_OPERATION, &m->id);
    if (row)
        outbox_settle(c, row);
    if (at < c->operations.len && id_eq(&c->operations.data[at]->node, &m->node))
        finish(c, at, m->result == APPLIED_OK, m->body, m->text);
}

/* What is not reported in its time is given up: nobody waits any more, and the node does it once at most. */
void operation_tick(struct cloud_model *c, int64_t spent)
{
    for (size_t k = 0; k < c->operations.len; k++) {
        struct cloud_operation *o = c->operations.data[k];
        if ((o->left -= spent) > 0)
            continue;
        struct outbox_row *row = outbox_find(c, &o->node, KIND_OPERATION, &o->id);
        if (row)
            outbox_settle(c, row);
        finish(c, k--, false, NULL, "its node did not answer in time");
    }
}
