/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_CONSOLE_H
#define NODE_CONTROLLER_CONSOLE_H
/* The end of a console's log.  virtlogd appends to `path`; when that is full it becomes "<path>.0" in place of an
 * older one, and a new one begins: both together are a ring.  The guest decides what is in it. */
#include <stddef.h>
#include "common/base/error.h"

/* The last `max` bytes, older first, allocated with a NUL behind; empty where nothing was logged yet.  Whole also while
 * the file is being rotated.  Symbolic links and what is no regular file are refused.  Blocks; any thread. */
struct error *console_tail(const char *path, size_t max, char **ret, size_t *ret_len) _must_check_;
#endif
