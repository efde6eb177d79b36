/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/group/group.h"

#define QUOTA 2500

struct error *group_check_names(const char *id, const char *name)
{
    if (!id && !name)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter groupName or groupId");
    if (id && name)
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameter groupName cannot be used with the parameter groupId");
    if (id && !ec2_id_ok(id, "sg-"))
        return error_new(EC2_INVALID_GROUP_ID_MALFORMED, "Invalid id: \"%.80s\" (expecting \"sg-...\")", id);
    return NULL;
}

static struct error *find_by_name(struct db_tx *tx, const char *account, const char *name, struct store_group *ret)
{
    struct store_vpc vpc = {0};
    RETURN_IF_ERROR(store_vpc_get(tx, account, NULL, &vpc));
    struct error *e = store_group_by_name(tx, vpc.id.text, name, ret);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_recode(e, &EC2_INVALID_GROUP_NOT_FOUND, "The security group '%.255s' does not exist in default VPC '%s'",
                         name, vpc.id.text);
    store_vpc_free(&vpc);
    return e;
}

struct error *group_find(struct db_tx *tx, const char *account, const char *id, const char *name,
                         struct store_group *ret)
{
    if (!id)
        return find_by_name(tx, account, name, ret);
    struct error *e = store_group_get(tx, account, id, ret);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_recode(e, &EC2_INVALID_GROUP_NOT_FOUND, "The security group '%.80s' does not exist", id);
    return e;
}

/* ---- CreateSecurityGroup ---- */

struct creating {
    struct request_ctx *ctx;
    const struct ec2_create_security_group_request *in;
    struct store_group group;
};

static struct error *check_create(const struct ec2_create_security_group_request *in)
{
    if (!*in->group_name)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter GroupName");
    if (!*in->group_description)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter GroupDescription");
    if (strcasecmp(in->group_name, STORE_GROUP_DEFAULT) == 0)
        return error_new(EC2_INVALID_GROUP_RESERVED, "The name '%s' is reserved.", in->group_name);
    if (str_starts(in->group_name, "sg-"))
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Invalid group name. Group names may not be in the format sg-*: '%.80s'", in->group_name);
    if (!vpc_text_ok(in->group_name))
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Value (%.255s) for parameter GroupName is invalid. Group names have at most 255 characters "
                         "from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
                         in->group_name);
    if (!vpc_text_ok(in->group_description))
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Value (%.255s) for parameter GroupDescription is invalid. Group descriptions have at most 255 "
                         "characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
                         in->group_description);
    return tag_specs_check(in->tag_specification.data, in->tag_specification.len, "security-group");
}

static struct error *find_vpc(struct creating *cr, struct db_tx *tx)
{
    struct store_vpc vpc = {0};
    struct error *e = store_vpc_get(tx, cr->ctx->account.text, cr->in->vpc_id, &vpc);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_recode(e, &EC2_INVALID_VPC_ID_NOT_FOUND, "The vpc ID '%.80s' does not exist",
                         cr->in->vpc_id ? cr->in->vpc_id : "");
    cr->group.vpc = vpc.id;
    store_vpc_free(&vpc);
    return e;
}

static struct error *add_group(struct creating *cr, struct db_tx *tx)
{
    const char *account = cr->ctx->account.text;
    uint64_t have = 0, quota = 0;
    struct store_rule outward = {id_random("sgr-"), cr->group.id, true, -1, -1, -1, (char *)"0.0.0.0/0", NULL};
    struct error *e = store_group_insert(tx, &cr->group);
    if (error_is(e, &ERROR_EXISTS))
        return error_recode(e, &EC2_INVALID_GROUP_DUPLICATE, "The security group '%s' already exists for VPC '%s'",
                            cr->group.name, cr->group.vpc.text);
    RETURN_IF_ERROR(e);
    RETURN_IF_ERROR(store_group_count(tx, account, &have));
    RETURN_IF_ERROR(store_quota(tx, account, "security-groups", QUOTA, &quota));
    if (have > quota)
        return error_new(EC2_SECURITY_GROUP_LIMIT_EXCEEDED,
                         "The maximum number of security groups has been reached: %ju", (uintmax_t)quota);
    return store_rule_insert(tx, &outward);
}

static struct error *create(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    struct creating *cr = arg;
    RETURN_IF_ERROR(find_vpc(cr, tx));
    RETURN_IF_ERROR(add_group(cr, tx));
    RETURN_IF_ERROR(tag_specs_write(tx, cr->in->tag_specification.data, cr->in->tag_specification.len,
                                    cr->ctx->account.text, cr->group.id.text, "security-group"));
    return group_share(tx, c, cr->group.id.text);
}

struct error *ec2_create_security_group(struct request_ctx *ctx, const struct ec2_create_security_group_request *in,
                                        struct ec2_create_security_group_response *ret_out)
{
    struct creating cr = {.ctx = ctx, .in = in};
    RETURN_IF_ERROR(check_create(in));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    cr.group.id = id_random("sg-");
    cr.group.account = ctx->account;
    cr.group.name = in->group_name;
    cr.group.description = in->group_description;
    RETURN_IF_ERROR(brain_change(ctx->cloud->brain, DB_FORCED, create, &cr));
    ret_out->group_id = xstrdup(cr.group.id.text);
    tag_specs_put(in->tag_specification.data, in->tag_specification.len, &ret_out->tag_set);
    return NULL;
}

/* ---- DeleteSecurityGroup ---- */

struct deleting {
    struct request_ctx *ctx;
    const struct ec2_delete_security_group_request *in;
};

static struct error *remove_group(struct db_tx *tx, struct cloud_model *c, const struct store_group *g)
{
    bool used = false;
    const struct cloud_shared *s = cloud_find_shared(c, g->id.text);
    if (streq(g->name, STORE_GROUP_DEFAULT))
        return error_new(EC2_CANNOT_DELETE, "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user",
                         g->id.text, g->name);
    RETURN_IF_ERROR(store_group_used(tx, g->id.text, &used));
    if (used || (s && cloud_shared_used(c, s)))
        return error_new(EC2_DEPENDENCY_VIOLATION, "resource %s has a dependent object", g->id.text);
    RETURN_IF_ERROR(store_tag_delete_all(tx, g->account.text, g->id.text));
    RETURN_IF_ERROR(store_group_delete(tx, g->id.text));
    group_unshare(c, g->id.text);
    return NULL;
}

static struct error *delete(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    const struct deleting *d = arg;
    struct store_group g = {0};
    RETURN_IF_ERROR(group_find(tx, d->ctx->account.text, d->in->group_id, d->in->group_name, &g));
    struct error *e = remove_group(tx, c, &g);
    store_group_free(&g);
    return e;
}

struct error *ec2_delete_security_group(struct request_ctx *ctx, const struct ec2_delete_security_group_request *in,
                                        struct ec2_delete_security_group_response *ret_out)
{
    struct deleting d = {ctx, in};
    RETURN_IF_ERROR(group_check_names(in->group_id, in->group_name));
    RETURN_IF_ERROR(authorize(ctx, in->group_id ? in->group_id : in->group_name));
    RETURN_IF_ERROR(brain_change(ctx->cloud->brain, DB_FORCED | DB_RESCUE, delete, &d));
    ret_out->return_ = ret_out->has_return_ = true;
    return NULL;
}
