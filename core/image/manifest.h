/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IMAGE_MANIFEST_H
#define CORE_IMAGE_MANIFEST_H
/* What an image is made of.
 *
 * A disk is cut into chunks of 4 MiB (the last one may be shorter).  A chunk of zeros is a byte in the manifest and
 * nothing else; any other is one object, a box sealed under a key of its own that stands in the manifest.  The manifest
 * is sealed with the image's key, so whoever has neither learns sizes only.
 *
 * Sealed form: the clear header "MLIMG\0" and a version (16 bits), then a box (common/crypto/seal.h) bound to that
 * header and the image's id.  In the box, numbers big-endian: disk bytes (64), chunk bytes (32), chunks (32), the
 * edition (16 bytes, random: it names the objects, so that two makings of one image never mix), then for each
 * chunk its kind (8) and, where it is data, the size of its box (32), its key (32 bytes) and the SHA-256 of its plain bytes, by
 * which a half-fetched image is judged without asking for its boxes again.
 *
 * All here is pure.  A struct image_manifest has one owner; reading it from several threads is well. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/base/array.h"
#include "common/base/error.h"
#include "common/base/id.h"
#include "common/crypto/seal.h"

#define IMAGE_CHUNK         (4u << 20)
#define IMAGE_EDITION       16
#define IMAGE_DISK_MAX      (1ull << 40)
#define IMAGE_BOX_MAX       (IMAGE_CHUNK + 1 + SEAL_OVERHEAD)
#define IMAGE_MANIFEST_MAX  (18u << 20)
#define IMAGE_MANIFEST_HEAD 8

struct image_entry {
    uint32_t box_len; /* 0: zeros, no object */
    unsigned char key[SEAL_KEY_SIZE];
    unsigned char sum[32]; /* of the plain bytes */
};

struct image_manifest {
    struct id image;
    uint64_t disk_bytes;
    unsigned char edition[IMAGE_EDITION];
    ARRAY(struct image_entry) entries;
};

/* An empty manifest with an edition of its own.  ERROR_INVALID where the size is 0, past IMAGE_DISK_MAX or no multiple
 * of 512. */
struct error *image_manifest_new(const struct id *image, uint64_t disk_bytes, struct image_manifest **ret) _must_check_;
/* Keys are wiped. */
void image_manifest_free(struct image_manifest *m);
DEFINE_CLEANUP(struct image_manifest *, image_manifest_free)

/* How many chunks the disk has, and how many plain bytes one of them holds (0 past the end). */
uint64_t image_chunks(const struct image_manifest *m);
size_t image_chunk_len(const struct image_manifest *m, uint64_t at);
/* The chunk's object in the system bucket, allocated; the manifest's is image_manifest_key(). */
char *image_chunk_key(const struct image_manifest *m, uint64_t at);
char *image_manifest_key(const struct id *image);

/* The sealed form, allocated, of a manifest that has all its entries. */
struct error *image_manifest_seal(const struct image_manifest *m, const unsigned char key[SEAL_KEY_SIZE],
                                  unsigned char **ret, size_t *ret_len) _must_check_;
/* ERROR_DENIED where key, image or bytes differ; ERROR_INVALID where the form is none we know. */
struct error *image_manifest_open(const struct id *image, const unsigned char key[SEAL_KEY_SIZE], const void *data,
                                  size_t len, struct image_manifest **ret) _must_check_;
#endif
