/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

#define RESOURCES_MAX 1000
#define MOST          1000

struct tagging {
    struct request_ctx *ctx;
    char *const *resources;
    size_t resources_len;
    const struct ec2_tag *tags;
    size_t tags_len;
};

static const struct {
    const char *prefix;
    const struct error_code *code;
} not_found[] = {
    {"i-", &EC2_INVALID_INSTANCE_ID_NOT_FOUND},  {"ami-", &EC2_INVALID_AMIID_NOT_FOUND},
    {"key-", &EC2_INVALID_KEY_PAIR_NOT_FOUND},   {"sg-", &EC2_INVALID_GROUP_NOT_FOUND},
    {"subnet-", &EC2_INVALID_SUBNET_ID_NOT_FOUND}, {"vpc-", &EC2_INVALID_VPC_ID_NOT_FOUND},
};

/* The type of a resource that the caller owns; what it does not own does not exist for it. */
static struct error *target(struct db_tx *tx, const struct tagging *t, const char *resource, const char **ret_type)
{
    struct error *e = store_tag_target(tx, t->ctx->account.text, resource, ret_type);
    if (!error_is(e, &ERROR_NOT_FOUND))
        return e;
    const struct error_code *code = &EC2_INVALID_ID;
    for (size_t i = 0; i < ARRAY_SIZE(not_found); i++) {
        if (str_starts(resource, not_found[i].prefix))
            code = not_found[i].code;
    }
    return error_recode(e, code, "The ID '%.80s' does not exist", resource);
}

static struct error *set_all(struct db_tx *tx, void *arg)
{
    const struct tagging *t = arg;
    const char *account = t->ctx->account.text;
    for (size_t i = 0; i < t->resources_len; i++) {
        const char *resource = t->resources[i], *type;
        uint64_t count = 0;
        RETURN_IF_ERROR(target(tx, t, resource, &type));
        for (size_t k = 0; k < t->tags_len; k++)
            RETURN_IF_ERROR(store_tag_set(tx, account, resource, type, t->tags[k].key,
                                          t->tags[k].value ? t->tags[k].value : ""));
        RETURN_IF_ERROR(store_tag_count(tx, account, resource, &count));
        if (count > TAGS_MAX)
            return error_new(EC2_TAG_LIMIT_EXCEEDED, "%s may have at most %d tags.", resource, TAGS_MAX);
    }
    return NULL;
}

static struct error *delete_all(struct db_tx *tx, void *arg)
{
    const struct tagging *t = arg;
    const char *account = t->ctx->account.text;
    for (size_t i = 0; i < t->resources_len; i++) {
        const char *type;
        RETURN_IF_ERROR(target(tx, t, t->resources[i], &type));
        if (!t->tags_len)
            RETURN_IF_ERROR(store_tag_delete_all(tx, account, t->resources[i]));
        for (size_t k = 0; k < t->tags_len; k++)
            RETURN_IF_ERROR(store_tag_delete(tx, account, t->resources[i], t->tags[k].key, t->tags[k].value));
    }
    return NULL;
}

static struct error *check(const struct tagging *t)
{
    if (t->resources_len > RESOURCES_MAX)
        return error_new(API_INVALID_PARAMETER_VALUE, "At most %d resources may be named.", RESOURCES_MAX);
    for (size_t k = 0; k < t->tags_len; k++)
        RETURN_IF_ERROR(tag_check(&t->tags[k]));
    return NULL;
}

struct error *ec2_create_tags(struct request_ctx *ctx, const struct ec2_create_tags_request *in,
                              struct ec2_create_tags_response *ret_out)
{
    struct tagging t = {ctx, in->resource_id.data, in->resource_id.len, in->tag.data, in->tag.len};
    RETURN_IF_ERROR(check(&t));
    RETURN_IF_ERROR(authorize(ctx, in->resource_id.data[0]));
    RETURN_IF_ERROR(db_write_wait(ctx->cloud->db, DB_FORCED, set_all, &t));
    ret_out->return_ = ret_out->has_return_ = true;
    return NULL;
}

struct error *ec2_delete_tags(struct request_ctx *ctx, const struct ec2_delete_tags_request *in,
                              struct ec2_delete_tags_response *ret_out)
{
    struct tagging t = {ctx, in->resource_id.data, in->resource_id.len, in->tag.data, in->tag.len};
    RETURN_IF_ERROR(check(&t));
    RETURN_IF_ERROR(authorize(ctx, in->resource_id.data[0]));
    RETURN_IF_ERROR(db_write_wait(ctx->cloud->db, DB_FORCED | DB_RESCUE, delete_all, &t));
    ret_out->return_ = ret_out->has_return_ = true;
    return NULL;
}

/* ---- DescribeTags ---- */

static const char *const filter_names[] = {"key", "resource-id", "resource-type", "value", NULL};

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_tags_request *in;
    struct ec2_describe_tags_response *out;
    char *after, *after_key;
    size_t limit;
    bool more;
};

static bool passes(const struct describe *d, const struct store_tag *tag)
{
    store_tags one = {.data = (struct store_tag *)tag, .len = 1, .cap = 1};
    array_each(&d->in->filter, f) {
        bool about;
        bool ok = filter_tags(f, &one, &about);
        if (!about)
            ok = filter_any(f, streq(f->name, "key")             ? tag->key
                               : streq(f->name, "resource-id")   ? tag->resource.text
                               : streq(f->name, "resource-type") ? tag->type
                                                                 : tag->value);
        if (!ok)
            return false;
    }
    return true;
}

static struct error *read_page(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_tags rows = {0};
    size_t page = 200;
    struct error *e = store_tag_list(tx, d->ctx->account.text, NULL, d->after, d->after_key, page, &rows);
    d->more = rows.len == page;
    array_each(&rows, tag) {
        if (!e && d->out->tag_set.len < d->limit) {
            free(d->after);
            free(d->after_key);
            d->after = xstrdup(tag->resource.text);
            d->after_key = xstrdup(tag->key);
            if (passes(d, tag)) {
                struct ec2_tag_description *line = array_add(&d->out->tag_set);
                line->resource_id = xstrdup(tag->resource.text);
                line->resource_type = xstrdup(tag->type);
                line->key = xstrdup(tag->key);
                line->value = xstrdup(tag->value);
            }
        } else {
            d->more = true;
        }
        store_tag_free(tag);
    }
    array_free(&rows);
    return e;
}

static struct error *open_token(struct describe *d)
{
    _cleanup_free_ char *last = NULL;
    RETURN_IF_ERROR(page_token_open(d->ctx, d->in->next_token, &last));
    char *slash = strchr(last, '/');
    if (!slash)
        return error_new(API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.");
    d->after = xstrndup(last, (size_t)(slash - last));
    d->after_key = xstrdup(slash + 1);
    return NULL;
}

struct error *ec2_describe_tags(struct request_ctx *ctx, const struct ec2_describe_tags_request *in,
                                struct ec2_describe_tags_response *ret_out)
{
    struct describe d = {.ctx = ctx, .in = in, .out = ret_out, .limit = MOST, .more = true};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, filter_names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (in->has_max_results)
        d.limit = (size_t)in->max_results;
    struct error *e = in->next_token ? open_token(&d) : NULL;
    while (!e && d.more && ret_out->tag_set.len < d.limit)
        e = db_read(ctx->cloud->db, read_page, &d);
    if (!e && d.more) {
        _cleanup_free_ char *last = xasprintf("%s/%s", d.after, d.after_key);
        ret_out->next_token = page_token(ctx, last);
    }
    free(d.after);
    free(d.after_key);
    return e;
}
