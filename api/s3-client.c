/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/s3-client.h"
#include "api/uri.h"

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

struct error *s3_delete(struct aws_caller *c, const char *bucket, const char *key)
{
    struct aws_call call = {.method = "DELETE"};
    _cleanup_http_reply_ struct http_reply reply = {0};
    return call_path(c, &call, bucket, key, &reply);
}
