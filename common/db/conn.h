/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DB_CONN_H
#define COMMON_DB_CONN_H
/* Between the files of common/db only: one SQLite connection with its prepared statements; used by one thread at a
 * time.  It is the struct db_tx of whoever runs on it. */
#include <sqlite3.h>
#include "common/base/map.h"
#include "common/db/stmt.h"

#define DB_CACHED_STATEMENTS 256

struct db_tx {
    sqlite3 *db;
    struct map *statements; /* text -> struct db_stmt */
};

struct db_stmt {
    struct db_tx *tx;
    sqlite3_stmt *s;
    bool cached, busy;
};

struct error *conn_open(const char *path, bool writer, struct db_tx **ret) _must_check_;
void conn_close(struct db_tx *c);
/* The lock file of the database at `path`, held while the descriptor is open; ERROR_UNAVAILABLE: another has it. */
struct error *conn_lock(const char *path, int *ret) _must_check_;
/* Statements without arguments or rows, several with ';' between. */
struct error *conn_run(struct db_tx *c, const char *sql) _must_check_;
/* The error of the connection's last call, `rc`. */
struct error *conn_error(struct db_tx *c, int rc, const char *what) _must_check_;
#endif
