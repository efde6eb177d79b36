/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IMAGE_QCOW2_H
#define CORE_IMAGE_QCOW2_H
/* A reader of qcow2, versions 2 and 3, as QEMU's docs/interop/qcow2.txt tells it: plain, zero, and compressed clusters
 * (deflate and zstd).  It holds the L1 table (at most 4 MiB), one L2 table and one cluster (at most 2 MiB each). */
#include "core/image/disk.h"

#define QCOW2_HEAD 112

struct qcow2;

/* True where the first bytes say so. */
bool qcow2_is(const void *head, size_t len);
struct error *qcow2_open(const struct image_source *s, struct qcow2 **ret) _must_check_;
void qcow2_free(struct qcow2 *q);
DEFINE_CLEANUP(struct qcow2 *, qcow2_free)
uint64_t qcow2_size(const struct qcow2 *q);
struct error *qcow2_read(struct qcow2 *q, uint64_t at, void *to, size_t len) _must_check_;
#endif
