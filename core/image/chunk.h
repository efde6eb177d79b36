/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IMAGE_CHUNK_H
#define CORE_IMAGE_CHUNK_H
/* The codec of one chunk.
 *
 * In the box: a byte that tells the method (stored or zstd), then the payload.  The box is bound to the image's id,
 * its edition, the chunk's place and its plain length, so a chunk of another image, edition or place does not open.
 * Making an image is a walk: image_chunk_add() for each chunk in order, then image_manifest_seal().  The reverse takes
 * chunks in any order.  Buffers belong to the caller; image_chunk_open() may run in several threads at once. */
#include "core/image/manifest.h"

/* Appends the manifest's next entry; `plain` must have that chunk's length.  The box to store is allocated; NULL for a
 * chunk of zeros. */
struct error *image_chunk_add(struct image_manifest *m, const void *plain, size_t len, unsigned char **ret_box,
                              size_t *ret_len) _must_check_;
/* Opens the box of chunk `at` into `plain`, which has room for image_chunk_len() bytes and is complete only after a
 * success.  ERROR_DENIED where a bit differs, ERROR_INVALID where what was sealed does not have the chunk's length. */
struct error *image_chunk_open(const struct image_manifest *m, uint64_t at, const void *box, size_t box_len,
                               void *plain) _must_check_;
/* True where these are the plain bytes of chunk `at`. */
bool image_chunk_is(const struct image_manifest *m, uint64_t at, const void *plain);
/* True where all bytes are 0. */
bool image_all_zero(const void *data, size_t len);
#endif
