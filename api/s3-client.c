/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/s3-client.h"
#include <time.h>
#include "api/uri.h"
#include "common/xml/xml.h"

#define PAGE_MAX (8u << 20)

static char *path_of(const char *bucket, const char *key)
{
    struct str path = STR_INIT;
    str_add_char(&path, '/');
    uri_encode(&path, bucket, strlen(bucket), false);
    if (key) {
        str_add_char(&path, '/');
        uri_encode(&path, key, strlen(key), true);
    }
    return str_take(&path);
}

/* The text between <Code> and </Code>, for people. */
static char *code_of(const struct http_reply *r)
{
    const char *text = str_text(&r->body), *at = strstr(text, "<Code>");
    size_t n = at ? strcspn(at + 6, "<") : 0;
    return n && n < 80 ? xstrndup(at + 6, n) : xstrdup("no reason given");
}

static struct error *refusal(const struct http_reply *r, const char *method, const char *path)
{
    _cleanup_free_ char *code = code_of(r);
    const struct error_code *kind = r->status == 404                       ? &ERROR_NOT_FOUND
                                    : r->status == 403 || r->status == 401 ? &ERROR_DENIED
                                    : r->status == 412                     ? &ERROR_EXISTS
                                    : r->status == 503                     ? &ERROR_UNAVAILABLE
                                                                           : &ERROR_INTERNAL;
    return error_new_code(kind, "%s %s: HTTP status %u (%s)", method, path, r->status, code);
}

static struct error *call_path(struct aws_caller *c, struct aws_call *call, const char *bucket, const char *key,
                               struct http_reply *ret)
{
    _cleanup_free_ char *path = path_of(bucket, key);
    call->path = path;
    struct error *e = aws_call(c, call, ret);
    if (e)
        return error_wrap(e, "%s %s", call->method, path);
    if (ret->status / 100 == 2)
        return NULL;
    e = refusal(ret, call->method, path);
    return e;
}

struct error *s3_get_service(struct aws_caller *c, const char *query, bool (*receive)(void *arg, const void *data, size_t len),
                             void *arg, uint64_t *length, unsigned stall_s)
{
    struct aws_call call = {.method = "GET", .path = "/", .query = query, .receive = receive, .arg = arg, .length = length,
                            .stall_s = stall_s};
    _cleanup_http_reply_ struct http_reply reply = {0};
    RETURN_IF_ERROR(error_wrap(aws_call(c, &call, &reply), "GET /?%s", query));
    return reply.status == 200 ? NULL : refusal(&reply, "GET", query);
}

struct error *s3_make_bucket(struct aws_caller *c, const char *bucket)
{
    struct aws_call call = {.method = "PUT"};
    _cleanup_http_reply_ struct http_reply reply = {0};
    struct error *e = call_path(c, &call, bucket, NULL, &reply);
    if (e && reply.status == 409 && strstr(str_text(&reply.body), "BucketAlreadyOwnedByYou"))
        e = error_free(e);
    return e;
}

struct error *s3_put(struct aws_caller *c, const char *bucket, const char *key, const void *data, size_t len)
{
    struct aws_call call = {.method = "PUT", .body = data, .len = len};
    _cleanup_http_reply_ struct http_reply reply = {0};
    return call_path(c, &call, bucket, key, &reply);
}

struct error *s3_put_stream(struct aws_caller *c, const char *bucket, const char *key, uint64_t len,
                            ssize_t (*send)(void *arg, void *into, size_t max), void *arg)
{
    struct aws_call call = {.method = "PUT", .len = len, .send = send, .arg = arg};
    _cleanup_http_reply_ struct http_reply reply = {0};
    return call_path(c, &call, bucket, key, &reply);
}

struct error *s3_get(struct aws_caller *c, const char *bucket, const char *key, size_t max, char **ret, size_t *ret_len)
{
    struct aws_call call = {.method = "GET", .max_body = max};
    _cleanup_http_reply_ struct http_reply reply = {0};
    RETURN_IF_ERROR(call_path(c, &call, bucket, key, &reply));
    *ret_len = reply.body.len;
    *ret = str_take(&reply.body);
    return NULL;
}

struct error *s3_put_new(struct aws_caller *c, const char *bucket, const char *key, const void *data, size_t len,
                         const struct http_header *header)
{
    struct http_header headers[2] = {{"If-None-Match", "*"}};
    if (header)
        headers[1] = *header;
    struct aws_call call = {.method = "PUT", .body = data, .len = len, .headers = headers, .nheaders = header ? 2 : 1};
    _cleanup_http_reply_ struct http_reply reply = {0};
    return call_path(c, &call, bucket, key, &reply);
}

struct error *s3_head(struct aws_caller *c, const char *bucket, const char *key, const char *header, char **ret_value)
{
    struct aws_call call = {.method = "HEAD"};
    _cleanup_http_reply_ struct http_reply reply = {0};
    RETURN_IF_ERROR(call_path(c, &call, bucket, key, &reply));
    *ret_value = xstrdup(http_reply_header(&reply, header));
    return NULL;
}

struct error *s3_delete(struct aws_caller *c, const char *bucket, const char *key)
{
    struct aws_call call = {.method = "DELETE"};
    _cleanup_http_reply_ struct http_reply reply = {0};
    return call_path(c, &call, bucket, key, &reply);
}

/* ---- listings ---- */

void s3_page_free(struct s3_page *p)
{
    array_each(&p->objects, o)
        free(o->key);
    array_each(&p->prefixes, prefix)
        free(*prefix);
    array_free(&p->objects);
    array_free(&p->prefixes);
    free(p->next);
    memset(p, 0, sizeof *p);
}

static bool parse_time(const char *text, const char *form, int64_t *ret_s)
{
    struct tm tm = {0};
    if (!text || !strptime(text, form, &tm))
        return false;
    *ret_s = timegm(&tm);
    return true;
}

/* The text of a child, allocated; NULL: it has none of that name. */
static char *child(const struct xml_node *n, const char *name)
{
    for (const struct xml_node *at = xml_child(n); at; at = xml_next(at)) {
        if (streq(xml_name(at), name))
            return xml_content(at);
    }
    return NULL;
}

static struct error *add_object(struct s3_page *p, const struct xml_node *n, int64_t now_s)
{
    _cleanup_free_ char *changed = child(n, "LastModified"), *key = child(n, "Key");
    int64_t at = 0;
    if (!key || !parse_time(changed, "%Y-%m-%dT%H:%M:%S", &at))
        return error_new(ERROR_INVALID, "the listing has an object without key or time");
    array_push(&p->objects, ((struct s3_listed){TAKE_PTR(key), (now_s - at) * 1000}));
    return NULL;
}

static struct error *read_page(const struct http_reply *r, struct s3_page *p)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    int64_t now_s = 0;
    if (!parse_time(http_reply_header(r, "Date"), "%a, %d %b %Y %H:%M:%S GMT", &now_s))
        return error_new(ERROR_INVALID, "the store does not tell its time");
    RETURN_IF_ERROR(xml_parse(str_text(&r->body), r->body.len, &x));
    for (const struct xml_node *n = xml_child(xml_root(x)); n; n = xml_next(n)) {
        if (streq(xml_name(n), "Contents"))
            RETURN_IF_ERROR(add_object(p, n, now_s));
        char *prefix = streq(xml_name(n), "CommonPrefixes") ? child(n, "Prefix") : NULL;
        if (prefix)
            array_push(&p->prefixes, prefix);
        if (streq(xml_name(n), "NextContinuationToken") && !p->next)
            p->next = xml_content(n);
    }
    return NULL;
}

static void add_parameter(struct str *query, const char *name, const char *value)
{
    if (!value)
        return;
    str_printf(query, "%s%s=", query->len ? "&" : "", name);
    uri_encode(query, value, strlen(value), false);
}

struct error *s3_list(struct aws_caller *c, const char *bucket, const char *prefix, const char *delimiter,
                      const char *from, struct s3_page *ret)
{
    _cleanup_str_ struct str query = STR_INIT;
    _cleanup_http_reply_ struct http_reply reply = {0};
    add_parameter(&query, "continuation-token", from); /* in their signed order */
    add_parameter(&query, "delimiter", delimiter);
    add_parameter(&query, "list-type", "2");
    add_parameter(&query, "prefix", prefix);
    struct aws_call call = {.method = "GET", .query = str_text(&query), .max_body = PAGE_MAX};
    RETURN_IF_ERROR(call_path(c, &call, bucket, NULL, &reply));
    struct error *e = read_page(&reply, ret);
    if (e)
        s3_page_free(ret);
    return error_wrap(e, "listing %s", bucket);
}
