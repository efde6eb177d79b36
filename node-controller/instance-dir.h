/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_INSTANCE_DIR_H
#define NODE_CONTROLLER_INSTANCE_DIR_H
/* The folder of one instance: its disk, which belongs to the domain's own uid, and its console log.  The uid is that
 * of the folder: while it is there, no other instance of the node gets it.  Blocks; worker threads. */
#include <stdbool.h>
#include <stdint.h>
#include "common/base/error.h"

/* Makes folder and disk where they lack; a disk that is there is kept.  The folder's uid is the lowest from
 * `first_uid` that no sibling has.  The base, which lies on the same file system, gets a name in the
 * folder, and the disk stands on that: nobody but the folder's user gets to it, and it lives as long as the disk.  The disk has
 * `bytes`, or the image's where that is larger. */
struct error *instance_dir_prepare(const char *dir, const char *base, uint64_t bytes, uint32_t first_uid) _must_check_;
struct error *instance_dir_owner(const char *dir, uint32_t *ret_uid) _must_check_;
/* The disk first, durably, then the rest; one that is not there is well. */
struct error *instance_dir_remove(const char *dir) _must_check_;
/* The image's disk in the folder. */
char *instance_dir_base(const char *dir);
#endif
