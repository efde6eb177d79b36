/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IMAGE_DISK_H
#define CORE_IMAGE_DISK_H
/* The plain bytes of a disk that a user uploaded, raw or qcow2, read where they lie: no copy of it is ever made.
 *
 * The format is told by the first bytes.  What could make a reader look elsewhere is refused: backing files, external data
 * files, encryption, features that are not known here; so are other formats, which as raw disks would boot nothing.
 * Every number of the file is bounded before it is used.  Pure: bytes come through the source's callback.  One thread. */
#include <stdbool.h>
#include <stdint.h>
#include "common/base/error.h"

struct image_source {
    uint64_t size;
    /* Exactly `len` bytes from `at`, both within the size. */
    struct error *(*read)(void *arg, uint64_t at, void *to, size_t len);
    void *arg;
};

struct image_disk;

/* ERROR_INVALID where it is no disk that we take.  The source is copied; its arg must live as long as the disk. */
struct error *image_disk_open(const struct image_source *s, struct image_disk **ret) _must_check_;
void image_disk_free(struct image_disk *d);
DEFINE_CLEANUP(struct image_disk *, image_disk_free)
const char *image_disk_format(const struct image_disk *d); /* "raw", "qcow2" */
/* The guest's size, rounded up to 512; what is past the file's own size reads as zeros. */
uint64_t image_disk_size(const struct image_disk *d);
struct error *image_disk_read(struct image_disk *d, uint64_t at, void *to, size_t len) _must_check_;
#endif
