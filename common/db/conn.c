/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/db/conn.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/file/file.h"

static void stmt_free(void *p)
{
    struct db_stmt *s = p;
    sqlite3_finalize(s->s);
    free(s);
}

struct error *conn_error(struct db_tx *c, int rc, const char *what)
{
    const struct error_code *code = &ERROR_INTERNAL;
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)
        code = &ERROR_EXISTS;
    else if ((rc & 0xff) == SQLITE_FULL)
        code = &ERROR_NO_SPACE;
    else if ((rc & 0xff) == SQLITE_BUSY)
        code = &ERROR_UNAVAILABLE;
    return error_new_code(code, "database: %.120s: %s (%d)", what, sqlite3_errmsg(c->db), rc);
}

struct error *conn_run(struct db_tx *c, const char *sql)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? NULL : conn_error(c, rc, sql);
}

static struct error *set_up(struct db_tx *c, bool writer)
{
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, 10000);
    RETURN_IF_ERROR(conn_run(c, "PRAGMA journal_mode=WAL"));
    RETURN_IF_ERROR(conn_run(c, "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA wal_autocheckpoint=0;"
                                "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096;"
                                "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864"));
    return writer ? NULL : conn_run(c, "PRAGMA query_only=ON");
}

struct error *conn_open(const char *path, bool writer, struct db_tx **ret)
{
    struct db_tx *c = xnew0(struct db_tx);
    c->statements = map_new();
    int rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    struct error *e = rc == SQLITE_OK ? set_up(c, writer) : conn_error(c, rc, "open");
    if (e) {
        conn_close(c);
        return error_wrap(e, "%s", path);
    }
    *ret = c;
    return NULL;
}

void conn_close(struct db_tx *c)
{
    if (!c)
        return;
    map_free(c->statements, stmt_free);
    sqlite3_close(c->db);
    free(c);
}

struct error *conn_lock(const char *path, int *ret)
{
    _cleanup_free_ char *name = xasprintf("%s.lock", path);
    _cleanup_close_ int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(errno, "opening %s", name);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return error_new(ERROR_UNAVAILABLE, "%s is in use by another process", path);
    RETURN_IF_ERROR(file_give_to_owner(name));
    *ret = TAKE_FD(fd);
    return NULL;
}

static struct error *prepare(struct db_tx *tx, const char *sql, struct db_stmt **ret)
{
    struct db_stmt *s = map_get(tx->statements, sql);
    bool keep = !s && map_size(tx->statements) < DB_CACHED_STATEMENTS;
    if (s && !s->busy) {
        s->busy = true;
        *ret = s;
        return NULL;
    }
    sqlite3_stmt *raw = NULL;
    int rc = sqlite3_prepare_v3(tx->db, sql, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, &raw, NULL);
    if (rc != SQLITE_OK)
        return conn_error(tx, rc, sql);
    s = xnew0(struct db_stmt);
    *s = (struct db_stmt){tx, raw, keep, true};
    if (keep)
        map_set(tx->statements, sql, s);
    *ret = s;
    return NULL;
}

void db_stmt_done(struct db_stmt *s)
{
    if (!s)
        return;
    if (!s->cached) {
        stmt_free(s);
        return;
    }
    sqlite3_reset(s->s);
    sqlite3_clear_bindings(s->s);
    s->busy = false;
}

static int bind_one(sqlite3_stmt *s, int at, char letter, va_list *args)
{
    switch (letter) {
    case 't':
        return sqlite3_bind_text(s, at, va_arg(*args, const char *), -1, SQLITE_TRANSIENT);
    case 'i':
        return sqlite3_bind_int64(s, at, va_arg(*args, int64_t));
    case 'u':
        return sqlite3_bind_int64(s, at, (sqlite3_int64)va_arg(*args, uint64_t));
    case 'b': {
        const void *data = va_arg(*args, const void *);
        size_t len = va_arg(*args, size_t);
        if (!data)
            return sqlite3_bind_zeroblob(s, at, 0);
        return sqlite3_bind_blob64(s, at, data, len, SQLITE_TRANSIENT);
    }
    case 'n':
        return sqlite3_bind_null(s, at);
    default:
        abort();
    }
}

static struct error *query(struct db_tx *tx, struct db_stmt **ret, const char *sql, const char *format,
                           va_list *args)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(prepare(tx, sql, &s));
    size_t n = strlen(format);
    if (n != (size_t)sqlite3_bind_parameter_count(s->s))
        return error_new(ERROR_INTERNAL, "database: %.120s: %zu arguments given, %d wanted", sql, n,
                         sqlite3_bind_parameter_count(s->s));
    for (size_t i = 0; i < n; i++) {
        int rc = bind_one(s->s, (int)i + 1, format[i], args);
        if (rc != SQLITE_OK)
            return conn_error(tx, rc, sql);
    }
    *ret = TAKE_PTR(s);
    return NULL;
}

struct error *db_query(struct db_tx *tx, struct db_stmt **ret, const char *sql, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct error *e = query(tx, ret, sql, format, &args);
    va_end(args);
    return e;
}

struct error *db_step(struct db_stmt *s, bool *ret_row)
{
    int rc = sqlite3_step(s->s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return conn_error(s->tx, rc, sqlite3_sql(s->s));
    *ret_row = rc == SQLITE_ROW;
    return NULL;
}

struct error *db_exec(struct db_tx *tx, const char *sql, const char *format, ...)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    va_list args;
    va_start(args, format);
    struct error *e = query(tx, &s, sql, format, &args);
    va_end(args);
    bool row = true;
    while (!e && row)
        e = db_step(s, &row);
    return e;
}

struct error *db_query_u64(struct db_tx *tx, uint64_t *ret, const char *sql, const char *format, ...)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    va_list args;
    va_start(args, format);
    struct error *e = query(tx, &s, sql, format, &args);
    va_end(args);
    bool row = false;
    if (!e)
        e = db_step(s, &row);
    if (!e && !row)
        e = error_new(ERROR_NOT_FOUND, "no row");
    if (!e)
        *ret = db_col_u64(s, 0);
    return e;
}

uint64_t db_changes(struct db_tx *tx)
{
    return (uint64_t)sqlite3_changes64(tx->db);
}

int64_t db_last_id(struct db_tx *tx)
{
    return sqlite3_last_insert_rowid(tx->db);
}

bool db_col_null(struct db_stmt *s, int column)
{
    return sqlite3_column_type(s->s, column) == SQLITE_NULL;
}

const char *db_col_text(struct db_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s->s, column);
}

char *db_col_dup(struct db_stmt *s, int column)
{
    const char *text = db_col_text(s, column);
    return text ? xstrdup(text) : NULL;
}

int64_t db_col_i64(struct db_stmt *s, int column)
{
    return sqlite3_column_int64(s->s, column);
}

uint64_t db_col_u64(struct db_stmt *s, int column)
{
    return (uint64_t)sqlite3_column_int64(s->s, column);
}

const void *db_col_blob(struct db_stmt *s, int column, size_t *ret_len)
{
    const void *data = sqlite3_column_blob(s->s, column);
    *ret_len = (size_t)sqlite3_column_bytes(s->s, column);
    return data;
}

struct id db_col_id(struct db_stmt *s, int column)
{
    struct id id = {""};
    const char *text = db_col_text(s, column);
    if (text)
        id_parse(text, &id);
    return id;
}
