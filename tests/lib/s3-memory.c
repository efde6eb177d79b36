/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tests/lib/s3-memory.h"
#include <stdio.h>
#include "api/params.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/crypto/digest.h"

#define BODY_MAX (64u << 20)

struct s3_object *s3_memory_find(struct s3_memory *s, const char *path)
{
    array_each(&s->objects, o) {
        if (streq(o->path, path))
            return o;
    }
    return NULL;
}

void s3_memory_put(struct s3_memory *s, const char *path, const void *data, size_t len)
{
    struct s3_object *o = s3_memory_find(s, path);
    if (!o) {
        o = array_add(&s->objects);
        o->path = xstrdup(path);
    }
    free(o->data);
    free(o->edition);
    o->edition = NULL;
    o->data = xmemdup(len ? data : "", len ? len : 1);
    o->len = len;
    o->changed = time(NULL);
}

static void answer_of(const struct s3_object *o, struct http_request *r, int status, const char *data, size_t len,
                      const char *etag, const char *range)
{
    struct http_answer *a = http_answer_new(status);
    if (range)
        http_answer_set(a, "Content-Range", range);
    if (etag)
        http_answer_set(a, "ETag", etag);
    if (o && o->edition)
        http_answer_set(a, "x-amz-meta-edition", o->edition);
    if (streq(http_request_method(r), "HEAD"))
        http_answer_stream(a, len, NULL, NULL, NULL);
    else
        http_answer_body(a, xmemdup(len ? data : "", len ? len : 1), len);
    http_respond(r, a);
}

static void answer(struct http_request *r, int status, const char *data, size_t len, const char *etag,
                   const char *range)
{
    answer_of(NULL, r, status, data, len, etag, range);
}

static void answer_get(struct s3_memory *s, struct http_request *r, struct s3_object *o)
{
    const char *range = http_request_header(r, "Range", NULL), *match = http_request_header(r, "If-Match", NULL);
    _cleanup_free_ char *hash = sha256_hex(o->data, o->len), *etag = xasprintf("\"%.32s\"", hash);
    unsigned long first = 0, last = o->len - 1;
    if (!s->fail_gets_after) {
        answer(r, 503, NULL, 0, NULL, NULL);
        return;
    }
    if (streq(http_request_method(r), "GET") && s->fail_gets_after > 0)
        s->fail_gets_after--;
    o->gets++;
    if (match && !streq(match, etag)) {
        answer(r, 412, NULL, 0, NULL, NULL);
        return;
    }
    bool part = range && sscanf(range, "bytes=%lu-%lu", &first, &last) == 2;
    if (part && (last >= o->len || first > last)) {
        answer(r, 416, NULL, 0, NULL, NULL);
        return;
    }
    _cleanup_free_ char *told = part ? xasprintf("bytes %lu-%lu/%zu", first, last, o->len) : NULL;
    answer_of(o, r, part ? 206 : 200, o->data + first, part ? last - first + 1 : o->len, etag, told);
}

/* ---- listings ---- */

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct s3_object *)a)->path, ((const struct s3_object *)b)->path);
}

static char *parameter(const char *query, const char *name)
{
    _cleanup_params_ struct params p = {0};
    error_ignore(params_parse(&p, query, strlen(query)));
    return xstrdup(params_get(&p, name, NULL));
}

static void add_item(struct str *out, const struct s3_object *o, const char *key, size_t group)
{
    if (group) {
        str_printf(out, "<CommonPrefixes><Prefix>%.*s</Prefix></CommonPrefixes>", (int)group, key);
        return;
    }
    _cleanup_free_ char *changed = clock_iso8601((int64_t)o->changed * 1000);
    str_printf(out, "<Contents><Key>%s</Key><LastModified>%s</LastModified></Contents>", key, changed);
}

/* Tokens are keys as they are. */
static void answer_list(struct s3_memory *s, struct http_request *r, const char *bucket, const char *query)
{
    _cleanup_str_ struct str out = STR_INIT;
    _cleanup_free_ char *prefix = parameter(query, "prefix"), *delimiter = parameter(query, "delimiter");
    _cleanup_free_ char *token = parameter(query, "continuation-token"), *last = xstrdup(token ? token : "");
    unsigned left = s->page ? s->page : 1000;
    s->lists++;
    qsort(s->objects.data, s->objects.len, sizeof *s->objects.data, compare_paths);
    str_add(&out, "<ListBucketResult>");
    array_each(&s->objects, o) {
        size_t head = strlen(bucket);
        if (!str_starts(o->path, bucket) || o->path[head] != '/' || !str_starts(o->path + head + 1, prefix))
            continue;
        const char *key = o->path + head + 1;
        const char *slash = delimiter ? strchr(key + strlen(prefix), '/') : NULL;
        size_t group = slash ? (size_t)(slash + 1 - key) : 0;
        _cleanup_free_ char *item = group ? xstrndup(key, group) : xstrdup(key);
        if (strcmp(item, last) <= 0)
            continue;
        if (!left--) {
            str_printf(&out, "<NextContinuationToken>%s</NextContinuationToken>", last);
            break;
        }
        add_item(&out, o, key, group);
        free(last);
        last = TAKE_PTR(item);
    }
    str_add(&out, "</ListBucketResult>");
    answer(r, 200, str_text(&out), out.len, NULL, NULL);
}

static void answer_put(struct s3_memory *s, struct http_request *r, const char *path, const char *body, size_t len)
{
    const char *edition = http_request_header(r, "x-amz-meta-edition", NULL);
    if (http_request_header(r, "If-None-Match", NULL) && s3_memory_find(s, path)) {
        answer(r, 412, NULL, 0, NULL, NULL);
        return;
    }
    s3_memory_put(s, path, body, len);
    if (edition)
        s3_memory_find(s, path)->edition = xstrdup(edition);
    answer(r, 200, NULL, 0, NULL, NULL);
}

static void on_begin(void *arg, struct http_request *r)
{
    (void)arg;
    http_request_buffer(r, BODY_MAX);
}

static void on_end(void *arg, struct http_request *r)
{
    struct s3_memory *s = arg;
    const char *method = http_request_method(r), *path = http_request_path(r);
    const char *query = http_request_query(r);
    size_t len;
    const char *body = http_request_body(r, &len);
    struct s3_object *o = s3_memory_find(s, path);
    if (s->refuse) {
        answer(r, 503, NULL, 0, NULL, NULL);
    } else if (!http_request_header(r, "Authorization", NULL) && !(query && strstr(query, "X-Amz-Signature="))) {
        answer(r, 403, NULL, 0, NULL, NULL);
    } else if (streq(method, "PUT")) {
        answer_put(s, r, path, body, len);
    } else if (query && strstr(query, "list-type=2")) {
        answer_list(s, r, path, query);
    } else if (!o) {
        answer(r, 404, NULL, 0, NULL, NULL);
    } else if (streq(method, "DELETE")) {
        free(o->path);
        free(o->data);
        free(o->edition);
        array_remove_swap(&s->objects, (size_t)(o - s->objects.data));
        answer(r, 204, NULL, 0, NULL, NULL);
    } else {
        answer_get(s, r, o);
    }
}

static const struct http_handler handler = {.begin = on_begin, .end = on_end};

void s3_memory_start(struct s3_memory *s)
{
    struct http_server_options o = {.listen = "127.0.0.1:0", .handler = &handler, .arg = s};
    o.limits.max_body = BODY_MAX;
    o.limits.threads = 1; /* so that no lock is needed */
    s->fail_gets_after = -1;
    struct error *e = http_server_start(&o, &s->http);
    if (e)
        abort();
    s->url = xasprintf("http://127.0.0.1:%u", http_server_port(s->http));
}

void s3_memory_stop(struct s3_memory *s)
{
    http_server_stop(s->http);
    array_each(&s->objects, o) {
        free(o->path);
        free(o->data);
        free(o->edition);
    }
    array_free(&s->objects);
    free(s->url);
}
