/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/image-cache/image-cache.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include "api/credentials.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "node-controller/image-cache/fetch.h"
#include "node-controller/image-cache/shelf.h"

#define PART_AGE_MS   (24ll * 3600 * 1000)
#define DEFAULT_SHARE 4 /* a quarter of the disk */

const struct metric_row image_cache_metric_rows[] = {
    {"mallee_image_cache_bytes", METRIC_GAUGE, offsetof(struct image_cache_metrics, bytes),
     "Bytes on the disk of the images in the cache."},
    {"mallee_image_cache_evictions_total", METRIC_COUNTER, offsetof(struct image_cache_metrics, evictions),
     "Images that left the cache."},
};
const size_t image_cache_metric_rows_len = ARRAY_SIZE(image_cache_metric_rows);

/* An image on its way; its last user frees it. */
struct flight {
    struct id image;
    unsigned users;
    uint64_t promised; /* bytes that its file will have; 0 until the manifest is here */
    bool over;
    const struct error_code *code; /* of its failure; NULL: the image is here */
    char *why;
};

/* An image that somebody fetches, waits for or is about to link. */
struct pin {
    struct id image;
    unsigned count;
};

struct image_cache {
    char *dir, *store_url, *credentials_file, *region, *ca_file;
    uint64_t max_bytes, min_free;
    void (*stood_on)(void *arg, image_ids *add);
    void *arg;
    struct image_cache_metrics metrics;
    atomic_bool stop;
    /* Of what follows and of what goes from the folder.  The last lock that is taken: nothing that locks is called
     * with it, stood_on() is asked before.  Who links an image has pinned it under this lock, who drops one looks
     * under it for pins and for links; so no image goes between the look at it and the link to it. */
    pthread_mutex_t lock;
    pthread_cond_t landed;
    ARRAY(struct flight *) flights; /* not over */
    ARRAY(struct pin) pins;
};

static struct error *default_bound(const char *dir, uint64_t *ret)
{
    uint64_t size = 0;
    RETURN_IF_ERROR(file_disk_size(dir, &size));
    *ret = size / DEFAULT_SHARE;
    return NULL;
}

struct error *image_cache_open(const struct image_cache_options *o, struct image_cache **ret)
{
    uint64_t max_bytes = o->max_bytes;
    RETURN_IF_ERROR(file_make_dirs(o->dir));
    if (!max_bytes)
        RETURN_IF_ERROR(default_bound(o->dir, &max_bytes));
    struct image_cache *c = xnew0(struct image_cache);
    c->dir = xstrdup(o->dir);
    c->store_url = xstrdup(o->store_url);
    c->credentials_file = xstrdup(o->credentials_file);
    c->region = xstrdup(o->region);
    c->ca_file = xstrdup(o->ca_file);
    c->max_bytes = max_bytes;
    c->min_free = o->min_free;
    c->stood_on = o->stood_on;
    c->arg = o->arg;
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
    array_free(&c->pins);
    free(c->dir);
    free(c->store_url);
    free(c->credentials_file);
    free(c->region);
    free(c->ca_file);
    free(c);
}

const struct image_cache_metrics *image_cache_metrics(const struct image_cache *c)
{
    return &c->metrics;
}

/* ---- who needs an image; with the lock held ---- */

static struct pin *find_pin(struct image_cache *c, const struct id *image)
{
    array_each(&c->pins, p) {
        if (id_eq(&p->image, image))
            return p;
    }
    return NULL;
}

static void pin(struct image_cache *c, const struct id *image)
{
    struct pin *p = find_pin(c, image);
    if (!p) {
        p = array_add(&c->pins);
        p->image = *image;
    }
    p->count++;
}

static void unpin(struct image_cache *c, const struct id *image)
{
    struct pin *p = find_pin(c, image);
    if (--p->count == 0)
        array_remove_swap(&c->pins, (size_t)(p - c->pins.data));
}

static struct flight *find_flight(struct image_cache *c, const struct id *image)
{
    array_each(&c->flights, f) {
        if (id_eq(&(*f)->image, image))
            return *f;
    }
    return NULL;
}

static bool among(const image_ids *ids, const struct id *image)
{
    array_each(ids, id) {
        if (id_eq(id, image))
            return true;
    }
    return false;
}

static bool may_go(struct image_cache *c, const struct shelf_image *s, const image_ids *needed)
{
    return !s->linked && !find_pin(c, &s->image) && !among(needed, &s->image);
}

/* ---- bounds ---- */

/* What instances' records name; before the lock is taken. */
static void ask_needed(struct image_cache *c, image_ids *ret)
{
    if (c->stood_on)
        c->stood_on(c->arg, ret);
}

/* With the lock held.  False: it is still there. */
static bool drop(struct image_cache *c, const struct shelf_image *s, const char *why)
{
    struct error *e = shelf_drop(c->dir, &s->image);
    if (e) {
        log_failure(LOG_WARNING, e, "image cache");
        return false;
    }
    if (!s->whole && !s->written)
        return true; /* an empty folder is no image */
    metric_add(&c->metrics.evictions, 1);
    log_info("image cache: %s (%ju bytes) goes: %s", s->image.text, (uintmax_t)s->bytes, why);
    return true;
}

struct room {
    shelf_images images;
    uint64_t used;    /* bytes of the images, those on their way as they will be */
    uint64_t missing; /* of these, what is still to be written */
    uint64_t free;    /* of the disk, that taken off */
};

static struct error *measure(struct image_cache *c, struct room *ret)
{
    uint64_t bytes = 0;
    RETURN_IF_ERROR(shelf_list(c->dir, &ret->images));
    RETURN_IF_ERROR(file_free_space(c->dir, &ret->free));
    array_each(&ret->images, s)
        bytes += s->bytes;
    metric_set(&c->metrics.bytes, bytes);
    array_each(&c->flights, f) {
        uint64_t here = 0;
        array_each(&ret->images, s)
            here = id_eq(&s->image, &(*f)->image) ? s->bytes : here;
        ret->missing += (*f)->promised > here ? (*f)->promised - here : 0;
    }
    ret->used = bytes + ret->missing;
    ret->free -= ret->missing < ret->free ? ret->missing : ret->free;
    return NULL;
}

/* With the lock held: brings the gauge up to date. */
static void count(struct image_cache *c)
{
    struct room r = {0};
    log_failure(LOG_WARNING, measure(c, &r), "image cache");
    array_free(&r.images);
}

/* With the lock held; *ret_room: the disk has its room. */
static struct error *hold_bounds(struct image_cache *c, const image_ids *needed, bool *ret_room)
{
    struct room r = {0};
    struct error *e = measure(c, &r);
    *ret_room = false;
    array_each(&r.images, s) {
        bool crowded = r.used > c->max_bytes, short_ = r.free < c->min_free;
        if (e || (!crowded && !short_))
            break;
        if (!may_go(c, s, needed) || !drop(c, s, short_ ? "the disk needs the room" : "the cache is full"))
            continue;
        r.used -= s->bytes;
        r.free += s->bytes;
        metric_set(&c->metrics.bytes, metric_get(&c->metrics.bytes) - s->bytes);
    }
    array_free(&r.images);
    *ret_room = !e && r.free >= c->min_free;
    return e;
}

/* With the lock held. */
static void drop_leftovers(struct image_cache *c)
{
    shelf_images images = {0};
    struct error *e = shelf_list(c->dir, &images);
    int64_t now = clock_wall_ms();
    array_each(&images, s) {
        if (!s->whole && !find_pin(c, &s->image) && (!s->written || now - s->written > PART_AGE_MS))
            drop(c, s, "nobody took its fetch up again");
    }
    array_free(&images);
    log_failure(LOG_WARNING, e, "image cache");
}

void image_cache_tidy(struct image_cache *c)
{
    image_ids needed = {0};
    bool room;
    ask_needed(c, &needed);
    pthread_mutex_lock(&c->lock);
    drop_leftovers(c);
    struct error *e = hold_bounds(c, &needed, &room);
    pthread_mutex_unlock(&c->lock);
    array_free(&needed);
    log_failure(LOG_WARNING, e, "image cache");
}

/* ---- the store ---- */

static struct error *open_store(struct image_cache *c, struct aws_caller **ret)
{
    struct credentials keys = {0};
    if (!c->store_url || !c->credentials_file)
        return error_new(ERROR_INVALID, "this node knows no object store to fetch images from");
    RETURN_IF_ERROR(error_wrap(credentials_read(c->credentials_file, &keys), "store-credentials-file"));
    struct aws_caller_options o = {c->store_url, keys.access_key_id, keys.secret, c->region, "s3", c->ca_file};
    struct error *e = aws_caller_new(&o, ret);
    credentials_free(&keys);
    return e;
}

static struct error *ask_for(struct image_cache *c, struct aws_caller *store, const struct shelf_image *s)
{
    bool there = true;
    image_ids needed = {0};
    RETURN_IF_ERROR(image_fetch_there(store, &s->image, &there));
    if (there)
        return NULL;
    ask_needed(c, &needed);
    shelf_images now = {0};
    pthread_mutex_lock(&c->lock);
    struct error *e = shelf_list(c->dir, &now);
    array_each(&now, it) {
        if (id_eq(&it->image, &s->image) && may_go(c, it, &needed))
            drop(c, it, "the store has it no more");
    }
    count(c);
    pthread_mutex_unlock(&c->lock);
    array_free(&now);
    array_free(&needed);
    return e;
}

static struct error *ask_for_all(struct image_cache *c, const shelf_images *images, const image_ids *needed)
{
    _cleanup_(aws_caller_freep) struct aws_caller *store = NULL;
    RETURN_IF_ERROR(open_store(c, &store));
    array_each(images, s) {
        if (atomic_load(&c->stop))
            return NULL;
        if (!s->linked && !among(needed, &s->image))
            RETURN_IF_ERROR(ask_for(c, store, s));
    }
    return NULL;
}

void image_cache_ask(struct image_cache *c)
{
    shelf_images images = {0};
    image_ids needed = {0};
    ask_needed(c, &needed);
    struct error *e = shelf_list(c->dir, &images);
    if (!e && images.len)
        e = ask_for_all(c, &images, &needed);
    array_free(&images);
    array_free(&needed);
    log_failure(LOG_INFO, e, "asking for the images of the cache");
}

/* ---- fetching ---- */

struct journey {
    struct image_cache *cache;
    struct flight *flight;
};

static struct error *make_room(void *arg, uint64_t bytes)
{
    struct journey *j = arg;
    struct image_cache *c = j->cache;
    image_ids needed = {0};
    bool room = false;
    ask_needed(c, &needed);
    pthread_mutex_lock(&c->lock);
    j->flight->promised = bytes;
    struct error *e = hold_bounds(c, &needed, &room);
    if (!room)
        j->flight->promised = 0;
    pthread_mutex_unlock(&c->lock);
    array_free(&needed);
    if (!e && !room)
        e = error_new(ERROR_NO_SPACE, "the node's disk has no room for the image's %ju bytes above min-free",
                      (uintmax_t)bytes);
    return e;
}

static struct error *fetch(struct image_cache *c, struct flight *flight, const struct image_want *want, const char *whole)
{
    _cleanup_(aws_caller_freep) struct aws_caller *store = NULL;
    _cleanup_free_ char *folder = xasprintf("%s/%s", c->dir, want->image.text);
    _cleanup_free_ char *part = xasprintf("%s/disk.part", folder);
    struct journey journey = {c, flight};
    RETURN_IF_ERROR(open_store(c, &store));
    RETURN_IF_ERROR(file_make_dirs(folder));
    struct image_fetch f = {store, want, part, whole, &c->stop, make_room, &journey};
    return image_fetch(&f);
}

/* The image's flight, joined; *ret_first: it is the caller's to fly. */
static struct flight *board(struct image_cache *c, const struct id *image, bool *ret_first)
{
    struct flight *there = find_flight(c, image);
    *ret_first = !there;
    if (there) {
        there->users++;
        return there;
    }
    struct flight *f = xnew0(struct flight);
    f->image = *image;
    f->users = 1;
    array_push(&c->flights, f);
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

/* With the lock held, which is let go of meanwhile. */
static struct error *fly(struct image_cache *c, const struct image_want *want, const char *whole)
{
    bool first;
    struct flight *f = board(c, &want->image, &first);
    if (first) {
        pthread_mutex_unlock(&c->lock);
        struct error *e = fetch(c, f, want, whole);
        pthread_mutex_lock(&c->lock);
        land(c, f, e);
        count(c);
    }
    while (!f->over)
        pthread_cond_wait(&c->landed, &c->lock);
    return leave(f);
}

struct error *image_cache_get(struct image_cache *c, const struct image_want *want, char **ret_path)
{
    _cleanup_free_ char *whole = xasprintf("%s/%s/disk.raw", c->dir, want->image.text);
    pthread_mutex_lock(&c->lock);
    pin(c, &want->image);
    struct error *e = access(whole, F_OK) == 0 ? NULL : fly(c, want, whole);
    if (e)
        unpin(c, &want->image);
    else
        shelf_touch(c->dir, &want->image);
    pthread_mutex_unlock(&c->lock);
    if (!e)
        *ret_path = TAKE_PTR(whole);
    return e;
}

void image_cache_release(struct image_cache *c, const struct id *image)
{
    pthread_mutex_lock(&c->lock);
    unpin(c, image);
    pthread_mutex_unlock(&c->lock);
}
