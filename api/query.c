/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/query.h"
#include <time.h>
#include "api/gen/errors.h"

/* The parameters as a tree: "Tag.2.Key" is Tag > 2 > Key. */
struct branch {
    char *name;       /* one piece */
    const char *value; /* of a leaf, borrowed; NULL: none */
    uint64_t index;   /* where the name is a number from 1; 0: it is none */
    ARRAY(struct branch) below;
};

static void branch_free(struct branch *b)
{
    array_each(&b->below, child)
        branch_free(child);
    array_free(&b->below);
    free(b->name);
}

static uint64_t index_of(const char *text)
{
    uint64_t value = 0;
    struct error *e = parse_u64(text, QUERY_INDEX_MAX, &value);
    bool plain = !e && text[0] != '0';
    error_free(e);
    return plain ? value : 0;
}

static struct branch *child_of(struct branch *b, const char *name)
{
    /* Parameters mostly come in order: the last one is the likeliest. */
    if (b->below.len && streq(b->below.data[b->below.len - 1].name, name))
        return &b->below.data[b->below.len - 1];
    array_each(&b->below, child) {
        if (streq(child->name, name))
            return child;
    }
    struct branch *child = array_add(&b->below);
    child->name = xstrdup(name);
    child->index = index_of(name);
    return child;
}

static struct error *plant(struct branch *root, const struct param *p)
{
    const char *cursor = p->name;
    struct branch *at = root;
    char *piece;
    int depth = 0;
    while ((piece = str_next_piece(&cursor, '.'))) {
        _cleanup_free_ char *own = piece;
        if (++depth > QUERY_DEPTH_MAX)
            return error_new(API_UNKNOWN_PARAMETER, "The parameter %.80s is nested too deep", p->name);
        at = child_of(at, own);
    }
    if (at == root || at->value)
        return error_new(API_MALFORMED_QUERY_STRING, "The parameter %.80s is there more than once", p->name);
    at->value = p->value;
    return NULL;
}

bool query_is_common(const char *name)
{
    static const char *const names[] = {"Action",           "Version",         "AWSAccessKeyId", "SecurityToken",
                                        "SignatureMethod",  "SignatureVersion", "Signature",      "Timestamp",
                                        "Expires",          "DryRun"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (streq(name, names[i]))
            return true;
    }
    return str_starts(name, "X-Amz-");
}

/* "2026-11-23T14:00:00Z", with or without a fraction of a second. */
static bool parse_time(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    int64_t ms = 0;
    if (*rest == '.') {
        int64_t weight = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, weight /= 10)
            ms += (*rest - '0') * weight;
    }
    *ret = (int64_t)timegm(&tm) * 1000 + ms;
    return streq(rest, "Z");
}

static struct error *bad_value(const char *name, const char *text, const char *want)
{
    return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.80s) for parameter %s is invalid. %s", text, name, want);
}

static struct error *parse_integer(const struct api_field *f, const char *name, const char *text, int64_t *ret)
{
    bool negative = text[0] == '-';
    uint64_t value = 0;
    struct error *e = parse_u64(text + negative, INT64_MAX, &value);
    if (e) {
        error_free(e);
        return bad_value(name, text, "It must be an integer.");
    }
    *ret = negative ? -(int64_t)value : (int64_t)value;
    if (*ret < f->min || *ret > f->max)
        return bad_value(name, text, "It is out of range.");
    return NULL;
}

struct error *scalar_parse(const struct api_field *f, const char *name, const char *text, void *value)
{
    void *at = api_at(f, value);
    switch (f->type) {
    case API_STRING:
        free(*(char **)at);
        *(char **)at = xstrdup(text);
        return NULL;
    case API_INTEGER:
        RETURN_IF_ERROR(parse_integer(f, name, text, at));
        break;
    case API_BOOLEAN:
        if (!streq(text, "true") && !streq(text, "false"))
            return bad_value(name, text, "It must be true or false.");
        *(bool *)at = streq(text, "true");
        break;
    case API_TIMESTAMP:
        if (!parse_time(text, at))
            return bad_value(name, text, "It must be a time like 2026-11-23T14:00:00Z.");
        break;
    case API_SHAPE:
        return bad_value(name, text, "It has members.");
    }
    api_set_has(f, value);
    return NULL;
}

static struct error *walk(const struct branch *b, const struct api_shape *shape, const char *path, void *ret);

static int compare_index(const void *a, const void *b)
{
    uint64_t x = ((const struct branch *)a)->index, y = ((const struct branch *)b)->index;
    return x < y ? -1 : x > y;
}

static struct error *walk_list(const struct branch *b, const struct api_field *f, const char *path, void *ret)
{
    if (b->value)
        return error_new(API_UNKNOWN_PARAMETER, "The parameter %s is a list: %s.1", path, path);
    if (b->below.len)
        qsort(b->below.data, b->below.len, sizeof *b->below.data, compare_index);
    array_each(&b->below, item) {
        _cleanup_free_ char *name = xasprintf("%s.%s", path, item->name);
        if (!item->index)
            return error_new(API_UNKNOWN_PARAMETER, "The parameter %.120s is not recognized", name);
        void *element = api_list_add(api_at(f, ret), api_element_size(f));
        if (f->type == API_SHAPE) {
            if (item->value)
                return error_new(API_UNKNOWN_PARAMETER, "The parameter %.120s is not recognized", name);
            RETURN_IF_ERROR(walk(item, f->shape, name, element));
            continue;
        }
        if (!item->value || item->below.len)
            return error_new(API_UNKNOWN_PARAMETER, "The parameter %.120s has no members", name);
        *(char **)element = xstrdup(item->value);
    }
    return NULL;
}

static struct error *walk_field(const struct branch *b, const struct api_field *f, const char *path, void *ret)
{
    if (f->refused)
        return error_new(API_UNSUPPORTED_OPERATION, "The parameter %s is not supported here", path);
    if (f->list)
        return walk_list(b, f, path, ret);
    if (f->type == API_SHAPE) {
        if (b->value)
            return error_new(API_UNKNOWN_PARAMETER, "The parameter %s has members", path);
        void **at = api_at(f, ret);
        *at = xcalloc(1, f->shape->size);
        return walk(b, f->shape, path, *at);
    }
    if (b->below.len)
        return error_new(API_UNKNOWN_PARAMETER, "The parameter %s has no members", path);
    return scalar_parse(f, path, b->value, ret);
}

static const struct api_field *field_of(const struct api_shape *shape, const char *wire)
{
    for (size_t i = 0; i < shape->len; i++) {
        if (streq(shape->fields[i].wire, wire))
            return &shape->fields[i];
    }
    return NULL;
}

static struct error *need_all(const struct branch *b, const struct api_shape *shape, const char *path)
{
    for (size_t i = 0; i < shape->len; i++) {
        bool there = !shape->fields[i].required;
        array_each(&b->below, child)
            there |= streq(child->name, shape->fields[i].wire);
        if (!there)
            return error_new(API_MISSING_PARAMETER, "The request must contain the parameter %s%s%s", path,
                             *path ? "." : "", shape->fields[i].wire);
    }
    return NULL;
}

static struct error *walk(const struct branch *b, const struct api_shape *shape, const char *path, void *ret)
{
    array_each(&b->below, child) {
        if (!*path && query_is_common(child->name))
            continue;
        _cleanup_free_ char *name = xasprintf("%s%s%s", path, *path ? "." : "", child->name);
        const struct api_field *f = field_of(shape, child->name);
        if (!f)
            return error_new(API_UNKNOWN_PARAMETER, "The parameter %.120s is not recognized", name);
        RETURN_IF_ERROR(walk_field(child, f, name, ret));
    }
    return need_all(b, shape, path);
}

struct error *query_read(const struct params *params, const struct api_shape *shape, void *ret)
{
    struct branch root = {0};
    struct error *e = NULL;
    for (size_t i = 0; !e && i < params->list.len; i++)
        e = plant(&root, &params->list.data[i]);
    if (!e)
        e = walk(&root, shape, "", ret);
    branch_free(&root);
    return e;
}
