/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/s3-source.h"

#define WINDOW  (4u << 20)
#define WINDOWS 3

struct window {
    uint64_t at, used; /* when it was used last; 0: empty */
    size_t len;
    char *data;
};

struct s3_source {
    struct aws_caller *caller;
    const char *bucket, *key, *owner;
    struct s3_head head;
    struct window windows[WINDOWS];
    uint64_t clock;
};

struct error *s3_source_open(struct aws_caller *c, const char *bucket, const char *key, const char *owner,
                             struct s3_source **ret)
{
    _cleanup_(s3_source_freep) struct s3_source *s = xnew0(struct s3_source);
    *s = (struct s3_source){.caller = c, .bucket = bucket, .key = key, .owner = owner};
    RETURN_IF_ERROR(s3_head(c, bucket, key, owner, &s->head));
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
    free(s);
}

static struct error *fill(struct s3_source *s, struct window *w, uint64_t at)
{
    uint64_t left = s->head.size - at;
    w->used = 0;
    w->at = at;
    w->len = left < WINDOW ? (size_t)left : WINDOW;
    return s3_get_range(s->caller, s->bucket, s->key, s->owner, &s->head, at, w->data, w->len);
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
    if (at > s->head.size || len > s->head.size - at)
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
    return (struct image_source){s->head.size, read_at, s};
}
