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
 * manifest's digests, and only what lacks is asked for.  Blocks: worker threads, several at once. */
#include "common/base/error.h"
#include "common/base/id.h"
#include "common/crypto/seal.h"

struct image_cache;

struct image_cache_options {
    const char *dir;
    const char *store_url; /* of the object store */
    const char *credentials_file; /* api/credentials.h; read at each fetch */
    const char *region;
    const char *ca_file;
};

/* Nothing is asked of the store yet. */
struct error *image_cache_open(const struct image_cache_options *o, struct image_cache **ret) _must_check_;
/* Those who fetch end soon with ERROR_UNAVAILABLE, as do those who come after. */
void image_cache_interrupt(struct image_cache *c);
/* When nobody is in it any more. */
void image_cache_close(struct image_cache *c);
DEFINE_CLEANUP(struct image_cache *, image_cache_close)

struct image_want {
    struct id image;
    const unsigned char *key; /* SEAL_KEY_SIZE bytes */
    /* Of the one who fetches, now and then, on its thread: how much of it is here. */
    void (*step)(void *arg, unsigned percent);
    void *arg;
};

/* The path of the whole disk, allocated.  ERROR_DENIED: what the store has is not what was put there, or the key is
 * another's; ERROR_UNAVAILABLE: the store does not answer. */
struct error *image_cache_get(struct image_cache *c, const struct image_want *want, char **ret_path) _must_check_;
#endif
