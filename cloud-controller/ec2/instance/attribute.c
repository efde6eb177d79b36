/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/view.h"

typedef struct ec2_describe_instance_attribute_response response;

static struct ec2_attribute_value *text_value(const char *text)
{
    struct ec2_attribute_value *v = xnew0(struct ec2_attribute_value);
    v->value = xstrdup(text);
    return v;
}

static struct ec2_attribute_boolean_value *flag_value(bool flag)
{
    struct ec2_attribute_boolean_value *v = xnew0(struct ec2_attribute_boolean_value);
    v->value = flag;
    v->has_value = true;
    return v;
}

static void put_type(const struct instance_view *v, response *out)
{
    out->instance_type = text_value(v->row->type.text);
}

static void put_user_data(const struct instance_view *v, response *out)
{
    out->user_data = text_value(v->row->user_data);
}

static void put_termination(const struct instance_view *v, response *out)
{
    (void)v;
    out->disable_api_termination = flag_value(false);
}

static void put_stop(const struct instance_view *v, response *out)
{
    (void)v;
    out->disable_api_stop = flag_value(false);
}

static void put_behaviour(const struct instance_view *v, response *out)
{
    (void)v;
    out->instance_initiated_shutdown_behavior = text_value("terminate");
}

static void put_root(const struct instance_view *v, response *out)
{
    (void)v;
    out->root_device_name = text_value("/dev/vda");
}

static void put_check(const struct instance_view *v, response *out)
{
    (void)v;
    out->source_dest_check = flag_value(true);
}

static void put_ebs(const struct instance_view *v, response *out)
{
    (void)v;
    out->ebs_optimized = flag_value(false);
}

static void put_kernel(const struct instance_view *v, response *out)
{
    (void)v;
    out->kernel = text_value(NULL);
}

static void put_ramdisk(const struct instance_view *v, response *out)
{
    (void)v;
    out->ramdisk = text_value(NULL);
}

static void put_sriov(const struct instance_view *v, response *out)
{
    (void)v;
    out->sriov_net_support = text_value(NULL);
}

static void put_groups(const struct instance_view *v, response *out)
{
    instance_groups_put(v, &out->group_set);
}

static void put_nothing(const struct instance_view *v, response *out)
{
    (void)v;
    (void)out;
}

static const struct {
    const char *name;
    void (*put)(const struct instance_view *v, response *out);
} attributes[] = {
    {"instanceType", put_type},
    {"userData", put_user_data},
    {"disableApiTermination", put_termination},
    {"disableApiStop", put_stop},
    {"instanceInitiatedShutdownBehavior", put_behaviour},
    {"rootDeviceName", put_root},
    {"sourceDestCheck", put_check},
    {"ebsOptimized", put_ebs},
    {"kernel", put_kernel},
    {"ramdisk", put_ramdisk},
    {"sriovNetSupport", put_sriov},
    {"groupSet", put_groups},
    {"productCodes", put_nothing},
    {"blockDeviceMapping", put_nothing},
};

struct describe {
    struct request_ctx *ctx;
    const char *id;
    size_t attribute;
    response *out;
};

static struct error *read_one(struct db_tx *tx, void *arg)
{
    const struct describe *d = arg;
    _cleanup_view_ struct instance_view v = {0};
    store_instances rows = {0};
    struct error *e = store_instance_get(tx, d->ctx->account.text, d->id, &rows);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        e = instance_not_found(d->id, 1);
    }
    if (!e)
        e = instance_view_read(tx, &rows.data[0], &v);
    if (!e)
        attributes[d->attribute].put(&v, d->out);
    array_each(&rows, row)
        store_instance_free(row);
    array_free(&rows);
    return e;
}

struct error *ec2_describe_instance_attribute(struct request_ctx *ctx,
                                              const struct ec2_describe_instance_attribute_request *in,
                                              struct ec2_describe_instance_attribute_response *ret_out)
{
    struct describe d = {ctx, in->instance_id, 0, ret_out};
    RETURN_IF_ERROR(instance_check_ids(&in->instance_id, 1));
    while (d.attribute < ARRAY_SIZE(attributes) && !streq(attributes[d.attribute].name, in->attribute))
        d.attribute++;
    if (d.attribute == ARRAY_SIZE(attributes))
        return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.60s) for parameter attribute is invalid. Unknown attribute.",
                         in->attribute);
    RETURN_IF_ERROR(authorize(ctx, in->instance_id));
    RETURN_IF_ERROR(db_read(ctx->cloud->db, read_one, &d));
    ret_out->instance_id = xstrdup(in->instance_id);
    return NULL;
}
