/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_IMAGE_CACHE_H
#define NODE_CONTROLLER_IMAGE_CACHE_H
/* The images of a node, as raw disks that the disks of its instances stand on.
 *
 *   DIR/IMAGE/disk.raw   whole and verified, never written again
 *   DIR/IMAGE/disk.part  on its way
 *
 * DIR is root's alone; an instance reaches its image by a hard link in its own folder, so what the cache drops lives on
 * as long as an instance stands on it.  An image is fetched once: whoever wants it meanwhile waits and shares the
 * outcome.  A chunk is written only after its box has opened; after a restart what lies in disk.part is held against the
 * manifest's digests, and only what lacks is asked for.
 *
 * It is bounded.  Where its files have more bytes than `max_bytes`, or the disk less room than `min_free`, images go, the one
 * that rested longest first, until that is so no more; before a fetch with the bytes that it will take counted in, and
 * from time to time.  What is pinned (between image_cache_get() and image_cache_release()), linked into an instance's
 * folder or named by an instance's record stays, so the bound may be passed by what instances stand on, whose bytes
 * would stay on the disk anyway; the room may not: a fetch that would take it is refused.  What went is fetched again when it is wanted.
 * Blocks: worker threads, several at once. */
#include "common/base/array.h"
#include "common/base/error.h"
#include "common/base/id.h"
#include "common/crypto/seal.h"
#include "common/daemon/metrics.h"

struct image_cache;

typedef ARRAY(struct id) image_ids;

struct image_cache_options {
    const char *dir;
    const char *store_url; /* of the object store */
    const char *credentials_file; /* api/credentials.h; read at each fetch */
    const char *region;
    const char *ca_file;
    uint64_t max_bytes; /* 0: a quarter of the disk that DIR lies on */
    uint64_t min_free;
    /* Adds the images that instances' records name, on any thread; NULL: none do. */
    void (*stood_on)(void *arg, image_ids *add);
    void *arg;
};

/* Nothing is asked of the store yet. */
struct error *image_cache_open(const struct image_cache_options *o, struct image_cache **ret) _must_check_;
/* Those who fetch end soon with ERROR_UNAVAILABLE, as do those who come after. */
void image_cache_interrupt(struct image_cache *c);
/* When nobody is in it any more. */
void image_cache_close(struct image_cache *c);
DEFINE_CLEANUP(struct image_cache *, image_cache_close)

struct image_cache_metrics {
    metric bytes, evictions;
};
extern const struct metric_row image_cache_metric_rows[];
extern const size_t image_cache_metric_rows_len;
const struct image_cache_metrics *image_cache_metrics(const struct image_cache *c);

struct image_want {
    struct id image;
    const unsigned char *key; /* SEAL_KEY_SIZE bytes */
    /* Of the one who fetches, now and then, on its thread: how much of it is here. */
    void (*step)(void *arg, unsigned percent);
    void *arg;
};

/* The path of the whole disk, allocated, and pinned until image_cache_release().  ERROR_DENIED: what the store has is
 * not what was put there, or the key is another's; ERROR_UNAVAILABLE: the store does not answer; ERROR_NO_SPACE: the
 * disk has not the room and nothing may go. */
struct error *image_cache_get(struct image_cache *c, const struct image_want *want, char **ret_path) _must_check_;
/* Once for each image_cache_get() that succeeded, when the link is made. */
void image_cache_release(struct image_cache *c, const struct id *image);

/* From time to time: holds the bounds, removes fetches that nobody took up again. */
void image_cache_tidy(struct image_cache *c);
/* Asks the store for the images that nothing stands on and drops those that are not there any more. */
void image_cache_ask(struct image_cache *c);
#endif
