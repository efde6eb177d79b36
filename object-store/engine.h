/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_ENGINE_H
#define OBJECT_STORE_ENGINE_H
/* Where bytes lie: files with opaque names below one folder.
 *
 * A struct engine_file is written by one owner, from worker threads only: every call may block.  Until
 * engine_file_keep() it has no name and vanishes with the process.  Kept, its name and bytes are on stable storage.
 * Readers hold a pin, so that a file is not removed under them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

struct engine;
struct engine_file;

#define ENGINE_BLOCK (64 * 1024) /* one checksum each */

struct error *engine_open(const char *folder, struct engine **ret) _must_check_;
void engine_close(struct engine *e);
DEFINE_CLEANUP(struct engine *, engine_close)

struct error *engine_file_new(struct engine *e, struct engine_file **ret) _must_check_;
struct error *engine_file_add(struct engine_file *f, const void *data, size_t len) _must_check_;
/* Durable under a new name, which is allocated. */
struct error *engine_file_keep(struct engine_file *f, char **ret_name) _must_check_;
void engine_file_free(struct engine_file *f);
DEFINE_CLEANUP(struct engine_file *, engine_file_free)

/* Opens for reading and pins; closed and unpinned by engine_release(). */
struct error *engine_read(struct engine *e, const char *name, int *ret_fd) _must_check_;
void engine_release(struct engine *e, const char *name, int fd);
/* A pin without opening, for what will be read later; engine_unpin() ends it. */
void engine_pin(struct engine *e, const char *name);
void engine_unpin(struct engine *e, const char *name);
/* Removes unless it is pinned; *ret_gone tells. */
struct error *engine_remove(struct engine *e, const char *name, bool *ret_gone) _must_check_;
/* Calls fn for each kept file of an earlier process; fn returns false to have it removed. */
struct error *engine_sweep(struct engine *e, bool (*keep)(void *arg, const char *name), void *arg) _must_check_;
#endif
