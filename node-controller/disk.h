/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_DISK_H
#define NODE_CONTROLLER_DISK_H
/* The copy-on-write disk of an instance: a qcow2 overlay on a raw base that all share.
 *
 * The overlay belongs to the domain's uid, mode 0600; the base is root's and readable, so the folders above both must
 * let that uid through (o+x).  Removing the overlay is also the last bolt against a second domain: a start that was
 * asked for long ago and arrives late finds no disk.  So an instance is made absent in this order: destroy the domain,
 * remove the disk, look once more that there is no domain.  Blocks: worker threads only. */
#include <stdint.h>
#include <sys/types.h>
#include "common/base/error.h"

struct disk_spec {
    const char *path;
    const char *base;
    uint64_t bytes; /* size that the guest sees; 0: the base's */
    uid_t uid;
    gid_t gid;
};

/* Makes the overlay, durably; one that is there is kept as it is (the instance starts again with the same disk). */
struct error *disk_make(const struct disk_spec *spec) _must_check_;
/* One that is not there is well. */
struct error *disk_remove(const char *path) _must_check_;
#endif
