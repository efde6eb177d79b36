/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/group/group.h"
#include "cloud-controller/ec2/group/permission.h"

/* Authorize and Revoke, both directions: what they ask for is read into one struct, done in one change. */

#define RULES_PER_GROUP 60

struct rule_change {
    struct request_ctx *ctx;
    const char *group_id, *group_name;
    bool egress;
    permission_rules rules;
    char *const *rule_ids; /* to be revoked by id */
    size_t rule_ids_len;
    store_rules made;
};

static void change_free(struct rule_change *ch)
{
    permission_rules_free(&ch->rules);
    store_rules_free(&ch->made);
}

/* ---- reading requests ---- */

typedef struct ec2_authorize_security_group_ingress_request ingress_request;

static bool is_flat(const ingress_request *in)
{
    return in->ip_protocol || in->cidr_ip || in->has_from_port || in->has_to_port || in->source_security_group_name ||
           in->source_security_group_owner_id;
}

static struct error *read_rules(struct rule_change *ch, const ingress_request *in)
{
    RETURN_IF_ERROR(group_check_names(in->group_id, in->group_name));
    bool flat = is_flat(in);
    if ((in->ip_permissions.len != 0) + flat + (ch->rule_ids_len != 0) > 1)
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameter 'ipPermissions' may not be used in combination with others that tell rules");
    ch->group_id = in->group_id;
    ch->group_name = in->group_name;
    if (flat)
        return permission_read_flat(in, &ch->rules);
    if (!in->ip_permissions.len && !ch->rule_ids_len)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter ipPermissions");
    return permissions_read(in->ip_permissions.data, in->ip_permissions.len, &ch->rules);
}

static struct error *check_rule_ids(const struct rule_change *ch)
{
    for (size_t i = 0; i < ch->rule_ids_len; i++) {
        if (!ec2_id_ok(ch->rule_ids[i], "sgr-"))
            return error_new(EC2_INVALID_SECURITY_GROUP_RULE_ID_MALFORMED, "Invalid id: \"%.80s\" (expecting \"sgr-...\")",
                             ch->rule_ids[i]);
        for (size_t k = 0; k < i; k++) {
            if (streq(ch->rule_ids[i], ch->rule_ids[k]))
                return error_new(API_INVALID_PARAMETER_VALUE, "The same permission must not appear multiple times");
        }
    }
    return NULL;
}

/* ---- in the transaction ---- */

/* The peer's group must be one of the same account and VPC. */
static struct error *resolve_peer(struct permission_rule *r, struct db_tx *tx, const struct store_group *group)
{
    struct store_group peer = {0};
    const char *name = r->group_id ? r->group_id : r->group_name;
    struct error *e = NULL;
    if (r->rule.peer)
        return NULL;
    if (r->user_id && !id_is(&group->account, r->user_id))
        e = error_new(ERROR_NOT_FOUND, "group of account %s", r->user_id);
    else
        e = r->group_id ? store_group_get(tx, group->account.text, r->group_id, &peer)
                        : store_group_by_name(tx, group->vpc.text, r->group_name, &peer);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_recode(e, &EC2_INVALID_GROUP_NOT_FOUND, "The security group '%.255s' does not exist", name);
    if (!e && !id_eq(&peer.vpc, &group->vpc))
        e = error_new(EC2_INVALID_GROUP_NOT_FOUND, "You have specified two resources that belong to different networks.");
    if (!e)
        r->rule.peer = xstrdup(peer.id.text);
    store_group_free(&peer);
    return e;
}

static struct error *resolve_all(struct rule_change *ch, struct db_tx *tx, const struct store_group *group)
{
    array_each(&ch->rules, r) {
        r->rule.group = group->id;
        r->rule.egress = ch->egress;
        RETURN_IF_ERROR(resolve_peer(r, tx, group));
    }
    return NULL;
}

static struct error *add_rule(struct rule_change *ch, struct db_tx *tx, const struct store_rule *rule)
{
    struct error *e = store_rule_insert(tx, rule);
    if (error_is(e, &ERROR_EXISTS)) {
        _cleanup_free_ char *text = permission_rule_text(rule);
        return error_recode(e, &EC2_INVALID_PERMISSION_DUPLICATE, "the specified rule \"%s\" already exists", text);
    }
    RETURN_IF_ERROR(e);
    struct store_rule *made = array_add(&ch->made);
    *made = *rule;
    made->peer = xstrdup(rule->peer);
    made->description = xstrdup(rule->description);
    return NULL;
}

static struct error *add_rules(struct rule_change *ch, struct db_tx *tx, const struct store_group *group)
{
    uint64_t have = 0, quota = 0;
    array_each(&ch->rules, r) {
        r->rule.id = id_random("sgr-");
        RETURN_IF_ERROR(add_rule(ch, tx, &r->rule));
    }
    RETURN_IF_ERROR(store_rule_count(tx, group->id.text, ch->egress, &have));
    RETURN_IF_ERROR(store_quota(tx, group->account.text, "rules-per-security-group", RULES_PER_GROUP, &quota));
    if (have > quota)
        return error_new(EC2_RULES_PER_SECURITY_GROUP_LIMIT_EXCEEDED,
                         "The maximum number of rules per security group has been reached.");
    return NULL;
}

static struct error *remove_rules(struct rule_change *ch, struct db_tx *tx, const struct store_group *group)
{
    array_each(&ch->rules, r) {
        struct error *e = store_rule_delete_same(tx, &r->rule);
        if (error_is(e, &ERROR_NOT_FOUND))
            e = error_recode(e, &EC2_INVALID_PERMISSION_NOT_FOUND,
                             "The specified rule does not exist in this security group.");
        RETURN_IF_ERROR(e);
    }
    for (size_t i = 0; i < ch->rule_ids_len; i++) {
        struct error *e = store_rule_delete(tx, group->id.text, ch->rule_ids[i], ch->egress);
        if (error_is(e, &ERROR_NOT_FOUND))
            e = error_recode(e, &EC2_INVALID_SECURITY_GROUP_RULE_ID_NOT_FOUND,
                             "The security group rule ID '%s' does not exist", ch->rule_ids[i]);
        RETURN_IF_ERROR(e);
    }
    return NULL;
}

static struct error *change(struct rule_change *ch, struct db_tx *tx, struct cloud_model *c,
                            struct error *(*fn)(struct rule_change *, struct db_tx *, const struct store_group *))
{
    struct store_group group = {0};
    RETURN_IF_ERROR(group_find(tx, ch->ctx->account.text, ch->group_id, ch->group_name, &group));
    struct error *e = resolve_all(ch, tx, &group);
    if (!e)
        e = fn(ch, tx, &group);
    if (!e)
        e = group_share(tx, c, group.id.text);
    store_group_free(&group);
    return e;
}

static struct error *authorize_rules(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    return change(arg, tx, c, add_rules);
}

static struct error *revoke_rules(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    return change(arg, tx, c, remove_rules);
}

/* ---- the four actions ---- */

static struct error *run(struct rule_change *ch, const ingress_request *in, unsigned mode, brain_fn fn)
{
    struct error *e = check_rule_ids(ch);
    if (!e)
        e = read_rules(ch, in);
    if (!e)
        e = authorize(ch->ctx, in->group_id ? in->group_id : in->group_name);
    if (!e)
        e = brain_change(ch->ctx->cloud->brain, mode, fn, ch);
    return e;
}

/* What egress requests have in common with ingress: borrowed. */
#define AS_INGRESS(in)                                                                             \
    {                                                                                              \
        .group_id = (in)->group_id,                                                                \
        .ip_permissions = {(in)->ip_permissions.data, (in)->ip_permissions.len, (in)->ip_permissions.cap},  \
    }

static void put_made(const struct rule_change *ch, void *list)
{
    array_each(&ch->made, r)
        permission_rule_fill(r, ch->ctx->account.text, api_list_add(list, sizeof(struct ec2_security_group_rule)));
}

struct error *ec2_authorize_security_group_ingress(struct request_ctx *ctx,
                                                   const struct ec2_authorize_security_group_ingress_request *in,
                                                   struct ec2_authorize_security_group_ingress_response *ret_out)
{
    struct rule_change ch = {.ctx = ctx};
    struct error *e = run(&ch, in, DB_FORCED, authorize_rules);
    if (!e)
        put_made(&ch, &ret_out->security_group_rule_set);
    ret_out->return_ = ret_out->has_return_ = !e;
    change_free(&ch);
    return e;
}

struct error *ec2_authorize_security_group_egress(struct request_ctx *ctx,
                                                  const struct ec2_authorize_security_group_egress_request *in,
                                                  struct ec2_authorize_security_group_egress_response *ret_out)
{
    ingress_request same = AS_INGRESS(in);
    struct rule_change ch = {.ctx = ctx, .egress = true};
    struct error *e = run(&ch, &same, DB_FORCED, authorize_rules);
    if (!e)
        put_made(&ch, &ret_out->security_group_rule_set);
    ret_out->return_ = ret_out->has_return_ = !e;
    change_free(&ch);
    return e;
}

struct error *ec2_revoke_security_group_ingress(struct request_ctx *ctx,
                                                const struct ec2_revoke_security_group_ingress_request *in,
                                                struct ec2_revoke_security_group_ingress_response *ret_out)
{
    ingress_request same = AS_INGRESS(in);
    same.group_name = in->group_name;
    same.ip_protocol = in->ip_protocol;
    same.from_port = in->from_port;
    same.has_from_port = in->has_from_port;
    same.to_port = in->to_port;
    same.has_to_port = in->has_to_port;
    same.cidr_ip = in->cidr_ip;
    same.source_security_group_name = in->source_security_group_name;
    same.source_security_group_owner_id = in->source_security_group_owner_id;
    struct rule_change ch = {
        .ctx = ctx, .rule_ids = in->security_group_rule_id.data, .rule_ids_len = in->security_group_rule_id.len};
    struct error *e = run(&ch, &same, DB_FORCED | DB_RESCUE, revoke_rules);
    ret_out->return_ = ret_out->has_return_ = !e;
    change_free(&ch);
    return e;
}

struct error *ec2_revoke_security_group_egress(struct request_ctx *ctx,
                                               const struct ec2_revoke_security_group_egress_request *in,
                                               struct ec2_revoke_security_group_egress_response *ret_out)
{
    ingress_request same = AS_INGRESS(in);
    struct rule_change ch = {.ctx = ctx,
                             .egress = true,
                             .rule_ids = in->security_group_rule_id.data,
                             .rule_ids_len = in->security_group_rule_id.len};
    struct error *e = run(&ch, &same, DB_FORCED | DB_RESCUE, revoke_rules);
    ret_out->return_ = ret_out->has_return_ = !e;
    change_free(&ch);
    return e;
}
