/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/image-cache/image-cache.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include "api/credentials.h"
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "node-controller/image-cache/fetch.h"

/* An image on its way; its last user frees it. */
struct flight {
    struct id image;
    unsigned users;
    bool over;
    const struct error_code *code; /* of its failure; NULL: the image is here */
    char *why;
};

struct image_cache {
    char *dir, *store_url, *credentials_file, *region, *ca_file;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t landed;
    ARRAY(struct flight *) flights; /* not over */
};

struct error *image_cache_open(const struct image_cache_options *o, struct image_cache **ret)
{
    RETURN_IF_ERROR(file_make_dirs(o->dir));
    struct image_cache *c = xnew0(struct image_cache);
    c->dir = xstrdup(o->dir);
    c->store_url = xstrdup(o->store_url);
    c->credentials_file = xstrdup(o->credentials_file);
    c->region = xstrdup(o->region);
    c->ca_file = xstrdup(o->ca_file);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->landed, NULL);
    *ret = c;
    return NULL;
}

void image_cache_interrupt(struct image_cache *c)
{
    atomic_store(&c->stop, true);
}

void image_cache_close(struct image_cache *c)
{
    if (!c)
        return;
    pthread_cond_destroy(&c->landed);
    pthread_mutex_destroy(&c->lock);
    array_free(&c->flights);
    free(c->dir);
    free(c->store_url);
    free(c->credentials_file);
    free(c->region);
    free(c->ca_file);
    free(c);
}

static struct error *fetch(struct image_cache *c, const struct image_want *want, const char *whole)
{
    _cleanup_(aws_caller_freep) struct aws_caller *store = NULL;
    _cleanup_free_ char *folder = xasprintf("%s/%s", c->dir, want->image.text);
    _cleanup_free_ char *part = xasprintf("%s/disk.part", folder);
    struct credentials keys = {0};
    if (!c->store_url || !c->credentials_file)
        return error_new(ERROR_INVALID, "this node knows no object store to fetch images from");
    RETURN_IF_ERROR(file_make_dirs(folder));
    RETURN_IF_ERROR(error_wrap(credentials_read(c->credentials_file, &keys), "store-credentials-file"));
    struct aws_caller_options o = {c->store_url, keys.access_key_id, keys.secret, c->region, "s3", c->ca_file};
    struct error *e = aws_caller_new(&o, &store);
    credentials_free(&keys);
    RETURN_IF_ERROR(e);
    struct image_fetch f = {store, want, part, whole, &c->stop};
    return image_fetch(&f);
}

/* The image's flight, joined; *ret_first: it is the caller's to fly. */
static struct flight *board(struct image_cache *c, const struct id *image, bool *ret_first)
{
    *ret_first = false;
    array_each(&c->flights, it) {
        if (id_eq(&(*it)->image, image)) {
            (*it)->users++;
            return *it;
        }
    }
    struct flight *f = xnew0(struct flight);
    f->image = *image;
    f->users = 1;
    array_push(&c->flights, f);
    *ret_first = true;
    return f;
}

/* Tells those who wait; takes `e`. */
static void land(struct image_cache *c, struct flight *f, struct error *e)
{
    f->code = e ? error_code(e) : NULL;
    f->why = e ? xstrdup(error_message(e)) : NULL;
    error_free(e);
    for (size_t k = 0; k < c->flights.len; k++) {
        if (c->flights.data[k] == f) {
            array_remove_swap(&c->flights, k);
            break;
        }
    }
    f->over = true;
    pthread_cond_broadcast(&c->landed);
}

static struct error *leave(struct flight *f)
{
    struct error *e = f->code ? error_new_code(f->code, "%s", f->why) : NULL;
    if (--f->users == 0) {
        free(f->why);
        free(f);
    }
    return e;
}

struct error *image_cache_get(struct image_cache *c, const struct image_want *want, char **ret_path)
{
    _cleanup_free_ char *whole = xasprintf("%s/%s/disk.raw", c->dir, want->image.text);
    struct error *e = NULL;
    bool first;
    pthread_mutex_lock(&c->lock);
    if (access(whole, F_OK) != 0) {
        struct flight *f = board(c, &want->image, &first);
        if (first) {
            pthread_mutex_unlock(&c->lock);
            e = fetch(c, want, whole);
            pthread_mutex_lock(&c->lock);
            land(c, f, e);
        }
        while (!f->over)
            pthread_cond_wait(&c->landed, &c->lock);
        e = leave(f);
    }
    pthread_mutex_unlock(&c->lock);
    if (!e)
        *ret_path = TAKE_PTR(whole);
    return e;
}
