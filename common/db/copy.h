/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DB_COPY_H
#define COMMON_DB_COPY_H
/* A copy of a database that leaves its daemon, and the way back.
 *
 * A copy is one SQLite file, in one piece (no log beside it), mode 0600.  Its table `backup_note` tells whose it is, which
 * version made it and when, and may hold a secret without which the rest is of no use.  copy_make() writes it from
 * the live database; writers go on meanwhile.  db_restore() makes a database of it before its daemon runs: the file is
 * copied beside its place under another name, checked whole, brought up to the program's schema, changed as the caller
 * says, in one transaction that also drops the note, and only then has its name.  So a restore that fails or dies leaves
 * no database, and may be repeated. */
#include "common/db/db.h"

struct copy_note {
    const char *what;   /* whose: "cloud" */
    const void *secret; /* NULL: none */
    size_t secret_len;
};

/* Between the files of common/db: `path` is made, and must not be there. */
struct error *copy_make(const char *database, const char *path, const struct copy_note *note) _must_check_;

struct copy_restore {
    const char *from;
    struct db_options db; /* path and migrations */
    const char *what;     /* the note must say the same */
    /* Runs in the transaction; an error undoes all.  `note` lasts as long as the call. NULL: nothing to do. */
    struct error *(*change)(struct db_tx *tx, const struct copy_note *note, void *arg);
    void *arg;
};

/* Refuses (ERROR_EXISTS) where there is a database, or (ERROR_UNAVAILABLE) a process that has it open; and what is no
 * whole copy of that kind, or one of a newer version.  Run as root, new files become the folder's owner's. */
struct error *db_restore(const struct copy_restore *r) _must_check_;
#endif
