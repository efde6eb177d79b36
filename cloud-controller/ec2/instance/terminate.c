/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/view.h"

struct terminate {
    struct request_ctx *ctx;
    const struct ec2_terminate_instances_request *in;
    struct ec2_terminate_instances_response *out;
};

static struct cloud_instance *own(const struct terminate *t, const struct cloud_model *c, const char *id)
{
    struct cloud_instance *i = cloud_find_instance(c, id);
    return i && id_eq(&i->account, &t->ctx->account) ? i : NULL;
}

/* All that are named, or none. */
static struct error *change(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    (void)tx;
    struct terminate *t = arg;
    array_each(&t->in->instance_id, id) {
        if (!own(t, c, *id))
            return instance_not_found(*id, 1);
    }
    array_each(&t->in->instance_id, id) {
        struct cloud_instance *i = own(t, c, *id);
        enum instance_state before = cloud_terminate(c, i, t->ctx->request_id);
        struct ec2_instance_state_change *line = array_add(&t->out->instances_set);
        line->instance_id = xstrdup(*id);
        instance_state_fill(&line->previous_state, before);
        instance_state_fill(&line->current_state, i->state);
    }
    return NULL;
}

struct error *ec2_terminate_instances(struct request_ctx *ctx, const struct ec2_terminate_instances_request *in,
                                      struct ec2_terminate_instances_response *ret_out)
{
    struct terminate t = {ctx, in, ret_out};
    RETURN_IF_ERROR(instance_check_ids(in->instance_id.data, in->instance_id.len));
    RETURN_IF_ERROR(authorize(ctx, in->instance_id.data[0]));
    return brain_change(ctx->cloud->brain, DB_FORCED | DB_RESCUE, change, &t);
}
