/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_FILE_FILE_H
#define COMMON_FILE_FILE_H
/* Files whose content must be whole and durable.  All calls block; any thread. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/base/error.h"

/* Replaces `path` so that after success a power cut leaves the new content, and at any instant before, the old or
 * the new one whole: temporary file beside it, fsync, rename, fsync of the folder. */
struct error *file_write_durable(const char *path, const void *data, size_t len, mode_t mode) _must_check_;
/* Reads a regular file of at most `max` bytes; `*ret` is allocated and ends with a NUL that len does not count.
 * ERROR_NOT_FOUND, ERROR_TOO_LARGE. */
struct error *file_read(const char *path, size_t max, char **ret, size_t *ret_len) _must_check_;
/* Removes the file and flushes its folder; a file that is not there is well. */
struct error *file_remove_durable(const char *path) _must_check_;
/* Makes the folder and those above it that lack, mode 0700 each, flushing each parent. */
struct error *file_make_dirs(const char *path) _must_check_;
struct error *file_sync_dir(const char *path) _must_check_;
/* The folder that the path's last part lies in. */
struct error *file_sync_parent(const char *path) _must_check_;
/* Where root runs, the file becomes its folder's owner's and group's; nothing where anybody else does. */
struct error *file_give_to_owner(const char *path) _must_check_;
/* Bytes that an unprivileged writer may still use on the file system of `path`. */
struct error *file_free_space(const char *path, uint64_t *ret) _must_check_;
/* All bytes of that file system, used or not. */
struct error *file_disk_size(const char *path, uint64_t *ret) _must_check_;
/* Copies a file durably, bytes and mode 0600; the target must not exist. */
struct error *file_copy_durable(const char *from, const char *to) _must_check_;
#endif
