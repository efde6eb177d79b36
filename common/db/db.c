/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/db/db.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/metrics.h"
#include "common/db/conn.h"
#include "common/db/copy.h"
#include "common/db/migrate.h"
#include "common/file/file.h"

#define GROUP_MAX 4096
#define CHECKPOINT_PAGES 4000

struct write {
    unsigned mode;
    db_fn fn;
    void *arg;
    db_done done;
    void *done_arg;
    struct error *e;
};

struct counts {
    metric writes, failed, groups, flushed_groups, commit_failures, refused, commit_us, checkpoints, wal_pages, queued;
};

/* One lock; it is held for moments, never over SQLite. */
struct db {
    char *path;
    uint64_t min_free;
    int lock_file;
    struct db_tx *conn;       /* the writer's; its thread only */
    struct db_tx *check_conn; /* the checkpoint thread's */
    pthread_t writer, checkpointer;
    bool threads;
    bool flushing; /* writer only: what synchronous stands at */
    bool suspect; /* writer only: a flush failed; see settle_log() */
    pthread_mutex_t lock;
    pthread_cond_t queued, checkpoint_due, reader_free;
    ARRAY(struct write) queue;
    ARRAY(struct db_tx *) readers; /* those that are free */
    unsigned readers_total;
    bool stop;
    atomic_uint copying;
    struct metrics *metrics;
    struct counts counts;
};

static const struct metric_row rows[] = {
    {"mallee_db_writes_total", METRIC_COUNTER, offsetof(struct counts, writes), "Write functions run."},
    {"mallee_db_writes_failed_total", METRIC_COUNTER, offsetof(struct counts, failed), "Writes that ended in an error."},
    {"mallee_db_groups_total", METRIC_COUNTER, offsetof(struct counts, groups), "Groups committed."},
    {"mallee_db_flushed_groups_total", METRIC_COUNTER, offsetof(struct counts, flushed_groups),
     "Groups committed with a flush."},
    {"mallee_db_commit_failures_total", METRIC_COUNTER, offsetof(struct counts, commit_failures),
     "Groups whose commit failed."},
    {"mallee_db_refused_total", METRIC_COUNTER, offsetof(struct counts, refused), "Writes refused for want of disk."},
    {"mallee_db_commit_microseconds_total", METRIC_COUNTER, offsetof(struct counts, commit_us), "Time in commits."},
    {"mallee_db_checkpoints_total", METRIC_COUNTER, offsetof(struct counts, checkpoints), "Checkpoints made."},
    {"mallee_db_wal_pages", METRIC_GAUGE, offsetof(struct counts, wal_pages), "Pages in the write-ahead log."},
    {"mallee_db_queued", METRIC_GAUGE, offsetof(struct counts, queued), "Writes that wait."},
};

static int on_wal(void *arg, sqlite3 *conn, const char *name, int pages)
{
    (void)conn;
    (void)name;
    struct db *db = arg;
    metric_set(&db->counts.wal_pages, (uint64_t)pages);
    if (pages > CHECKPOINT_PAGES)
        pthread_cond_signal(&db->checkpoint_due);
    return SQLITE_OK;
}

/* PASSIVE never waits for anybody; only where the log has grown fourfold in spite of it, readers are waited for, and
 * writers with them: not for a copy, which reads for as long as the file is large. */
static void checkpoint(struct db *db)
{
    bool late = metric_get(&db->counts.wal_pages) > 4 * CHECKPOINT_PAGES && !atomic_load(&db->copying);
    int mode = late ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(db->check_conn->db, NULL, mode, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_failure(LOG_ERROR, conn_error(db->check_conn, rc, "checkpoint"), "database");
    metric_add(&db->counts.checkpoints, 1);
}

static void *checkpoint_thread(void *arg)
{
    struct db *db = arg;
    pthread_mutex_lock(&db->lock);
    while (!db->stop) {
        pthread_cond_wait(&db->checkpoint_due, &db->lock);
        if (db->stop)
            break;
        pthread_mutex_unlock(&db->lock);
        checkpoint(db);
        pthread_mutex_lock(&db->lock);
    }
    pthread_mutex_unlock(&db->lock);
    return NULL;
}

/* After a failed flush the kernel may have dropped pages of the log that it still shows us, lazy groups before them
 * included.  Bringing all of it into the database file and starting the log anew makes later promises true again. */
static struct error *settle_log(struct db *db)
{
    if (!db->suspect)
        return NULL;
    int rc = sqlite3_wal_checkpoint_v2(db->conn->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        return conn_error(db->conn, rc, "checkpoint after a failed commit");
    db->suspect = false;
    return NULL;
}

static struct error *check_room(struct db *db)
{
    uint64_t room;
    if (!db->min_free)
        return NULL;
    RETURN_IF_ERROR(file_free_space(db->path, &room));
    if (room < db->min_free)
        return error_new(ERROR_NO_SPACE, "the disk has %llu bytes left, below min-free", (unsigned long long)room);
    return NULL;
}

static void run_one(struct db *db, struct write *w)
{
    metric_add(&db->counts.writes, 1);
    if (!(w->mode & DB_RESCUE)) {
        w->e = check_room(db);
        if (w->e) {
            metric_add(&db->counts.refused, 1);
            return;
        }
    }
    w->e = db_exec(db->conn, "SAVEPOINT w", "");
    if (!w->e)
        w->e = w->fn(db->conn, w->arg);
    if (w->e && !sqlite3_get_autocommit(db->conn->db))
        error_ignore(conn_run(db->conn, "ROLLBACK TO w; RELEASE w"));
    else if (!w->e)
        w->e = db_exec(db->conn, "RELEASE w", "");
}

static struct error *copy_error(const struct error *e)
{
    return error_new_code(error_code(e), "%s", error_message(e));
}

/* Gives `e` to every member that had none; takes it over. */
static void fail_group(struct write *group, size_t n, struct error *e)
{
    for (size_t i = 0; i < n; i++)
        if (!group[i].e)
            group[i].e = copy_error(e);
    error_free(e);
}

static struct error *commit(struct db *db)
{
    int64_t before = clock_mono_ms();
    struct error *e = db_exec(db->conn, "COMMIT", "");
    metric_add(&db->counts.commit_us, (uint64_t)(clock_mono_ms() - before) * 1000);
    if (!e)
        return NULL;
    metric_add(&db->counts.commit_failures, 1);
    db->suspect = true;
    if (!sqlite3_get_autocommit(db->conn->db))
        error_ignore(conn_run(db->conn, "ROLLBACK"));
    return error_wrap(e, "committing");
}

/* Runs members from `group` on; returns how many, fewer than n where SQLite gave the whole transaction up. */
static size_t run_members(struct db *db, struct write *group, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        run_one(db, &group[i]);
        if (sqlite3_get_autocommit(db->conn->db))
            return i + 1;
    }
    return n;
}

/* In WAL mode NORMAL commits without a flush, FULL flushes all of the log. */
static struct error *set_flushing(struct db *db, bool forced)
{
    if (forced == db->flushing)
        return NULL;
    RETURN_IF_ERROR(conn_run(db->conn, forced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
    db->flushing = forced;
    return NULL;
}

static size_t run_group(struct db *db, struct write *group, size_t n)
{
    bool forced = false;
    for (size_t i = 0; i < n; i++)
        forced |= !(group[i].mode & DB_LAZY);
    struct error *e = settle_log(db);
    if (!e)
        e = set_flushing(db, forced);
    if (!e)
        e = db_exec(db->conn, "BEGIN IMMEDIATE", "");
    if (e) {
        fail_group(group, n, e);
        return n;
    }
    size_t ran = run_members(db, group, n);
    size_t good = 0;
    for (size_t i = 0; i < ran; i++)
        good += !group[i].e;
    if (sqlite3_get_autocommit(db->conn->db)) {
        fail_group(group, ran, error_new(ERROR_UNAVAILABLE, "the database gave the transaction up"));
    } else if (!good) {
        error_ignore(conn_run(db->conn, "ROLLBACK"));
    } else {
        e = commit(db);
        if (e) {
            fail_group(group, ran, e);
        } else {
            metric_add(&db->counts.groups, 1);
            metric_add(&db->counts.flushed_groups, forced);
        }
    }
    return ran;
}

static void finish(struct db *db, struct write *w)
{
    if (w->e)
        metric_add(&db->counts.failed, 1);
    if (w->done)
        w->done(w->e, w->done_arg);
    else
        log_failure(LOG_ERROR, w->e, "a write to the database failed");
}

static void *writer_thread(void *arg)
{
    struct db *db = arg;
    for (;;) {
        ARRAY(struct write) mine = {NULL, 0, 0};
        pthread_mutex_lock(&db->lock);
        while (!db->queue.len && !db->stop)
            pthread_cond_wait(&db->queued, &db->lock);
        mine.data = db->queue.data;
        mine.len = db->queue.len;
        db->queue.data = NULL;
        db->queue.len = db->queue.cap = 0;
        metric_set(&db->counts.queued, 0);
        pthread_mutex_unlock(&db->lock);
        if (!mine.len)
            return NULL;
        for (size_t at = 0; at < mine.len;) {
            size_t n = mine.len - at > GROUP_MAX ? GROUP_MAX : mine.len - at;
            size_t ran = run_group(db, mine.data + at, n);
            for (size_t i = at; i < at + ran; i++)
                finish(db, &mine.data[i]);
            at += ran;
        }
        array_free(&mine);
    }
}

void db_write(struct db *db, unsigned mode, db_fn fn, void *arg, db_done done, void *done_arg)
{
    pthread_mutex_lock(&db->lock);
    array_push(&db->queue, ((struct write){mode, fn, arg, done, done_arg, NULL}));
    metric_set(&db->counts.queued, db->queue.len);
    if (db->queue.len == 1)
        pthread_cond_signal(&db->queued);
    pthread_mutex_unlock(&db->lock);
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct error *e;
    bool done;
};

static void wake_waiting(struct error *e, void *arg)
{
    struct waiting *w = arg;
    pthread_mutex_lock(&w->lock);
    w->e = e;
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

struct error *db_write_wait(struct db *db, unsigned mode, db_fn fn, void *arg)
{
    struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false};
    db_write(db, mode, fn, arg, wake_waiting, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.cond);
    return w.e;
}

static struct db_tx *take_reader(struct db *db)
{
    pthread_mutex_lock(&db->lock);
    while (!db->readers.len)
        pthread_cond_wait(&db->reader_free, &db->lock);
    struct db_tx *c = db->readers.data[--db->readers.len];
    pthread_mutex_unlock(&db->lock);
    return c;
}

static void give_reader(struct db *db, struct db_tx *c)
{
    pthread_mutex_lock(&db->lock);
    array_push(&db->readers, c);
    pthread_cond_signal(&db->reader_free);
    pthread_mutex_unlock(&db->lock);
}

struct error *db_read(struct db *db, db_fn fn, void *arg)
{
    struct db_tx *c = take_reader(db);
    struct error *e = conn_run(c, "BEGIN");
    if (!e) {
        e = fn(c, arg);
        if (!sqlite3_get_autocommit(c->db))
            error_ignore(conn_run(c, "ROLLBACK"));
    }
    give_reader(db, c);
    return e;
}

/* The copy is about as large as the file, which lies on the same disk. */
static struct error *check_room_for_copy(struct db *db)
{
    struct stat st;
    uint64_t room;
    if (stat(db->path, &st) < 0)
        return error_errno(errno, "looking at %s", db->path);
    RETURN_IF_ERROR(file_free_space(db->path, &room));
    if (room < db->min_free + (uint64_t)st.st_size)
        return error_new(ERROR_NO_SPACE, "the disk has %llu bytes left, a copy would go below min-free",
                         (unsigned long long)room);
    return NULL;
}

struct error *db_backup(struct db *db, const char *path, const struct copy_note *note)
{
    RETURN_IF_ERROR(check_room_for_copy(db));
    atomic_fetch_add(&db->copying, 1);
    struct error *e = copy_make(db->path, path, note);
    atomic_fetch_sub(&db->copying, 1);
    return e;
}

void db_register_metrics(struct db *db, struct metrics *m, const char *labels)
{
    db->metrics = m;
    metrics_register(m, rows, ARRAY_SIZE(rows), &db->counts, labels);
}

static struct error *make_private(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(errno, "opening %s", path);
    return NULL;
}

static struct error *open_conns(struct db *db, const struct db_options *o)
{
    RETURN_IF_ERROR(conn_lock(o->path, &db->lock_file));
    RETURN_IF_ERROR(make_private(o->path));
    RETURN_IF_ERROR(conn_open(o->path, true, &db->conn));
    RETURN_IF_ERROR(migrate(db->conn, o));
    if (o->max_pages) {
        _cleanup_free_ char *bound = xasprintf("PRAGMA max_page_count=%llu", (unsigned long long)o->max_pages);
        RETURN_IF_ERROR(conn_run(db->conn, bound));
    }
    sqlite3_wal_hook(db->conn->db, on_wal, db);
    RETURN_IF_ERROR(conn_open(o->path, true, &db->check_conn));
    for (db->readers_total = 0; db->readers_total < (o->readers ? o->readers : 2); db->readers_total++) {
        struct db_tx *c;
        RETURN_IF_ERROR(conn_open(o->path, false, &c));
        array_push(&db->readers, c);
    }
    return NULL;
}

struct error *db_open(const struct db_options *o, struct db **ret)
{
    _cleanup_(db_closep) struct db *db = xnew0(struct db);
    db->path = xstrdup(o->path);
    db->min_free = o->min_free;
    db->lock_file = -1;
    db->flushing = true;
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->queued, NULL);
    pthread_cond_init(&db->checkpoint_due, NULL);
    pthread_cond_init(&db->reader_free, NULL);
    RETURN_IF_ERROR(open_conns(db, o));
    int rc = pthread_create(&db->writer, NULL, writer_thread, db);
    if (rc)
        return error_errno(rc, "starting the writer thread");
    rc = pthread_create(&db->checkpointer, NULL, checkpoint_thread, db);
    if (rc)
        abort(); /* the writer runs already; out of threads is as bad as out of memory */
    db->threads = true;
    *ret = TAKE_PTR(db);
    return NULL;
}

static void stop_threads(struct db *db)
{
    pthread_mutex_lock(&db->lock);
    db->stop = true;
    pthread_cond_broadcast(&db->queued);
    pthread_cond_broadcast(&db->checkpoint_due);
    pthread_mutex_unlock(&db->lock);
    pthread_join(db->writer, NULL);
    pthread_join(db->checkpointer, NULL);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    if (db->threads)
        stop_threads(db);
    if (db->metrics)
        metrics_remove(db->metrics, &db->counts);
    array_each(&db->readers, c)
        conn_close(*c);
    array_free(&db->readers);
    array_free(&db->queue);
    conn_close(db->check_conn);
    conn_close(db->conn);
    if (db->lock_file >= 0)
        close(db->lock_file);
    pthread_mutex_destroy(&db->lock);
    pthread_cond_destroy(&db->queued);
    pthread_cond_destroy(&db->checkpoint_due);
    pthread_cond_destroy(&db->reader_free);
    free(db->path);
    free(db);
}
