/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_MAKE_H
#define IMAGE_SERVICE_MAKE_H
/* Turns a disk into Mallee's image: chunk after chunk to the system bucket, the manifest last, so an image is whole or
 * not there.  A making that was cut short leaves chunks that no manifest names (collect.h removes them); the next one has
 * an edition of its own.  An image has one manifest, once and for all: of makings that race the first one counts.  Its
 * object says beside its sealed bytes which edition it names, as the chunks' own names do.
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

/* ERROR_EXISTS: the image has its manifest already. */
struct error *image_make(const struct image_make *m) _must_check_;
/* Whether the image's manifest is there, and how large its disk is. */
struct error *image_made(struct aws_caller *store, const struct id *image, const unsigned char *key, bool *ret,
                         uint64_t *ret_bytes) _must_check_;
/* The edition that the image's manifest names, allocated; NULL: it does not say.  ERROR_NOT_FOUND: there is no manifest. */
struct error *image_edition(struct aws_caller *store, const struct id *image, char **ret) _must_check_;
/* Removes the chunks, then the manifest that names them, so that one cut short can be taken up again.  What is not there is well. */
struct error *image_unmake(struct aws_caller *store, const struct id *image, const unsigned char *key) _must_check_;
#endif
