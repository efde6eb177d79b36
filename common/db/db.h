/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DB_DB_H
#define COMMON_DB_DB_H
/* A database of one daemon: SQLite, one writer thread, group commit.
 *
 * db_write() queues a function.  The writer thread takes all that wait as one group: BEGIN IMMEDIATE, each function in
 * a savepoint of its own, COMMIT, then each `done`.  A function that fails is rolled back alone: its caller gets its
 * error, the others go on.  A group costs exactly one flush, whatever its size.  Where the commit fails, every member
 * of the group gets that error and nothing of it is there.
 *
 * How a write is promised:
 *   DB_FORCED  done(NULL) means: on stable storage.
 *   DB_LAZY    done(NULL) means: visible to every later read and write.  It survives the death of the process at
 *              once, and a power cut from the next forced group on, which flushes it along.  It never causes a flush.
 *              For what is observed and comes again, and for bookkeeping.
 *   DB_RESCUE  (or-ed to either) goes through below min-free disk, where others get ERROR_NO_SPACE: for writes that
 *              give room back.
 *
 * Functions and `done` run on the writer thread, in the order of db_write(); they must not block, and must not call
 * db_write_wait().  db_write() may be called from any thread, from a `done` too.  db_read() runs on the caller's thread
 * on one of a few connections, as one snapshot: it may wait for a free one, so it lasts one page of an answer and
 * never a transfer.  db_close() lets all queued writes finish first.
 *
 * One process at a time: a lock file beside the database sees to that. */
#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/db/stmt.h"

struct db;

enum db_mode {
    DB_FORCED = 0,
    DB_LAZY = 1,
    DB_RESCUE = 2,
};

/* Numbered from 1, in order; a migration that was ever released is never changed.  `name` is "0001-what.sql". */
struct db_migration {
    const char *name;
    const char *sql;
};

struct db_options {
    const char *path;
    const struct db_migration *migrations;
    size_t migrations_len;
    unsigned readers;    /* connections of db_read(); 0: 2 */
    uint64_t min_free;   /* bytes the disk must keep free */
    uint64_t max_pages;  /* bound of the file in pages of 4 KiB; 0: none */
};

typedef struct error *(*db_fn)(struct db_tx *tx, void *arg);
/* Takes `e` over (NULL: success). */
typedef void (*db_done)(struct error *e, void *arg);

/* Opens or makes the file (mode 0600) and brings its schema up to date; an existing one is copied to
 * PATH.before-N before migration N.  A file of a newer version is refused. */
struct error *db_open(const struct db_options *o, struct db **ret) _must_check_;
void db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close)

void db_write(struct db *db, unsigned mode, db_fn fn, void *arg, db_done done, void *done_arg);
/* The same and waits for it; any thread but the writer's. */
struct error *db_write_wait(struct db *db, unsigned mode, db_fn fn, void *arg) _must_check_;
struct error *db_read(struct db *db, db_fn fn, void *arg) _must_check_;
struct copy_note;
/* A consistent copy at `path`, which must not exist; durable (common/db/copy.h tells what it is).  Writes go on meanwhile.
 * ERROR_NO_SPACE where it would leave less than min-free. */
struct error *db_backup(struct db *db, const char *path, const struct copy_note *note) _must_check_;

struct metrics;
/* Registers this database's counters; `labels` as in metrics_register().  They go with db_close(). */
void db_register_metrics(struct db *db, struct metrics *m, const char *labels);
#endif
