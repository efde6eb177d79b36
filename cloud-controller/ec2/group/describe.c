/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/group/group.h"
#include "cloud-controller/ec2/group/permission.h"

static const char *const filter_names[] = {
    "description", "group-id", "group-name", "owner-id", "vpc-id",
    "ip-permission.cidr", "ip-permission.from-port", "ip-permission.group-id", "ip-permission.group-name",
    "ip-permission.ipv6-cidr", "ip-permission.prefix-list-id", "ip-permission.protocol", "ip-permission.to-port",
    "ip-permission.user-id",
    "egress.ip-permission.cidr", "egress.ip-permission.from-port", "egress.ip-permission.group-id",
    "egress.ip-permission.group-name", "egress.ip-permission.ipv6-cidr", "egress.ip-permission.prefix-list-id",
    "egress.ip-permission.protocol", "egress.ip-permission.to-port", "egress.ip-permission.user-id", NULL};

/* Names of a rule's filters, ingress and egress. */
enum { CIDR, FROM, GROUP_ID, GROUP_NAME, PROTOCOL, TO, USER_ID };
static const char *const rule_names[][2] = {
    [CIDR] = {"ip-permission.cidr", "egress.ip-permission.cidr"},
    [FROM] = {"ip-permission.from-port", "egress.ip-permission.from-port"},
    [GROUP_ID] = {"ip-permission.group-id", "egress.ip-permission.group-id"},
    [GROUP_NAME] = {"ip-permission.group-name", "egress.ip-permission.group-name"},
    [PROTOCOL] = {"ip-permission.protocol", "egress.ip-permission.protocol"},
    [TO] = {"ip-permission.to-port", "egress.ip-permission.to-port"},
    [USER_ID] = {"ip-permission.user-id", "egress.ip-permission.user-id"},
};

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_security_groups_request *in;
    struct ec2_describe_security_groups_response *out;
    struct page page;
};

static struct error *add_rule_facts(struct db_tx *tx, const struct store_rule *r, const char *account, facts *f)
{
    _cleanup_free_ char *protocol = permission_protocol_text(r->protocol);
    fact_add(f, rule_names[PROTOCOL][r->egress], protocol);
    fact_number(f, rule_names[FROM][r->egress], r->from);
    fact_number(f, rule_names[TO][r->egress], r->to);
    if (!permission_peer_is_group(r)) {
        fact_add(f, rule_names[CIDR][r->egress], r->peer);
        return NULL;
    }
    struct store_group peer = {0};
    RETURN_IF_ERROR(store_group_get(tx, account, r->peer, &peer));
    fact_add(f, rule_names[GROUP_ID][r->egress], r->peer);
    fact_add(f, rule_names[GROUP_NAME][r->egress], peer.name);
    fact_add(f, rule_names[USER_ID][r->egress], account);
    store_group_free(&peer);
    return NULL;
}

static struct error *collect(struct db_tx *tx, const struct store_group *g, const store_rules *rules, facts *f)
{
    fact_add(f, "description", g->description);
    fact_add(f, "group-id", g->id.text);
    fact_add(f, "group-name", g->name);
    fact_add(f, "owner-id", g->account.text);
    fact_add(f, "vpc-id", g->vpc.text);
    array_each(rules, r)
        RETURN_IF_ERROR(add_rule_facts(tx, r, g->account.text, f));
    return NULL;
}

static void fill(const struct store_group *g, const store_rules *rules, const store_tags *tags,
                 struct ec2_security_group *ret)
{
    ret->owner_id = xstrdup(g->account.text);
    ret->group_id = xstrdup(g->id.text);
    ret->group_name = xstrdup(g->name);
    ret->group_description = xstrdup(g->description);
    ret->vpc_id = xstrdup(g->vpc.text);
    permissions_put(rules, false, g->account.text, &ret->ip_permissions);
    permissions_put(rules, true, g->account.text, &ret->ip_permissions_egress);
    tags_put(tags, &ret->tag_set);
}

static struct error *show(struct describe *d, struct db_tx *tx, const struct store_group *g)
{
    _cleanup_tags_ store_tags tags = {0};
    store_rules rules = {0};
    facts f = {0};
    struct error *e = tags_read(tx, g->account.text, g->id.text, &tags);
    if (!e)
        e = store_rule_list(tx, g->id.text, &rules);
    if (!e && d->in->filter.len)
        e = collect(tx, g, &rules, &f);
    if (!e && filters_pass(d->in->filter.data, d->in->filter.len, &f, &tags)) {
        fill(g, &rules, &tags, array_add(&d->out->security_group_info));
        d->page.shown++;
    }
    facts_free(&f);
    store_rules_free(&rules);
    return e;
}

static struct error *read_page(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_groups rows = {0};
    struct error *e = store_group_page(tx, d->ctx->account.text, d->page.after.text, PAGE_ROWS, &rows);
    d->page.more = rows.len == PAGE_ROWS;
    array_each(&rows, row) {
        if (!e && page_takes(&d->page, &row->id))
            e = show(d, tx, row);
        store_group_free(row);
    }
    array_free(&rows);
    return e;
}

static bool shown_already(const struct describe *d, const struct id *id)
{
    array_each(&d->out->security_group_info, g) {
        if (id_is(id, g->group_id))
            return true;
    }
    return false;
}

static struct error *show_named(struct describe *d, struct db_tx *tx, const char *id, const char *name)
{
    struct store_group g = {0};
    RETURN_IF_ERROR(group_find(tx, d->ctx->account.text, id, name, &g));
    struct error *e = shown_already(d, &g.id) ? NULL : show(d, tx, &g);
    store_group_free(&g);
    return e;
}

static struct error *read_named(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    array_each(&d->in->group_id, id)
        RETURN_IF_ERROR(show_named(d, tx, *id, NULL));
    array_each(&d->in->group_name, name)
        RETURN_IF_ERROR(show_named(d, tx, NULL, *name));
    return NULL;
}

struct error *ec2_describe_security_groups(struct request_ctx *ctx,
                                           const struct ec2_describe_security_groups_request *in,
                                           struct ec2_describe_security_groups_response *ret_out)
{
    struct describe d = {.ctx = ctx, .in = in, .out = ret_out};
    bool named = in->group_id.len || in->group_name.len;
    array_each(&in->group_id, id)
        RETURN_IF_ERROR(group_check_names(*id, NULL));
    if (named && (in->has_max_results || in->next_token))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameters groupIds and groupNames cannot be used with the parameter maxResults");
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, filter_names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (named)
        return db_read(ctx->cloud->db, read_named, &d);
    RETURN_IF_ERROR(page_open(ctx, in->max_results, in->next_token, &d.page));
    return page_read(ctx, &d.page, read_page, &d, &ret_out->next_token);
}

/* ---- DescribeSecurityGroupRules ---- */

struct describe_rules {
    struct request_ctx *ctx;
    const struct ec2_describe_security_group_rules_request *in;
    struct ec2_describe_security_group_rules_response *out;
    struct page page;
};

static void show_rule(struct describe_rules *d, const struct store_rule *r)
{
    facts f = {0};
    fact_add(&f, "group-id", r->group.text);
    fact_add(&f, "security-group-rule-id", r->id.text);
    if (filters_pass(d->in->filter.data, d->in->filter.len, &f, NULL)) {
        permission_rule_fill(r, d->ctx->account.text, array_add(&d->out->security_group_rule_set));
        d->page.shown++;
    }
    facts_free(&f);
}

static struct error *read_rules_page(struct db_tx *tx, void *arg)
{
    struct describe_rules *d = arg;
    store_rules rows = {0};
    struct error *e = store_rule_page(tx, d->ctx->account.text, d->page.after.text, PAGE_ROWS, &rows);
    d->page.more = rows.len == PAGE_ROWS;
    array_each(&rows, row) {
        if (!e && page_takes(&d->page, &row->id))
            show_rule(d, row);
    }
    store_rules_free(&rows);
    return e;
}

static struct error *read_named_rules(struct db_tx *tx, void *arg)
{
    struct describe_rules *d = arg;
    store_rules rows = {0};
    struct error *e = NULL;
    array_each(&d->in->security_group_rule_id, id) {
        if (!e)
            e = store_rule_get(tx, d->ctx->account.text, *id, &rows);
        if (error_is(e, &ERROR_NOT_FOUND))
            e = error_recode(e, &EC2_INVALID_SECURITY_GROUP_RULE_ID_NOT_FOUND,
                             "The security group rule ID '%s' does not exist", *id);
    }
    array_each(&rows, row) {
        if (!e)
            show_rule(d, row);
    }
    store_rules_free(&rows);
    return e;
}

struct error *ec2_describe_security_group_rules(struct request_ctx *ctx,
                                                const struct ec2_describe_security_group_rules_request *in,
                                                struct ec2_describe_security_group_rules_response *ret_out)
{
    static const char *const names[] = {"group-id", "security-group-rule-id", NULL};
    struct describe_rules d = {.ctx = ctx, .in = in, .out = ret_out};
    array_each(&in->security_group_rule_id, id) {
        if (!ec2_id_ok(*id, "sgr-"))
            return error_new(EC2_INVALID_SECURITY_GROUP_RULE_ID_MALFORMED,
                             "Invalid id: \"%.80s\" (expecting \"sgr-...\")", *id);
    }
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (in->security_group_rule_id.len)
        return db_read(ctx->cloud->db, read_named_rules, &d);
    RETURN_IF_ERROR(page_open(ctx, in->max_results, in->next_token, &d.page));
    return page_read(ctx, &d.page, read_rules_page, &d, &ret_out->next_token);
}
