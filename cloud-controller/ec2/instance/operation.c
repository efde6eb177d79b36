/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/operation.h"
#include "cloud-controller/ec2/instance/view.h"
#include "common/base/clock.h"
#include "common/json/json.h"

#define CONSOLE_WAIT_MS 15000

/* ---- RebootInstances ---- */

struct reboot {
    struct request_ctx *ctx;
    const struct ec2_reboot_instances_request *in;
};

/* All that are named, or none; nobody waits for it. */
static struct error *change(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    (void)tx;
    const struct reboot *r = arg;
    struct cloud_instance *i;
    array_each(&r->in->instance_id, id)
        RETURN_IF_ERROR(operation_instance(r->ctx, c, *id, &i));
    array_each(&r->in->instance_id, id) {
        struct id operation = id_random("op-");
        error_ignore(operation_instance(r->ctx, c, *id, &i)); /* it was good a moment ago */
        cloud_operate(c, &operation, i, "reboot", OPERATION_MS, r->ctx->request_id);
    }
    return NULL;
}

struct error *ec2_reboot_instances(struct request_ctx *ctx, const struct ec2_reboot_instances_request *in,
                                   struct ec2_reboot_instances_response *ret_out)
{
    struct reboot r = {ctx, in};
    RETURN_IF_ERROR(instance_check_ids(in->instance_id.data, in->instance_id.len));
    RETURN_IF_ERROR(authorize(ctx, in->instance_id.data[0]));
    RETURN_IF_ERROR(brain_change(ctx->cloud->brain, DB_FORCED | DB_RESCUE, change, &r));
    ret_out->return_ = ret_out->has_return_ = true;
    return NULL;
}

/* ---- GetConsoleOutput ---- */

static struct error *set_output(const char *result, struct ec2_get_console_output_response *ret)
{
    _cleanup_json_ json_t *o = NULL;
    if (result)
        RETURN_IF_ERROR(json_parse_object(result, strlen(result), 1u << 20, &o));
    const char *output = o ? json_get_string(o, "output", NULL) : NULL;
    ret->output = xstrdup(output ? output : "");
    return NULL;
}

struct error *ec2_get_console_output(struct request_ctx *ctx, const struct ec2_get_console_output_request *in,
                                     struct ec2_get_console_output_response *ret_out)
{
    _cleanup_free_ char *result = NULL;
    RETURN_IF_ERROR(instance_check_ids(&in->instance_id, 1));
    RETURN_IF_ERROR(authorize(ctx, in->instance_id));
    struct error *e = operation_run(ctx, in->instance_id, "console", CONSOLE_WAIT_MS, &result);
    if (error_is(e, &EC2_INCORRECT_INSTANCE_STATE))
        e = error_free(e); /* what does not run has no console to be read */
    if (!e)
        e = set_output(result, ret_out);
    RETURN_IF_ERROR(e);
    ret_out->instance_id = xstrdup(in->instance_id);
    ret_out->timestamp = clock_wall_ms();
    ret_out->has_timestamp = true;
    return NULL;
}
