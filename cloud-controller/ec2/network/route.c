/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

/* What every VPC has and nobody can change: one route table, one network ACL that lets all pass and, where there are
 * public addresses, one internet gateway.  They have no rows: their ids follow from the VPC's. */

struct describe {
    struct request_ctx *ctx;
    char *const *ids;
    size_t ids_len;
    const struct ec2_filter *filters;
    size_t filters_len;
    const char *prefix;                /* of their ids */
    const struct error_code *not_found;
    const char *what;
    /* Collects one VPC's facts and, where they pass, adds it to the answer. */
    struct error *(*show)(struct describe *d, struct db_tx *tx, const struct store_vpc *vpc, const char *id);
    void *out;
    size_t found; /* of those that were named */
};

static bool named(struct describe *d, const char *id)
{
    bool wanted = !d->ids_len;
    for (size_t i = 0; i < d->ids_len; i++)
        wanted |= streq(d->ids[i], id);
    d->found += wanted;
    return wanted;
}

static bool passes(const struct describe *d, facts *f)
{
    bool ok = filters_pass(d->filters, d->filters_len, f, NULL);
    facts_free(f);
    return ok;
}

static struct error *read_all(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_vpcs rows = {0};
    struct error *e = store_vpc_list(tx, d->ctx->account.text, &rows);
    array_each(&rows, vpc) {
        _cleanup_free_ char *id = xasprintf("%s%s", d->prefix, vpc->id.text + strlen("vpc-"));
        if (!e && named(d, id))
            e = d->show(d, tx, vpc, id);
        store_vpc_free(vpc);
    }
    array_free(&rows);
    if (!e && d->found < d->ids_len)
        e = error_new_code(d->not_found, "The %s ID '%.80s' does not exist", d->what, d->ids[0]);
    return e;
}

/* All fit on a page, so no token was ever given out. */
static struct error *run(struct describe *d, const char *const *names, const char *token)
{
    RETURN_IF_ERROR(filters_check(d->filters, d->filters_len, names, true));
    RETURN_IF_ERROR(authorize(d->ctx, "*"));
    if (token)
        return error_new(API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.");
    return db_read(d->ctx->cloud->db, read_all, d);
}

/* ---- route tables ---- */

static void add_route(struct ec2_route_table *t, const char *to, const char *gateway, const char *origin)
{
    struct ec2_route *r = array_add(&t->route_set);
    r->destination_cidr_block = xstrdup(to);
    r->gateway_id = xstrdup(gateway);
    r->state = xstrdup("active");
    r->origin = xstrdup(origin);
}

static char *gateway_of(const struct store_vpc *vpc)
{
    return xasprintf("igw-%s", vpc->id.text + strlen("vpc-"));
}

static void fill_table(const struct describe *d, const struct store_vpc *vpc, const char *id, struct ec2_route_table *ret)
{
    _cleanup_free_ char *gateway = gateway_of(vpc);
    ret->route_table_id = xstrdup(id);
    ret->vpc_id = xstrdup(vpc->id.text);
    ret->owner_id = xstrdup(d->ctx->account.text);
    add_route(ret, vpc->cidr, "local", "CreateRouteTable");
    if (d->ctx->cloud->has_public_network)
        add_route(ret, "0.0.0.0/0", gateway, "CreateRoute");
    struct ec2_route_table_association *a = array_add(&ret->association_set);
    a->route_table_association_id = xasprintf("rtbassoc-%s", vpc->id.text + strlen("vpc-"));
    a->route_table_id = xstrdup(id);
    a->main = a->has_main = true;
    a->association_state = xnew0(struct ec2_cidr_state);
    a->association_state->state = xstrdup("associated");
}

static void table_facts(const struct ec2_route_table *t, facts *f)
{
    fact_add(f, "association.route-table-association-id", t->association_set.data[0].route_table_association_id);
    fact_add(f, "association.route-table-id", t->route_table_id);
    fact_flag(f, "association.main", true);
    fact_add(f, "owner-id", t->owner_id);
    fact_add(f, "route-table-id", t->route_table_id);
    fact_add(f, "vpc-id", t->vpc_id);
    array_each(&t->route_set, r) {
        fact_add(f, "route.destination-cidr-block", r->destination_cidr_block);
        fact_add(f, "route.gateway-id", r->gateway_id);
        fact_add(f, "route.origin", r->origin);
        fact_add(f, "route.state", r->state);
    }
}

static struct error *show_table(struct describe *d, struct db_tx *tx, const struct store_vpc *vpc, const char *id)
{
    (void)tx;
    struct ec2_describe_route_tables_response *out = d->out;
    struct ec2_route_table table = {0};
    facts f = {0};
    fill_table(d, vpc, id, &table);
    table_facts(&table, &f);
    if (passes(d, &f))
        array_push(&out->route_table_set, table);
    else
        shape_free(&ec2_route_table_shape, &table);
    return NULL;
}

struct error *ec2_describe_route_tables(struct request_ctx *ctx, const struct ec2_describe_route_tables_request *in,
                                        struct ec2_describe_route_tables_response *ret_out)
{
    static const char *const names[] = {
        "association.gateway-id", "association.main", "association.route-table-association-id",
        "association.route-table-id", "association.subnet-id", "owner-id", "route-table-id",
        "route.destination-cidr-block", "route.destination-ipv6-cidr-block", "route.destination-prefix-list-id",
        "route.egress-only-internet-gateway-id", "route.gateway-id", "route.instance-id", "route.nat-gateway-id",
        "route.origin", "route.state", "route.transit-gateway-id", "route.vpc-peering-connection-id", "vpc-id", NULL};
    struct describe d = {ctx,
                         in->route_table_id.data,
                         in->route_table_id.len,
                         in->filter.data,
                         in->filter.len,
                         "rtb-",
                         &EC2_INVALID_ROUTE_TABLE_ID_NOT_FOUND,
                         "routeTable",
                         show_table,
                         ret_out,
                         0};
    return run(&d, names, in->next_token);
}

/* ---- internet gateways ---- */

static struct error *show_gateway(struct describe *d, struct db_tx *tx, const struct store_vpc *vpc, const char *id)
{
    (void)tx;
    struct ec2_describe_internet_gateways_response *out = d->out;
    facts f = {0};
    fact_add(&f, "attachment.state", "available");
    fact_add(&f, "attachment.vpc-id", vpc->id.text);
    fact_add(&f, "internet-gateway-id", id);
    fact_add(&f, "owner-id", d->ctx->account.text);
    if (!passes(d, &f))
        return NULL;
    struct ec2_internet_gateway *g = array_add(&out->internet_gateway_set);
    g->internet_gateway_id = xstrdup(id);
    g->owner_id = xstrdup(d->ctx->account.text);
    struct ec2_gateway_attachment *a = array_add(&g->attachment_set);
    a->vpc_id = xstrdup(vpc->id.text);
    a->state = xstrdup("available"); /* AWS's word here, though its model does not list it */
    return NULL;
}

static struct error *show_no_gateway(struct describe *d, struct db_tx *tx, const struct store_vpc *vpc, const char *id)
{
    (void)tx;
    (void)vpc;
    (void)id;
    d->found = 0;
    return NULL;
}

struct error *ec2_describe_internet_gateways(struct request_ctx *ctx,
                                             const struct ec2_describe_internet_gateways_request *in,
                                             struct ec2_describe_internet_gateways_response *ret_out)
{
    static const char *const names[] = {"attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id", NULL};
    struct describe d = {ctx,
                         in->internet_gateway_id.data,
                         in->internet_gateway_id.len,
                         in->filter.data,
                         in->filter.len,
                         "igw-",
                         &EC2_INVALID_INTERNET_GATEWAY_ID_NOT_FOUND,
                         "internetGateway",
                         ctx->cloud->has_public_network ? show_gateway : show_no_gateway,
                         ret_out,
                         0};
    return run(&d, names, in->next_token);
}

/* ---- network ACLs ---- */

static void add_entries(struct ec2_network_acl *acl, bool egress)
{
    static const struct {
        int64_t number;
        const char *action;
    } rows[] = {{100, "allow"}, {32767, "deny"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ec2_acl_entry *e = array_add(&acl->entry_set);
        e->rule_number = rows[i].number;
        e->protocol = xstrdup("-1");
        e->rule_action = xstrdup(rows[i].action);
        e->egress = egress;
        e->has_rule_number = e->has_egress = true;
        e->cidr_block = xstrdup("0.0.0.0/0");
    }
}

static struct error *add_associations(struct describe *d, struct db_tx *tx, const struct store_vpc *vpc,
                                      struct ec2_network_acl *acl)
{
    store_subnets subnets = {0};
    struct error *e = store_subnet_list(tx, d->ctx->account.text, &subnets);
    array_each(&subnets, s) {
        if (!id_eq(&s->vpc, &vpc->id))
            continue;
        struct ec2_acl_association *a = array_add(&acl->association_set);
        a->network_acl_association_id = xasprintf("aclassoc-%s", s->id.text + strlen("subnet-"));
        a->network_acl_id = xstrdup(acl->network_acl_id);
        a->subnet_id = xstrdup(s->id.text);
    }
    array_free(&subnets);
    return e;
}

static void acl_facts(const struct ec2_network_acl *acl, facts *f)
{
    fact_flag(f, "default", true);
    fact_add(f, "network-acl-id", acl->network_acl_id);
    fact_add(f, "owner-id", acl->owner_id);
    fact_add(f, "vpc-id", acl->vpc_id);
    array_each(&acl->association_set, a) {
        fact_add(f, "association.association-id", a->network_acl_association_id);
        fact_add(f, "association.network-acl-id", a->network_acl_id);
        fact_add(f, "association.subnet-id", a->subnet_id);
    }
    array_each(&acl->entry_set, e) {
        fact_add(f, "entry.cidr", e->cidr_block);
        fact_flag(f, "entry.egress", e->egress);
        fact_add(f, "entry.protocol", e->protocol);
        fact_add(f, "entry.rule-action", e->rule_action);
        fact_number(f, "entry.rule-number", e->rule_number);
    }
}

static struct error *show_acl(struct describe *d, struct db_tx *tx, const struct store_vpc *vpc, const char *id)
{
    struct ec2_describe_network_acls_response *out = d->out;
    struct ec2_network_acl acl = {.network_acl_id = xstrdup(id),
                                  .vpc_id = xstrdup(vpc->id.text),
                                  .owner_id = xstrdup(d->ctx->account.text),
                                  .default_ = true,
                                  .has_default_ = true};
    facts f = {0};
    add_entries(&acl, false);
    add_entries(&acl, true);
    struct error *e = add_associations(d, tx, vpc, &acl);
    acl_facts(&acl, &f);
    if (passes(d, &f) && !e)
        array_push(&out->network_acl_set, acl);
    else
        shape_free(&ec2_network_acl_shape, &acl);
    return e;
}

struct error *ec2_describe_network_acls(struct request_ctx *ctx, const struct ec2_describe_network_acls_request *in,
                                        struct ec2_describe_network_acls_response *ret_out)
{
    static const char *const names[] = {
        "association.association-id", "association.network-acl-id", "association.subnet-id", "default", "entry.cidr",
        "entry.egress", "entry.icmp.code", "entry.icmp.type", "entry.ipv6-cidr", "entry.port-range.from",
        "entry.port-range.to", "entry.protocol", "entry.rule-action", "entry.rule-number", "network-acl-id", "owner-id",
        "vpc-id", NULL};
    struct describe d = {ctx,
                         in->network_acl_id.data,
                         in->network_acl_id.len,
                         in->filter.data,
                         in->filter.len,
                         "acl-",
                         &EC2_INVALID_NETWORK_ACL_ID_NOT_FOUND,
                         "networkAcl",
                         show_acl,
                         ret_out,
                         0};
    return run(&d, names, in->next_token);
}
