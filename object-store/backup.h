/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_BACKUP_H
#define OBJECT_STORE_BACKUP_H
/* A copy of the index (common/db/copy.h) for the administrator, and the store's start from one.
 *
 * The copy is made in state-dir/backups, loses its name there at once, and is streamed.  It holds objects up to 16 KiB;
 * larger ones lie in data/, which is no part of it.  An index from a backup does not name the files that came later:
 * state-dir/keep-unnamed, which a restore makes, keeps them from being removed until the operator removes that file. */
#include "object-store/store.h"

#define BACKUP_OF "the object store"

extern const struct db_migration store_migrations[];
extern const size_t store_migrations_len;

/* At the daemon's start, before anything is removed. */
void backup_begin(struct store *s);
/* --restore. */
struct error *backup_restore(const char *state_dir, const char *file) _must_check_;
#endif
