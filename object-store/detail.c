/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <strings.h>
#include "common/json/json.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

#define META_MAX 2048

static const char *const kept[] = {"content-type", "cache-control", "content-disposition",
                                   "content-encoding", "content-language", "expires",
                                   "x-amz-website-redirect-location"};

/* The framing of the upload is not the object's. */
static char *without_aws_chunked(const char *encoding)
{
    const char *cursor = encoding;
    char *piece;
    struct str out = STR_INIT;
    while ((piece = str_next_piece(&cursor, ','))) {
        const char *word = piece + strspn(piece, " ");
        size_t len = strcspn(word, " ");
        if (len && !(len == 11 && !strncasecmp(word, "aws-chunked", 11)))
            str_printf(&out, "%s%.*s", out.len ? "," : "", (int)len, word);
        free(piece);
    }
    if (out.len)
        return str_take(&out);
    str_free(&out);
    return NULL;
}

static struct error *keep_meta(json_t *headers, const struct http_header *h, size_t *size)
{
    size_t len = strlen(h->name);
    char name[256];
    if (len >= sizeof name || !utf8_valid(h->value, strlen(h->value)))
        return error_new(S3_INVALID_ARGUMENT, "User metadata must be UTF-8 and its names shorter than %zu", sizeof name);
    for (size_t i = 0; i <= len; i++)
        name[i] = h->name[i] >= 'A' && h->name[i] <= 'Z' ? (char)(h->name[i] + 32) : h->name[i];
    *size += len - strlen("x-amz-meta-") + strlen(h->value);
    if (*size > META_MAX)
        return error_new_code(&S3_METADATA_TOO_LARGE, "%s", S3_METADATA_TOO_LARGE.message);
    const char *old = json_get_string(headers, name, NULL);
    _cleanup_free_ char *joined = old ? xasprintf("%s,%s", old, h->value) : xstrdup(h->value);
    json_set_string(headers, name, joined);
    return NULL;
}

static struct error *fill(struct call *c, json_t *headers)
{
    size_t len = 0, size = 0;
    const struct http_header *all = http_request_headers(c->http, &len);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        const char *value = call_header(c, kept[i]);
        if (!value)
            continue;
        if (!utf8_valid(value, strlen(value)))
            return error_new(S3_INVALID_ARGUMENT, "Header %s is not UTF-8", kept[i]);
        _cleanup_free_ char *own = streq(kept[i], "content-encoding") ? without_aws_chunked(value) : xstrdup(value);
        if (own)
            json_set_string(headers, kept[i], own);
    }
    for (size_t i = 0; i < len; i++)
        if (!strncasecmp(all[i].name, "x-amz-meta-", 11))
            RETURN_IF_ERROR(keep_meta(headers, &all[i], &size));
    return NULL;
}

struct error *detail_of_request(struct call *c, char **ret)
{
    _cleanup_json_ json_t *o = json_object();
    json_t *headers = json_object();
    json_set(o, "headers", headers);
    RETURN_IF_ERROR(fill(c, headers));
    *ret = json_text(o);
    return NULL;
}

/* A detail is our own text: it parses, or the index is broken. */
static json_t *open_detail(const char *detail)
{
    json_t *o = NULL;
    struct error *e = json_parse_object(detail, strlen(detail), 1024 * 1024, &o);
    if (e) {
        error_free(e);
        o = json_object();
    }
    return o;
}

static void replace(char **detail, json_t *o)
{
    free(*detail);
    *detail = json_text(o);
}

void detail_set_checksum(char **detail, enum checksum kind, const char *value, const char *type)
{
    _cleanup_json_ json_t *o = open_detail(*detail);
    json_t *sum = json_object();
    json_set_string(sum, "name", checksum_name(kind));
    if (value)
        json_set_string(sum, "value", value);
    json_set_string(sum, "type", type);
    json_set(o, "checksum", sum);
    replace(detail, o);
}

void detail_set_algorithm(char **detail, enum checksum kind, const char *type)
{
    detail_set_checksum(detail, kind, NULL, type);
}

bool detail_checksum(const char *detail, enum checksum *ret_kind, char **ret_value, char **ret_type)
{
    _cleanup_json_ json_t *o = open_detail(detail);
    const json_t *sum = json_object_get(o, "checksum");
    const char *value = json_get_string(sum, "value", NULL);
    *ret_kind = sum ? checksum_by_name(json_get_string(sum, "name", "")) : CHECKSUM_NONE;
    if (!*ret_kind)
        return false;
    *ret_value = value ? xstrdup(value) : NULL;
    *ret_type = xstrdup(json_get_string(sum, "type", "FULL_OBJECT"));
    return true;
}

void detail_set_parts(char **detail, size_t parts, const char *upload)
{
    _cleanup_json_ json_t *o = open_detail(*detail);
    json_set_u64(o, "parts", parts);
    json_set_string(o, "upload", upload);
    replace(detail, o);
}

bool detail_made_by(const char *detail, const char *upload)
{
    _cleanup_json_ json_t *o = open_detail(detail);
    return streq(json_get_string(o, "upload", ""), upload);
}

size_t detail_parts(const char *detail)
{
    _cleanup_json_ json_t *o = open_detail(detail);
    return (size_t)json_get_u64(o, "parts", 0);
}

void detail_answer(const char *detail, struct http_answer *a)
{
    _cleanup_json_ json_t *o = open_detail(detail);
    json_t *headers = json_object_get(o, "headers");
    const char *name;
    json_t *value;
    bool typed = false;
    json_object_foreach (headers, name, value) {
        typed = typed || streq(name, "content-type");
        error_ignore(http_answer_header(a, name, json_string_value(value)));
    }
    if (!typed)
        http_answer_set(a, "content-type", "binary/octet-stream");
}
