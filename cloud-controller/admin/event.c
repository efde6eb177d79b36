/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/gen/admin.h"
#include "cloud-controller/request.h"

struct events {
    const char *instance;
    struct admin_describe_instance_events_response *out;
};

static struct error *read_events(struct db_tx *tx, void *arg)
{
    const struct events *q = arg;
    store_events all = {0};
    struct error *e = store_event_list(tx, q->instance, &all);
    if (!e && !all.len)
        e = error_new(ADMIN_INSTANCE_NOT_FOUND, "There is no instance %.80s, or it has no events.", q->instance);
    array_each(&all, event) {
        struct admin_event *line = array_add(&q->out->events);
        line->time = event->time_ms;
        line->has_time = true;
        line->source = xstrdup(event->source);
        line->message = xstrdup(event->message);
        store_event_free(event);
    }
    array_free(&all);
    return e;
}

struct error *admin_describe_instance_events(struct request_ctx *ctx,
                                             const struct admin_describe_instance_events_request *in,
                                             struct admin_describe_instance_events_response *ret_out)
{
    struct events q = {in->instance_id, ret_out};
    RETURN_IF_ERROR(authorize(ctx, in->instance_id));
    return db_read(ctx->cloud->db, read_events, &q);
}
