/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DB_STMT_H
#define COMMON_DB_STMT_H
/* Statements inside a transaction.
 *
 * A struct db_tx lives as long as the function it was given to.  Statements are kept prepared by their text; a
 * struct db_stmt is had with db_query() and given back with db_stmt_done() (_cleanup_db_stmt_).  Arguments are told
 * by a format, one letter each:
 *   t  const char * (NULL: null)   i  int64_t   u  uint64_t   b  const void *, size_t   n  null (no argument)
 * A uint64_t above INT64_MAX keeps its bits, so it reads back equal but sorts as negative. */
#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/id.h"

struct db_tx;
struct db_stmt;

/* Prepares and binds. */
struct error *db_query(struct db_tx *tx, struct db_stmt **ret, const char *sql, const char *format, ...)
    _must_check_;
/* The next row; *ret_row is false behind the last. */
struct error *db_step(struct db_stmt *s, bool *ret_row) _must_check_;
void db_stmt_done(struct db_stmt *s);
DEFINE_CLEANUP(struct db_stmt *, db_stmt_done)
#define _cleanup_db_stmt_ _cleanup_(db_stmt_donep)

/* Runs a statement that yields no rows. A broken UNIQUE or PRIMARY KEY is ERROR_EXISTS. */
struct error *db_exec(struct db_tx *tx, const char *sql, const char *format, ...) _must_check_;
/* The first column of the first row; ERROR_NOT_FOUND where there is none. */
struct error *db_query_u64(struct db_tx *tx, uint64_t *ret, const char *sql, const char *format, ...) _must_check_;
/* Rows that the last statement changed, and the row id it made. */
uint64_t db_changes(struct db_tx *tx);
int64_t db_last_id(struct db_tx *tx);

/* Columns of the present row, counted from 0.  Text and blobs are borrowed until the next step. */
bool db_col_null(struct db_stmt *s, int column);
const char *db_col_text(struct db_stmt *s, int column); /* NULL for null */
char *db_col_dup(struct db_stmt *s, int column);        /* allocated; NULL for null */
int64_t db_col_i64(struct db_stmt *s, int column);
uint64_t db_col_u64(struct db_stmt *s, int column);
const void *db_col_blob(struct db_stmt *s, int column, size_t *ret_len);
struct id db_col_id(struct db_stmt *s, int column); /* none for null or what is no id */
#endif
