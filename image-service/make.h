/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_MAKE_H
#define IMAGE_SERVICE_MAKE_H
/* Turns a disk into Mallee's image: chunk after chunk to the system bucket, the manifest last, so an image is whole or
 * not there.  A making that was cut short leaves chunks that no manifest names; the next one has an edition of its own.
 * Blocks; memory is a few chunks whatever the disk's size. */
#include "api/s3-client.h"
#include "core/image/disk.h"
#include "core/image/manifest.h"

#define IMAGE_BUCKET "mallee-images"

struct image_make {
    struct aws_caller *store; /* may write the system bucket */
    struct id image;
    const unsigned char *key; /* SEAL_KEY_SIZE bytes */
    struct image_disk *disk;
    /* After each chunk; an error ends the making. */
    struct error *(*progress)(void *arg, uint64_t done, uint64_t all);
    void *arg;
};

struct error *image_make(const struct image_make *m) _must_check_;
/* Removes the chunks, then the manifest that names them, so that one cut short can be taken up again.  What is not there is well. */
struct error *image_unmake(struct aws_caller *store, const struct id *image, const unsigned char *key) _must_check_;
#endif
