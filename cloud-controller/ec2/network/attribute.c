/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

/* ---- DescribeVpcAttribute ---- */

struct describe_vpc {
    struct request_ctx *ctx;
    const struct ec2_describe_vpc_attribute_request *in;
};

static struct ec2_attribute_boolean_value *flag_value(bool flag)
{
    struct ec2_attribute_boolean_value *v = xnew0(struct ec2_attribute_boolean_value);
    v->value = flag;
    v->has_value = true;
    return v;
}

static struct error *find_vpc(struct db_tx *tx, void *arg)
{
    const struct describe_vpc *d = arg;
    struct store_vpc vpc = {0};
    struct error *e = store_vpc_get(tx, d->ctx->account.text, d->in->vpc_id, &vpc);
    store_vpc_free(&vpc);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_recode(e, &EC2_INVALID_VPC_ID_NOT_FOUND, "The vpc ID '%.80s' does not exist", d->in->vpc_id);
    return e;
}

struct error *ec2_describe_vpc_attribute(struct request_ctx *ctx, const struct ec2_describe_vpc_attribute_request *in,
                                         struct ec2_describe_vpc_attribute_response *ret_out)
{
    struct describe_vpc d = {ctx, in};
    bool support = streq(in->attribute, "enableDnsSupport"), names = streq(in->attribute, "enableDnsHostnames");
    bool metrics = streq(in->attribute, "enableNetworkAddressUsageMetrics");
    if (!support && !names && !metrics)
        return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.60s) for parameter attribute is invalid.", in->attribute);
    RETURN_IF_ERROR(authorize(ctx, in->vpc_id));
    RETURN_IF_ERROR(db_read(ctx->cloud->db, find_vpc, &d));
    ret_out->vpc_id = xstrdup(in->vpc_id);
    if (support)
        ret_out->enable_dns_support = flag_value(true);
    else if (names)
        ret_out->enable_dns_hostnames = flag_value(false); /* there are no public names */
    else
        ret_out->enable_network_address_usage_metrics = flag_value(false);
    return NULL;
}

/* ---- DescribeAccountAttributes ---- */

static const char *const attribute_names[] = {
    "supported-platforms", "vpc-max-security-groups-per-interface", "max-elastic-ips", "max-instances",
    "vpc-max-elastic-ips", "default-vpc"};

struct account {
    struct request_ctx *ctx;
    struct id vpc;
    uint64_t instances;
};

static struct error *read_account(struct db_tx *tx, void *arg)
{
    struct account *a = arg;
    struct store_vpc vpc = {0};
    RETURN_IF_ERROR(store_vpc_get(tx, a->ctx->account.text, NULL, &vpc));
    a->vpc = vpc.id;
    store_vpc_free(&vpc);
    return store_quota(tx, a->ctx->account.text, "instances", a->ctx->cloud->config->instance_quota, &a->instances);
}

static char *value_of(const struct account *a, const char *name)
{
    if (streq(name, "supported-platforms"))
        return xstrdup("VPC");
    if (streq(name, "default-vpc"))
        return xstrdup(a->vpc.text);
    if (streq(name, "max-instances"))
        return xasprintf("%ju", (uintmax_t)a->instances);
    return xstrdup(streq(name, "vpc-max-security-groups-per-interface") ? "5" : "0");
}

static bool wanted(const struct ec2_describe_account_attributes_request *in, const char *name)
{
    array_each(&in->attribute_name, it) {
        if (streq(*it, name))
            return true;
    }
    return !in->attribute_name.len;
}

static struct error *check_names(const struct ec2_describe_account_attributes_request *in)
{
    array_each(&in->attribute_name, it) {
        bool known = false;
        for (size_t i = 0; i < ARRAY_SIZE(attribute_names); i++)
            known |= streq(*it, attribute_names[i]);
        if (!known)
            return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.60s) for parameter attributeName is invalid.", *it);
    }
    return NULL;
}

struct error *ec2_describe_account_attributes(struct request_ctx *ctx,
                                              const struct ec2_describe_account_attributes_request *in,
                                              struct ec2_describe_account_attributes_response *ret_out)
{
    struct account a = {.ctx = ctx};
    RETURN_IF_ERROR(check_names(in));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    RETURN_IF_ERROR(db_read(ctx->cloud->db, read_account, &a));
    for (size_t i = 0; i < ARRAY_SIZE(attribute_names); i++) {
        if (!wanted(in, attribute_names[i]))
            continue;
        struct ec2_account_attribute *line = array_add(&ret_out->account_attribute_set);
        line->attribute_name = xstrdup(attribute_names[i]);
        struct ec2_account_attribute_value *value = array_add(&line->attribute_value_set);
        value->attribute_value = value_of(&a, attribute_names[i]);
    }
    return NULL;
}
