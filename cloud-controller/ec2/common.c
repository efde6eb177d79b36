/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"
#include "common/base/clock.h"

/* ---- ids and texts ---- */

bool ec2_id_ok(const char *id, const char *prefix)
{
    if (!str_starts(id, prefix))
        return false;
    const char *digits = id + strlen(prefix);
    size_t len = strspn(digits, "0123456789abcdef");
    return !digits[len] && (len == 8 || len == 17);
}

bool vpc_text_ok(const char *text)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*";
    size_t len = strspn(text, good);
    return len <= 255 && !text[len];
}

/* ---- filters ---- */

void fact_add(facts *f, const char *name, const char *value)
{
    if (value)
        array_push(f, ((struct fact){name, xstrdup(value)}));
}

void fact_flag(facts *f, const char *name, bool value)
{
    fact_add(f, name, value ? "true" : "false");
}

void fact_number(facts *f, const char *name, int64_t value)
{
    array_push(f, ((struct fact){name, xasprintf("%jd", (intmax_t)value)}));
}

void fact_time(facts *f, const char *name, int64_t wall_ms)
{
    array_push(f, ((struct fact){name, clock_iso8601(wall_ms)}));
}

void facts_free(facts *f)
{
    array_each(f, fact)
        free(fact->value);
    array_free(f);
}

static bool passes_one(const struct ec2_filter *filter, const facts *f, const store_tags *tags)
{
    static const store_tags none = {0};
    bool about;
    bool ok = filter_tags(filter, tags ? tags : &none, &about);
    array_each(f, fact)
        ok |= !about && streq(filter->name, fact->name) && filter_any(filter, fact->value);
    return ok;
}

bool filters_pass(const struct ec2_filter *filters, size_t len, const facts *f, const store_tags *tags)
{
    for (size_t i = 0; i < len; i++) {
        if (!passes_one(&filters[i], f, tags))
            return false;
    }
    return true;
}

bool filter_any(const struct ec2_filter *f, const char *value)
{
    for (size_t i = 0; value && i < f->value.len; i++) {
        if (filter_matches(f->value.data[i], value))
            return true;
    }
    return false;
}

struct error *filters_check(const struct ec2_filter *filters, size_t len, const char *const *names, bool tags)
{
    size_t values = 0;
    for (size_t i = 0; i < len; i++) {
        const char *name = filters[i].name;
        bool known = tags && (str_starts(name, "tag:") || streq(name, "tag-key") || streq(name, "tag-value"));
        for (size_t k = 0; names[k]; k++)
            known |= streq(name, names[k]);
        if (!known)
            return error_new(API_INVALID_PARAMETER_VALUE, "The filter '%.80s' is invalid", name);
        if (!filters[i].value.len)
            return error_new(API_INVALID_PARAMETER_VALUE, "The filter '%.80s' has no values", name);
        values += filters[i].value.len;
    }
    if (values > 200)
        return error_new(API_INVALID_PARAMETER_VALUE, "A request may have at most 200 filter values.");
    return NULL;
}

bool filter_tags(const struct ec2_filter *f, const store_tags *tags, bool *ret_about)
{
    bool key = streq(f->name, "tag-key"), value = streq(f->name, "tag-value");
    const char *named = str_starts(f->name, "tag:") ? f->name + 4 : NULL;
    *ret_about = key || value || named;
    array_each(tags, tag) {
        if ((key && filter_any(f, tag->key)) || (value && filter_any(f, tag->value)) ||
            (named && streq(tag->key, named) && filter_any(f, tag->value)))
            return true;
    }
    return false;
}

/* ---- tags ---- */

static size_t characters(const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        n += (*p & 0xc0) != 0x80;
    return n;
}

struct error *tag_check(const struct ec2_tag *tag)
{
    const char *key = tag->key ? tag->key : "", *value = tag->value ? tag->value : "";
    if (!*key || characters(key) > 128)
        return error_new(API_INVALID_PARAMETER_VALUE, "Tag key must have 1 to 128 characters.");
    if (str_starts(key, "aws:"))
        return error_new(API_INVALID_PARAMETER_VALUE, "Tag keys starting with 'aws:' are reserved.");
    if (characters(value) > 256)
        return error_new(API_INVALID_PARAMETER_VALUE, "Tag value exceeds the maximum length of 256 characters.");
    return NULL;
}

static struct error *spec_check(const struct ec2_tag_specification *spec)
{
    if (spec->tag.len > TAGS_MAX)
        return error_new(EC2_TAG_LIMIT_EXCEEDED, "A resource may have at most %d tags.", TAGS_MAX);
    array_each(&spec->tag, tag) {
        RETURN_IF_ERROR(tag_check(tag));
        for (const struct ec2_tag *other = spec->tag.data; other < tag; other++) {
            if (streq(other->key, tag->key))
                return error_new(API_INVALID_PARAMETER_VALUE, "Duplicate tag key '%s' specified.", tag->key);
        }
    }
    return NULL;
}

struct error *tag_specs_check(const struct ec2_tag_specification *specs, size_t len, const char *type)
{
    for (size_t i = 0; i < len; i++) {
        const char *named = specs[i].resource_type ? specs[i].resource_type : "";
        if (!streq(named, type))
            return error_new(API_INVALID_PARAMETER_VALUE,
                             "'%.40s' is not a valid taggable resource type for this operation.", named);
        if (i)
            return error_new(API_INVALID_PARAMETER_VALUE, "Duplicate resource type '%s' in the tag specifications.", type);
        RETURN_IF_ERROR(spec_check(&specs[i]));
    }
    return NULL;
}

struct error *tag_specs_write(struct db_tx *tx, const struct ec2_tag_specification *specs, size_t len,
                              const char *account, const char *resource, const char *type)
{
    for (size_t i = 0; i < len; i++) {
        array_each(&specs[i].tag, tag)
            RETURN_IF_ERROR(store_tag_set(tx, account, resource, type, tag->key, tag->value ? tag->value : ""));
    }
    return NULL;
}

struct error *tags_read(struct db_tx *tx, const char *account, const char *resource, store_tags *ret)
{
    return store_tag_list(tx, account, resource, NULL, NULL, TAGS_MAX, ret);
}

void tags_free(store_tags *tags)
{
    array_each(tags, tag)
        store_tag_free(tag);
    array_free(tags);
}

static void put_tag(struct api_list *list, const char *key, const char *value)
{
    struct ec2_instance_tag *t = api_list_add(list, sizeof *t);
    t->key = xstrdup(key);
    t->value = xstrdup(value ? value : "");
}

void tags_put(const store_tags *tags, void *list)
{
    array_each(tags, tag)
        put_tag(list, tag->key, tag->value);
}

void tag_specs_put(const struct ec2_tag_specification *specs, size_t len, void *list)
{
    for (size_t i = 0; i < len; i++) {
        array_each(&specs[i].tag, tag)
            put_tag(list, tag->key, tag->value);
    }
}

/* ---- pages ---- */

struct error *page_open(const struct request_ctx *ctx, int64_t max_results, const char *token, struct page *ret)
{
    _cleanup_free_ char *last = NULL;
    *ret = (struct page){.limit = max_results ? (size_t)max_results : 1000, .more = true};
    if (!token)
        return NULL;
    RETURN_IF_ERROR(page_token_open(ctx, token, &last));
    return id_parse(last, &ret->after)
               ? NULL
               : error_new(API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.");
}

bool page_takes(struct page *p, const struct id *row)
{
    if (p->shown >= p->limit) {
        p->more = true;
        return false;
    }
    p->after = *row;
    return true;
}

struct error *page_read(const struct request_ctx *ctx, struct page *p, db_fn fn, void *arg, char **ret_token)
{
    while (p->more && p->shown < p->limit)
        RETURN_IF_ERROR(db_read(ctx->cloud->db, fn, arg));
    if (p->more)
        *ret_token = page_token(ctx, p->after.text);
    return NULL;
}
