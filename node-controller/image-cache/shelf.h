/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_IMAGE_CACHE_SHELF_H
#define NODE_CONTROLLER_IMAGE_CACHE_SHELF_H
/* The cache's folder as it lies on the disk, which is all that a restart finds.
 *
 * When an image was used last is its folder's time of change; how many instances stand on it is the link count of its
 * disk.  One image is dropped file by file: cut short by a crash, what is left is a folder without a disk.  Nothing is
 * locked here; the cache's lock is held by whoever drops. */
#include <stdbool.h>
#include <stdint.h>
#include "common/base/array.h"
#include "common/base/error.h"
#include "common/base/id.h"

struct shelf_image {
    struct id image;
    uint64_t bytes;  /* on the disk, of all its files */
    int64_t used;    /* wall clock, ms */
    bool whole;      /* disk.raw is there */
    bool linked;     /* and an instance stands on it */
    int64_t written; /* of disk.part, wall clock, ms; 0: there is none */
};

typedef ARRAY(struct shelf_image) shelf_images;

/* The images of the folder, the one that rested longest first. */
struct error *shelf_list(const char *dir, shelf_images *ret) _must_check_;
void shelf_touch(const char *dir, const struct id *image);
/* What an image has there goes; what is not there is well. */
struct error *shelf_drop(const char *dir, const struct id *image) _must_check_;
#endif
