/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tests/lib/s3-memory.h"
#include <stdio.h>
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
    o->data = xmemdup(len ? data : "", len ? len : 1);
    o->len = len;
}

static void answer(struct http_request *r, int status, const char *data, size_t len, const char *etag,
                   const char *range)
{
    struct http_answer *a = http_answer_new(status);
    if (range)
        http_answer_set(a, "Content-Range", range);
    if (etag)
        http_answer_set(a, "ETag", etag);
    if (streq(http_request_method(r), "HEAD"))
        http_answer_stream(a, len, NULL, NULL, NULL);
    else
        http_answer_body(a, xmemdup(len ? data : "", len ? len : 1), len);
    http_respond(r, a);
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
    answer(r, part ? 206 : 200, o->data + first, part ? last - first + 1 : o->len, etag, told);
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
        s3_memory_put(s, path, body, len);
        answer(r, 200, NULL, 0, NULL, NULL);
    } else if (!o) {
        answer(r, 404, NULL, 0, NULL, NULL);
    } else if (streq(method, "DELETE")) {
        free(o->path);
        free(o->data);
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
    }
    array_free(&s->objects);
    free(s->url);
}
