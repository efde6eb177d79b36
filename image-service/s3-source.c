/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/s3-source.h"
#include "common/base/mem.h"

#define WINDOW  (4u << 20)
#define WINDOWS 3

struct window {
    uint64_t at, used; /* when it was used last; 0: empty */
    size_t len;
    char *data;
};

struct s3_source {
    struct http_client *http;
    char *url;
    char *etag;
    uint64_t size;
    struct window windows[WINDOWS];
    uint64_t clock;
};

struct range {
    char *to;
    size_t len, got;
};

static bool take_slice(void *arg, const void *data, size_t len)
{
    struct range *r = arg;
    if (len > r->len - r->got)
        return false;
    memcpy(r->to + r->got, data, len);
    r->got += len;
    return true;
}

static struct error *refusal(unsigned status)
{
    switch (status) {
    case 403:
        return error_new(ERROR_DENIED, "the account may not read the object");
    case 404:
        return error_new(ERROR_NOT_FOUND, "there is no such object");
    case 412:
        return error_new(ERROR_INVALID, "the object changed while it was read");
    case 416:
        return error_new(ERROR_INVALID, "the object is empty");
    case 503:
        return error_new(ERROR_UNAVAILABLE, "the object store is not ready");
    default:
        return error_new(ERROR_INTERNAL, "the object store answered %u", status);
    }
}

static struct error *get_range(struct s3_source *s, uint64_t at, size_t len, char *to, struct http_reply *ret)
{
    _cleanup_free_ char *bytes = xasprintf("bytes=%ju-%ju", (uintmax_t)at, (uintmax_t)(at + len - 1));
    struct http_header headers[] = {{"Range", bytes}, {"If-Match", s->etag}};
    struct range r = {to, len, 0};
    struct http_call call = {.method = "GET", .url = s->url, .headers = headers, .nheaders = s->etag ? 2 : 1,
                             .receive = take_slice, .arg = &r};
    RETURN_IF_ERROR(http_client_call(s->http, &call, ret));
    if (ret->status != 206)
        return refusal(ret->status);
    return r.got == len ? NULL : error_new(ERROR_INTERNAL, "%zu of %zu bytes came", r.got, len);
}

/* The first byte, for the size and the version. */
static struct error *look(struct s3_source *s)
{
    _cleanup_http_reply_ struct http_reply reply = {0};
    char first;
    RETURN_IF_ERROR(get_range(s, 0, 1, &first, &reply));
    const char *range = http_reply_header(&reply, "Content-Range"), *etag = http_reply_header(&reply, "ETag");
    const char *slash = range ? strchr(range, '/') : NULL;
    if (!slash || !etag)
        return error_new(ERROR_INTERNAL, "the object store told no size or version");
    s->etag = xstrdup(etag);
    return parse_u64(slash + 1, INT64_MAX, &s->size);
}

struct error *s3_source_open(struct http_client *c, const char *url, struct s3_source **ret)
{
    _cleanup_(s3_source_freep) struct s3_source *s = xnew0(struct s3_source);
    s->http = c;
    s->url = xstrdup(url);
    RETURN_IF_ERROR(error_wrap(look(s), "reading the object"));
    for (size_t i = 0; i < WINDOWS; i++)
        s->windows[i].data = xmalloc(WINDOW);
    *ret = TAKE_PTR(s);
    return NULL;
}

void s3_source_free(struct s3_source *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < WINDOWS; i++) {
        if (s->windows[i].data)
            wipe(s->windows[i].data, WINDOW);
        free(s->windows[i].data);
    }
    free(s->url);
    free(s->etag);
    free(s);
}

static struct error *fill(struct s3_source *s, struct window *w, uint64_t at)
{
    uint64_t left = s->size - at;
    w->used = 0;
    w->at = at;
    w->len = left < WINDOW ? (size_t)left : WINDOW;
    _cleanup_http_reply_ struct http_reply reply = {0};
    return error_wrap(get_range(s, at, w->len, w->data, &reply), "reading the object at %ju", (uintmax_t)at);
}

/* The window with the byte `at`: one that is there, else the one that rested longest. */
static struct error *window_of(struct s3_source *s, uint64_t at, struct window **ret)
{
    uint64_t start = at - at % WINDOW;
    struct window *oldest = &s->windows[0];
    *ret = NULL;
    for (size_t i = 0; i < WINDOWS; i++) {
        struct window *w = &s->windows[i];
        if (w->used && w->at == start)
            *ret = w;
        if (w->used < oldest->used)
            oldest = w;
    }
    if (!*ret) {
        RETURN_IF_ERROR(fill(s, oldest, start));
        *ret = oldest;
    }
    (*ret)->used = ++s->clock;
    return NULL;
}

static struct error *read_at(void *arg, uint64_t at, void *to, size_t len)
{
    struct s3_source *s = arg;
    char *out = to;
    if (at > s->size || len > s->size - at)
        return error_new(ERROR_INVALID, "read past the object's end");
    while (len) {
        struct window *w = NULL;
        RETURN_IF_ERROR(window_of(s, at, &w));
        size_t in = (size_t)(at - w->at), piece = w->len - in < len ? w->len - in : len;
        memcpy(out, w->data + in, piece);
        out += piece;
        at += piece;
        len -= piece;
    }
    return NULL;
}

struct image_source s3_source_face(struct s3_source *s)
{
    return (struct image_source){s->size, read_at, s};
}
