/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

/* An account has one default VPC with a default subnet per zone: all fit on a page, so no token is given out. */

struct describe {
    struct request_ctx *ctx;
    char *const *ids;
    size_t ids_len;
    const struct ec2_filter *filters;
    size_t filters_len;
    void *out;
};

static bool named(const struct describe *d, const char *id)
{
    bool wanted = d->ids_len == 0;
    for (size_t i = 0; i < d->ids_len; i++)
        wanted |= streq(d->ids[i], id);
    return wanted;
}

/* Names and values of what a filter may look at, in pairs, NULL at the end. */
static bool passes(const struct describe *d, const store_tags *tags, const char *const *pairs)
{
    for (size_t i = 0; i < d->filters_len; i++) {
        const struct ec2_filter *f = &d->filters[i];
        bool about;
        bool ok = filter_tags(f, tags, &about);
        for (size_t k = 0; !about && pairs[k]; k += 2)
            ok |= streq(f->name, pairs[k]) && filter_any(f, pairs[k + 1]);
        if (!ok)
            return false;
    }
    return true;
}

/* Every id that was asked for must be one of the account's. */
static struct error *check_ids(const struct describe *d, const char *const *known, size_t len,
                               const struct error_code *code, const char *what)
{
    for (size_t i = 0; i < d->ids_len; i++) {
        bool found = false;
        for (size_t k = 0; k < len; k++)
            found |= streq(d->ids[i], known[k]);
        if (!found)
            return error_new_code(code, "The %s ID '%.80s' does not exist", what, d->ids[i]);
    }
    return NULL;
}

/* ---- VPCs ---- */

static void add_vpc(const struct describe *d, const struct store_vpc *row, const store_tags *tags)
{
    struct ec2_describe_vpcs_response *out = d->out;
    struct ec2_vpc *v = array_add(&out->vpc_set);
    v->vpc_id = xstrdup(row->id.text);
    v->owner_id = xstrdup(d->ctx->account.text);
    v->state = xstrdup("available");
    v->cidr_block = xstrdup(row->cidr);
    v->dhcp_options_id = xstrdup("default");
    v->instance_tenancy = xstrdup("default");
    v->is_default = row->is_default;
    v->has_is_default = true;
    tags_put(tags, &v->tag_set);
}

static struct error *read_vpcs(struct db_tx *tx, void *arg)
{
    const struct describe *d = arg;
    store_vpcs rows = {0};
    struct error *e = store_vpc_list(tx, d->ctx->account.text, &rows);
    const char **known = xcalloc(rows.len, sizeof *known);
    for (size_t k = 0; k < rows.len; k++)
        known[k] = rows.data[k].id.text;
    if (!e)
        e = check_ids(d, known, rows.len, &EC2_INVALID_VPC_ID_NOT_FOUND, "vpc");
    free(known);
    array_each(&rows, row) {
        store_tags tags = {0};
        if (!e)
            e = store_tag_list(tx, d->ctx->account.text, row->id.text, NULL, NULL, TAGS_MAX, &tags);
        const char *const pairs[] = {"vpc-id", row->id.text, "cidr", row->cidr, "cidr-block", row->cidr, "state", "available",
                                     "owner-id", d->ctx->account.text, "is-default", row->is_default ? "true" : "false",
                                     "isDefault", row->is_default ? "true" : "false", NULL};
        if (!e && named(d, row->id.text) && passes(d, &tags, pairs))
            add_vpc(d, row, &tags);
        tags_free(&tags);
        store_vpc_free(row);
    }
    array_free(&rows);
    return e;
}

static struct error *no_token(const char *token)
{
    return token ? error_new(API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.") : NULL;
}

struct error *ec2_describe_vpcs(struct request_ctx *ctx, const struct ec2_describe_vpcs_request *in,
                                struct ec2_describe_vpcs_response *ret_out)
{
    static const char *const names[] = {"vpc-id",   "cidr",       "cidr-block", "state",
                                        "owner-id", "is-default", "isDefault",  NULL};
    struct describe d = {ctx, in->vpc_id.data, in->vpc_id.len, in->filter.data, in->filter.len, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    RETURN_IF_ERROR(no_token(in->next_token));
    return db_read(ctx->cloud->db, read_vpcs, &d);
}

/* ---- subnets ---- */

static char *cidr_of(const struct store_subnet *s)
{
    return xasprintf("%u.%u.%u.%u/%u", s->first >> 24, s->first >> 16 & 255, s->first >> 8 & 255, s->first & 255,
                     s->prefix);
}

static void add_subnet(const struct describe *d, const struct store_subnet *row, uint64_t used, const store_tags *tags)
{
    struct ec2_describe_subnets_response *out = d->out;
    struct ec2_subnet *s = array_add(&out->subnet_set);
    s->subnet_id = xstrdup(row->id.text);
    s->state = xstrdup("available");
    s->vpc_id = xstrdup(row->vpc.text);
    s->owner_id = xstrdup(d->ctx->account.text);
    s->cidr_block = cidr_of(row);
    s->available_ip_address_count = (int64_t)((1ull << (32 - row->prefix)) - 5 - used);
    s->availability_zone = xstrdup(row->zone.text);
    s->default_for_az = true;
    s->map_public_ip_on_launch = false;
    s->has_available_ip_address_count = s->has_default_for_az = s->has_map_public_ip_on_launch = true;
    tags_put(tags, &s->tag_set);
}

static struct error *show_subnet(struct db_tx *tx, const struct describe *d, const struct store_subnet *row)
{
    store_tags tags = {0};
    uint64_t used = 0;
    struct error *e = store_tag_list(tx, d->ctx->account.text, row->id.text, NULL, NULL, TAGS_MAX, &tags);
    if (!e)
        e = store_address_count(tx, row->id.text, &used);
    _cleanup_free_ char *cidr = cidr_of(row);
    const char *const pairs[] = {"subnet-id", row->id.text, "vpc-id", row->vpc.text, "availability-zone", row->zone.text,
                                 "availabilityZone", row->zone.text, "cidr", cidr, "cidr-block", cidr,
                                 "state", "available", "owner-id", d->ctx->account.text, "default-for-az", "true",
                                 "defaultForAz", "true", NULL};
    if (!e && named(d, row->id.text) && passes(d, &tags, pairs))
        add_subnet(d, row, used, &tags);
    tags_free(&tags);
    return e;
}

static struct error *read_subnets(struct db_tx *tx, void *arg)
{
    const struct describe *d = arg;
    store_subnets rows = {0};
    struct error *e = store_subnet_list(tx, d->ctx->account.text, &rows);
    const char **known = xcalloc(rows.len, sizeof *known);
    for (size_t k = 0; k < rows.len; k++)
        known[k] = rows.data[k].id.text;
    if (!e)
        e = check_ids(d, known, rows.len, &EC2_INVALID_SUBNET_ID_NOT_FOUND, "subnet");
    free(known);
    for (size_t k = 0; !e && k < rows.len; k++)
        e = show_subnet(tx, d, &rows.data[k]);
    array_free(&rows);
    return e;
}

struct error *ec2_describe_subnets(struct request_ctx *ctx, const struct ec2_describe_subnets_request *in,
                                   struct ec2_describe_subnets_response *ret_out)
{
    static const char *const names[] = {"subnet-id", "vpc-id", "availability-zone", "availabilityZone", "cidr",
                                        "cidr-block", "state", "owner-id", "default-for-az", "defaultForAz", NULL};
    struct describe d = {ctx, in->subnet_id.data, in->subnet_id.len, in->filter.data, in->filter.len, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    RETURN_IF_ERROR(no_token(in->next_token));
    return db_read(ctx->cloud->db, read_subnets, &d);
}
