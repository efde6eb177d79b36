/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/collect.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "image-service/make.h"

#define CHUNKS "chunks/"

typedef struct error *page_fn(const struct collection *c, const struct s3_page *page, void *arg);

/* Calls fn for each page below the prefix. */
static struct error *each_page(const struct collection *c, const char *prefix, const char *delimiter, page_fn *fn, void *arg)
{
    _cleanup_free_ char *from = NULL;
    do {
        _cleanup_(s3_page_free) struct s3_page page = {0};
        if (atomic_load(c->stop))
            return NULL;
        RETURN_IF_ERROR(s3_list(c->store, IMAGE_BUCKET, prefix, delimiter, from, &page));
        RETURN_IF_ERROR(fn(c, &page, arg));
        free(from);
        from = TAKE_PTR(page.next);
    } while (from);
    return NULL;
}

/* The chunks of one making. */
struct making {
    struct id image;
    const char *prefix; /* "chunks/IMAGE/EDITION/" */
    bool judged, keep;
    uint64_t removed;
};

static struct error *is_named(const struct collection *c, const struct making *m, bool *ret)
{
    _cleanup_free_ char *edition = NULL, *own = NULL;
    struct error *e = image_edition(c->store, &m->image, &edition);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        *ret = false;
        return error_free(e);
    }
    RETURN_IF_ERROR(e);
    own = edition ? xasprintf(CHUNKS "%s/%s/", m->image.text, edition) : NULL;
    *ret = !own || streq(own, m->prefix);
    return NULL;
}

/* In this order, as the header tells. */
static struct error *judge(const struct collection *c, struct making *m)
{
    RETURN_IF_ERROR(is_named(c, m, &m->keep)); /* spares most of the questions */
    if (!m->keep)
        RETURN_IF_ERROR(c->running(c->arg, &m->image, &m->keep));
    if (!m->keep)
        RETURN_IF_ERROR(is_named(c, m, &m->keep));
    m->judged = true;
    return NULL;
}

static struct error *remove_old(const struct collection *c, const struct s3_page *page, void *arg)
{
    struct making *m = arg;
    array_each(&page->objects, o) {
        if (o->age_ms <= c->delay_ms)
            continue;
        if (!m->judged)
            RETURN_IF_ERROR(judge(c, m));
        if (m->keep || atomic_load(c->stop))
            return NULL;
        struct error *e = s3_delete(c->store, IMAGE_BUCKET, o->key);
        if (e && !error_is(e, &ERROR_NOT_FOUND))
            return e;
        error_free(e);
        metric_add(c->removed, 1);
        m->removed++;
    }
    return NULL;
}

static struct error *take_editions(const struct collection *c, const struct s3_page *page, void *arg)
{
    const struct id *image = arg;
    array_each(&page->prefixes, prefix) {
        struct making m = {.image = *image, .prefix = *prefix};
        struct error *e = each_page(c, *prefix, NULL, remove_old, &m);
        if (m.removed)
            log_info("%ju chunks of a making that came to nothing removed: %s", (uintmax_t)m.removed, *prefix);
        RETURN_IF_ERROR(e);
    }
    return NULL;
}

/* False: what lies there is no image's. */
static bool image_of(const char *prefix, struct id *ret)
{
    size_t len = strlen(prefix), head = strlen(CHUNKS);
    if (len <= head + 1)
        return false;
    _cleanup_free_ char *text = xstrndup(prefix + head, len - head - 1);
    return id_parse(text, ret);
}

static struct error *take_images(const struct collection *c, const struct s3_page *page, void *arg)
{
    (void)arg;
    array_each(&page->prefixes, prefix) {
        struct id image;
        if (image_of(*prefix, &image))
            RETURN_IF_ERROR(each_page(c, *prefix, "/", take_editions, &image));
    }
    return NULL;
}

struct error *collect_chunks(const struct collection *c)
{
    struct error *e = each_page(c, CHUNKS, "/", take_images, NULL);
    return error_is(e, &ERROR_NOT_FOUND) ? error_free(e) : e; /* there was no image yet, and no bucket */
}
