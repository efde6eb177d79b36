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

/* Its one range is associated with it from the start. */
static char *association_id(const struct store_vpc *row)
{
    return xasprintf("vpc-cidr-assoc-%s", row->id.text + strlen("vpc-"));
}

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
    struct ec2_vpc_cidr_association *a = array_add(&v->cidr_block_association_set);
    a->association_id = association_id(row);
    a->cidr_block = xstrdup(row->cidr);
    a->cidr_block_state = xnew0(struct ec2_cidr_state);
    a->cidr_block_state->state = xstrdup("associated");
    tags_put(tags, &v->tag_set);
}

static void vpc_facts(const struct describe *d, const struct store_vpc *row, facts *f)
{
    _cleanup_free_ char *association = association_id(row);
    fact_add(f, "cidr", row->cidr);
    fact_add(f, "cidr-block", row->cidr);
    fact_add(f, "cidr-block-association.association-id", association);
    fact_add(f, "cidr-block-association.cidr-block", row->cidr);
    fact_add(f, "cidr-block-association.state", "associated");
    fact_add(f, "dhcp-options-id", "default");
    fact_flag(f, "is-default", row->is_default);
    fact_flag(f, "isDefault", row->is_default);
    fact_add(f, "owner-id", d->ctx->account.text);
    fact_add(f, "state", "available");
    fact_add(f, "vpc-id", row->id.text);
}

static struct error *show_vpc(struct db_tx *tx, const struct describe *d, const struct store_vpc *row)
{
    _cleanup_tags_ store_tags tags = {0};
    facts f = {0};
    RETURN_IF_ERROR(tags_read(tx, d->ctx->account.text, row->id.text, &tags));
    vpc_facts(d, row, &f);
    if (named(d, row->id.text) && filters_pass(d->filters, d->filters_len, &f, &tags))
        add_vpc(d, row, &tags);
    facts_free(&f);
    return NULL;
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
        if (!e)
            e = show_vpc(tx, d, row);
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
    static const char *const names[] = {
        "cidr", "cidr-block", "cidr-block-association.association-id", "cidr-block-association.cidr-block",
        "cidr-block-association.state", "dhcp-options-id", "ipv6-cidr-block-association.association-id",
        "ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.ipv6-pool",
        "ipv6-cidr-block-association.state", "is-default", "isDefault", "owner-id", "state", "vpc-id", NULL};
    struct describe d = {ctx, in->vpc_id.data, in->vpc_id.len, in->filter.data, in->filter.len, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    RETURN_IF_ERROR(no_token(in->next_token));
    return db_read(ctx->cloud->db, read_vpcs, &d);
}

/* ---- subnets ---- */

/* A subnet with what else its answer tells. */
struct subnet_view {
    const struct store_subnet *row;
    char *cidr, *arn, *zone_id;
    int64_t available;
    bool maps_public;
};

static void add_subnet(const struct describe *d, const struct subnet_view *v, const store_tags *tags)
{
    struct ec2_describe_subnets_response *out = d->out;
    struct ec2_subnet *s = array_add(&out->subnet_set);
    s->subnet_id = xstrdup(v->row->id.text);
    s->state = xstrdup("available");
    s->vpc_id = xstrdup(v->row->vpc.text);
    s->owner_id = xstrdup(d->ctx->account.text);
    s->cidr_block = xstrdup(v->cidr);
    s->subnet_arn = xstrdup(v->arn);
    s->available_ip_address_count = v->available;
    s->availability_zone = xstrdup(v->row->zone.text);
    s->availability_zone_id = xstrdup(v->zone_id);
    s->default_for_az = v->row->is_default;
    s->map_public_ip_on_launch = v->maps_public;
    s->has_available_ip_address_count = s->has_default_for_az = s->has_map_public_ip_on_launch = true;
    s->has_map_customer_owned_ip_on_launch = s->has_assign_ipv6_address_on_creation = true;
    s->has_enable_dns64 = s->has_ipv6_native = true;
    s->private_dns_name_options_on_launch = xnew0(struct ec2_subnet_name_options);
    s->private_dns_name_options_on_launch->hostname_type = xstrdup("ip-name");
    s->private_dns_name_options_on_launch->has_enable_resource_name_dns_a_record = true;
    s->private_dns_name_options_on_launch->has_enable_resource_name_dns_aaaa_record = true;
    tags_put(tags, &s->tag_set);
}

static void subnet_facts(const struct describe *d, const struct subnet_view *v, facts *f)
{
    static const char *const nevers[] = {"enable-dns64", "ipv6-native", "map-customer-owned-ip-on-launch",
                                         "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
                                         "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record"};
    for (size_t i = 0; i < ARRAY_SIZE(nevers); i++)
        fact_flag(f, nevers[i], false);
    fact_add(f, "availability-zone", v->row->zone.text);
    fact_add(f, "availabilityZone", v->row->zone.text);
    fact_add(f, "availability-zone-id", v->zone_id);
    fact_add(f, "availabilityZoneId", v->zone_id);
    fact_number(f, "available-ip-address-count", v->available);
    fact_add(f, "cidr", v->cidr);
    fact_add(f, "cidr-block", v->cidr);
    fact_add(f, "cidrBlock", v->cidr);
    fact_flag(f, "default-for-az", v->row->is_default);
    fact_flag(f, "defaultForAz", v->row->is_default);
    fact_flag(f, "map-public-ip-on-launch", v->maps_public);
    fact_add(f, "owner-id", d->ctx->account.text);
    fact_add(f, "private-dns-name-options-on-launch.hostname-type", "ip-name");
    fact_add(f, "state", "available");
    fact_add(f, "subnet-arn", v->arn);
    fact_add(f, "subnet-id", v->row->id.text);
    fact_add(f, "vpc-id", v->row->vpc.text);
}

static char *zone_id_of(const struct describe *d, const char *zone)
{
    const struct config_list *zones = &d->ctx->cloud->config->zones;
    for (size_t i = 0; i < zones->len; i++) {
        if (streq(zones->items[i], zone))
            return ec2_zone_id(i);
    }
    return NULL;
}

static struct error *show_subnet(struct db_tx *tx, const struct describe *d, const struct store_subnet *row)
{
    _cleanup_tags_ store_tags tags = {0};
    const struct cidr range = {row->first, row->prefix};
    facts f = {0};
    uint64_t used = 0;
    RETURN_IF_ERROR(tags_read(tx, d->ctx->account.text, row->id.text, &tags));
    RETURN_IF_ERROR(store_address_count(tx, row->id.text, &used));
    struct subnet_view v = {.row = row,
                            .cidr = cidr_text(range),
                            .arn = xasprintf("arn:aws:ec2:%s:%s:subnet/%s", d->ctx->cloud->config->region,
                                             d->ctx->account.text, row->id.text),
                            .zone_id = zone_id_of(d, row->zone.text),
                            .available = (int64_t)(cidr_size(range) - 5 - used),
                            .maps_public = row->is_default && d->ctx->cloud->has_public_network};
    subnet_facts(d, &v, &f);
    if (named(d, row->id.text) && filters_pass(d->filters, d->filters_len, &f, &tags))
        add_subnet(d, &v, &tags);
    facts_free(&f);
    free(v.cidr);
    free(v.arn);
    free(v.zone_id);
    return NULL;
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
    static const char *const names[] = {
        "availability-zone", "availabilityZone", "availability-zone-id", "availabilityZoneId",
        "available-ip-address-count", "cidr", "cidr-block", "cidrBlock", "customer-owned-ipv4-pool", "default-for-az",
        "defaultForAz", "enable-dns64", "enable-lni-at-device-index", "ipv6-cidr-block-association.association-id",
        "ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.state", "ipv6-native",
        "map-customer-owned-ip-on-launch", "map-public-ip-on-launch", "outpost-arn", "owner-id",
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
        "private-dns-name-options-on-launch.hostname-type", "state", "subnet-arn", "subnet-id", "vpc-id", NULL};
    struct describe d = {ctx, in->subnet_id.data, in->subnet_id.len, in->filter.data, in->filter.len, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    RETURN_IF_ERROR(no_token(in->next_token));
    return db_read(ctx->cloud->db, read_subnets, &d);
}
