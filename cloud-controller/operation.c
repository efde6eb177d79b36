/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/operation.h"

struct run {
    const struct request_ctx *ctx;
    const char *instance, *action;
    struct id operation;
};

struct error *operation_instance(const struct request_ctx *ctx, const struct cloud_model *c, const char *instance,
                                 struct cloud_instance **ret)
{
    struct cloud_instance *i = cloud_find_instance(c, instance);
    if (!i || !id_eq(&i->account, &ctx->account))
        return error_new(EC2_INVALID_INSTANCE_ID_NOT_FOUND, "The instance ID '%s' does not exist", instance);
    if (i->state != INSTANCE_RUNNING || id_none(&i->node))
        return error_new(EC2_INCORRECT_INSTANCE_STATE, "The instance '%s' is not in the 'running' state.", instance);
    *ret = i;
    return NULL;
}

static struct error *begin(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    (void)tx;
    struct run *r = arg;
    struct cloud_instance *i;
    RETURN_IF_ERROR(operation_instance(r->ctx, c, r->instance, &i));
    cloud_operate(c, &r->operation, i, r->action, OPERATION_MS, r->ctx->request_id);
    return NULL;
}

/* What became of it while somebody waited. */
static struct error *outcome(struct brain_wait *w, const char *instance, char **ret_result)
{
    if (!w->done)
        return error_new(API_UNAVAILABLE, "The node of %s has not answered yet. Try again in a moment.", instance);
    if (!w->ok)
        return error_new(API_UNAVAILABLE, "The node of %s could not do it: %s", instance, w->text ? w->text : "");
    *ret_result = TAKE_PTR(w->body);
    return NULL;
}

struct error *operation_run(const struct request_ctx *ctx, const char *instance, const char *action, int64_t wait_ms,
                            char **ret_result)
{
    struct run r = {ctx, instance, action, id_random("op-")};
    struct brain_wait w = {.operation = r.operation};
    struct brain *b = ctx->cloud->brain;
    brain_wait_begin(b, &w);
    struct error *e = brain_change(b, DB_FORCED | DB_RESCUE, begin, &r);
    brain_wait_end(b, &w, e ? 0 : wait_ms);
    if (!e && wait_ms)
        e = outcome(&w, instance, ret_result);
    free(w.body);
    free(w.text);
    return e;
}
