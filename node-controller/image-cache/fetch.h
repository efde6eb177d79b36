/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_IMAGE_CACHE_FETCH_H
#define NODE_CONTROLLER_IMAGE_CACHE_FETCH_H
/* One image's way from the store to its file.  Used by one thread. */
#include <stdatomic.h>
#include "api/s3-client.h"
#include "node-controller/image-cache/image-cache.h"

struct image_fetch {
    struct aws_caller *store;
    const struct image_want *want;
    const char *part, *whole; /* paths in one folder, which is there */
    const atomic_bool *stop;
    /* Makes room for the bytes that the file will have; an error ends the fetch. */
    struct error *(*make_room)(void *arg, uint64_t bytes);
    void *arg;
};

struct error *image_fetch(const struct image_fetch *f) _must_check_;
/* Whether the store still has the image's manifest. */
struct error *image_fetch_there(struct aws_caller *store, const struct id *image, bool *ret) _must_check_;
#endif
