/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/db/copy.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/db/conn.h"
#include "common/db/migrate.h"
#include "common/file/file.h"

/* With the log and its index, which a process that died may have left. */
static void remove_file(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        _cleanup_free_ char *name = xasprintf("%s%s", path, tails[i]);
        unlink(name);
    }
}

/* Runs `fn` in one transaction on the file, which is one piece again afterwards. */
static struct error *change_file(const char *path, db_fn fn, void *arg)
{
    struct db_tx *c = NULL;
    RETURN_IF_ERROR(conn_open(path, true, &c));
    struct error *e = conn_run(c, "PRAGMA secure_delete=ON; BEGIN IMMEDIATE");
    if (!e)
        e = fn(c, arg);
    if (!e)
        e = conn_run(c, "COMMIT");
    if (!e)
        e = conn_run(c, "PRAGMA journal_mode=DELETE");
    conn_close(c);
    return e;
}

/* ---- away ---- */

static struct error *add_note(struct db_tx *tx, void *arg)
{
    const struct copy_note *note = arg;
    RETURN_IF_ERROR(db_exec(tx, "CREATE TABLE backup_note (what TEXT NOT NULL, version TEXT NOT NULL, "
                                "made_ms INTEGER NOT NULL, secret BLOB NOT NULL)",
                            ""));
    return db_exec(tx, "INSERT INTO backup_note VALUES (?, ?, ?, ?)", "ttib", note->what, PACKAGE_VERSION,
                   clock_wall_ms(), note->secret, note->secret_len);
}

static struct error *vacuum_into(const char *database, const char *path)
{
    struct db_tx *c = NULL;
    struct error *e = conn_open(database, true, &c);
    if (!e)
        e = db_exec(c, "VACUUM INTO ?", "t", path);
    conn_close(c);
    return e;
}

/* Private from its first byte on: SQLite takes an empty file for none. */
static struct error *make_empty(const char *path)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(errno, "making %s", path);
    return NULL;
}

static struct error *flush_file(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return error_errno(errno, "flushing %s", path);
    return file_sync_parent(path);
}

struct error *copy_make(const char *database, const char *path, const struct copy_note *note)
{
    RETURN_IF_ERROR(make_empty(path));
    struct error *e = vacuum_into(database, path);
    if (!e)
        e = change_file(path, add_note, (void *)note);
    if (!e)
        e = flush_file(path);
    if (e)
        remove_file(path);
    return error_wrap(e, "copying %s", database);
}

/* ---- and back ---- */

static struct error *whole(struct db_tx *tx)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "PRAGMA integrity_check(1)", ""));
    RETURN_IF_ERROR(db_step(s, &row));
    const char *said = row ? db_col_text(s, 0) : NULL;
    if (!said || !streq(said, "ok"))
        return error_new(ERROR_INVALID, "it is damaged: %.200s", said ? said : "no answer");
    return NULL;
}

static struct error *read_note(struct db_tx *tx, const struct copy_restore *r, struct db_stmt **ret,
                               struct copy_note *ret_note)
{
    bool row = false;
    struct error *e = db_query(tx, ret, "SELECT what, secret FROM backup_note", "");
    if (!e)
        e = db_step(*ret, &row);
    if (e || !row) {
        error_free(e);
        return error_new(ERROR_INVALID, "it is no backup that `mallee backup` made");
    }
    ret_note->what = db_col_text(*ret, 0);
    ret_note->secret = db_col_blob(*ret, 1, &ret_note->secret_len);
    if (!ret_note->what || !streq(ret_note->what, r->what))
        return error_new(ERROR_INVALID, "it is a backup of %.40s, not of %s", ret_note->what ? ret_note->what : "?",
                         r->what);
    return NULL;
}

static struct error *change_noted(struct db_tx *tx, const struct copy_restore *r)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    struct copy_note note = {0};
    RETURN_IF_ERROR(read_note(tx, r, &s, &note));
    return r->change ? r->change(tx, &note, r->arg) : NULL;
}

static struct error *change(struct db_tx *tx, void *arg)
{
    RETURN_IF_ERROR(change_noted(tx, arg));
    return db_exec(tx, "DROP TABLE backup_note", "");
}

static struct error *check_and_migrate(const char *path, const struct copy_restore *r)
{
    struct db_tx *c = NULL;
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    struct copy_note note = {0};
    struct error *e = conn_open(path, true, &c);
    if (!e)
        e = whole(c);
    if (!e)
        e = read_note(c, r, &s, &note);
    db_stmt_done(TAKE_PTR(s));
    if (!e)
        e = migrate_present(c, &r->db);
    conn_close(c);
    return e;
}

static struct error *refuse_present(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        return error_new(ERROR_EXISTS, "there is a database already, %s: stop its daemon and move it away (with %s-wal and "
                                       "%s-shm) first", path, path, path);
    return errno == ENOENT ? NULL : error_errno(errno, "looking for %s", path);
}

static struct error *make(const struct copy_restore *r, const char *part)
{
    RETURN_IF_ERROR(file_copy_durable(r->from, part));
    struct error *e = check_and_migrate(part, r);
    if (!e)
        e = change_file(part, change, (void *)r);
    if (!e)
        e = file_give_to_owner(part);
    return e ? e : flush_file(part);
}

struct error *db_restore(const struct copy_restore *r)
{
    _cleanup_close_ int lock = -1;
    _cleanup_free_ char *part = xasprintf("%s.restoring", r->db.path);
    _cleanup_free_ char *log = xasprintf("%s-wal", r->db.path);
    RETURN_IF_ERROR(refuse_present(r->db.path));
    RETURN_IF_ERROR(refuse_present(log)); /* it would be taken for the new one's */
    RETURN_IF_ERROR(conn_lock(r->db.path, &lock));
    remove_file(part);
    struct error *e = error_wrap(make(r, part), "%s", r->from);
    if (!e && rename(part, r->db.path) < 0)
        e = error_errno(errno, "renaming %s", part);
    if (e) {
        remove_file(part);
        return e;
    }
    return file_sync_parent(r->db.path);
}
