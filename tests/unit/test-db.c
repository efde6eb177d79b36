/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/metrics.h"
#include "common/db/copy.h"
#include "common/file/file.h"

/* SQLite's flushes come through here: they are counted, and can be made to fail. */
static atomic_int flushes, failing;
int fdatasync(int fd)
{
    atomic_fetch_add(&flushes, 1);
    if (atomic_load(&failing)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static const struct db_migration first[] = {
    {"0001-first.sql", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;\n"
                       "CREATE TABLE blobs(id INTEGER PRIMARY KEY, data BLOB) STRICT;\n"}};
static const struct db_migration second[] = {
    {"0001-first.sql", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;\n"},
    {"0002-more.sql", "ALTER TABLE t ADD COLUMN more TEXT;\n"}};
static const struct db_migration broken[] = {
    {"0001-first.sql", ""}, {"0002-more.sql", "ALTER TABLE t ADD COLUMN more TEXT; NONSENSE;\n"}};

static char *dir, *path;

static int setup(void **state)
{
    (void)state;
    dir = xstrdup("/tmp/test-db-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    path = xasprintf("%s/a.db", dir);
    atomic_store(&failing, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    struct dirent *entry;
    while ((entry = readdir(d))) {
        _cleanup_free_ char *file = xasprintf("%s/%s", dir, entry->d_name);
        unlink(file);
    }
    closedir(d);
    int rc = rmdir(dir);
    free(dir);
    free(path);
    return rc;
}

static struct db *open_with(const struct db_options *more)
{
    struct db_options o = {0};
    if (more)
        o = *more;
    o.path = path;
    o.migrations = o.migrations ? o.migrations : first;
    o.migrations_len = o.migrations_len ? o.migrations_len : ARRAY_SIZE(first);
    struct db *db = NULL;
    struct error *e = db_open(&o, &db);
    if (e)
        fail_msg("open: %s", error_message(e));
    return db;
}

static struct error *insert(struct db_tx *tx, void *arg)
{
    return db_exec(tx, "INSERT INTO t(name) VALUES(?)", "t", arg);
}

static struct error *count(struct db_tx *tx, void *arg)
{
    return db_query_u64(tx, arg, "SELECT count(*) FROM t", "");
}

static uint64_t rows_of(struct db *db)
{
    uint64_t n = 0;
    assert_null(db_read(db, count, &n));
    return n;
}

/* Holds the writer until the test has queued all that is to be one group. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static struct error *hold(struct db_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return error_new(ERROR_DENIED, "the gate changes nothing");
}
static void drop(struct error *e, void *arg)
{
    (void)arg;
    error_ignore(e);
}

struct outcome {
    struct error *e;
    atomic_int *done;
};
static void keep(struct error *e, void *arg)
{
    struct outcome *o = arg;
    o->e = e;
    atomic_fetch_add(o->done, 1);
}

static void wait_for(atomic_int *n, int wanted)
{
    while (atomic_load(n) < wanted)
        usleep(500);
}

static void test_group_is_one_flush(void **state)
{
    (void)state;
    struct db *db = open_with(NULL);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "warm"));
    for (int i = 0; i < 5; i++) {
        _cleanup_free_ char *name = xasprintf("single %d", i);
        int before = atomic_load(&flushes);
        assert_null(db_write_wait(db, DB_FORCED, insert, name));
        assert_int_equal(atomic_load(&flushes) - before, 1);
    }
    struct outcome out[100];
    char *names[100];
    atomic_int done = 0;
    pthread_mutex_lock(&gate);
    db_write(db, DB_FORCED, hold, NULL, drop, NULL);
    usleep(50 * 1000); /* a group of its own, or it is the group's first: both are fine */
    for (int i = 0; i < 100; i++) {
        names[i] = xasprintf("group %d", i);
        out[i] = (struct outcome){NULL, &done};
        db_write(db, DB_FORCED, insert, names[i], keep, &out[i]);
    }
    int before = atomic_load(&flushes);
    pthread_mutex_unlock(&gate);
    wait_for(&done, 100);
    assert_int_equal(atomic_load(&flushes) - before, 1);
    for (int i = 0; i < 100; i++) {
        assert_null(out[i].e);
        free(names[i]);
    }
    assert_true(rows_of(db) == 106);
    db_close(db);
}

static void test_lazy_never_flushes_and_is_seen(void **state)
{
    (void)state;
    struct db *db = open_with(NULL);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "warm"));
    int before = atomic_load(&flushes);
    for (int i = 0; i < 10; i++) {
        _cleanup_free_ char *name = xasprintf("lazy %d", i);
        assert_null(db_write_wait(db, DB_LAZY, insert, name));
        assert_true(rows_of(db) == 2 + (uint64_t)i);
    }
    assert_int_equal(atomic_load(&flushes), before);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "last"));
    assert_int_equal(atomic_load(&flushes), before + 1);
    db_close(db);
}

static struct error *insert_then_fail(struct db_tx *tx, void *arg)
{
    RETURN_IF_ERROR(insert(tx, arg));
    return error_new(ERROR_DENIED, "after the insert");
}

static void test_a_failing_member_fails_alone(void **state)
{
    (void)state;
    struct db *db = open_with(NULL);
    atomic_int done = 0;
    struct outcome out[4];
    for (int i = 0; i < 4; i++)
        out[i] = (struct outcome){NULL, &done};
    pthread_mutex_lock(&gate);
    db_write(db, DB_FORCED, hold, NULL, drop, NULL);
    db_write(db, DB_FORCED, insert, (void *)(uintptr_t) "one", keep, &out[0]);
    db_write(db, DB_FORCED, insert_then_fail, (void *)(uintptr_t) "two", keep, &out[1]);
    db_write(db, DB_FORCED, insert, (void *)(uintptr_t) "one", keep, &out[2]);
    db_write(db, DB_FORCED, insert, (void *)(uintptr_t) "three", keep, &out[3]);
    pthread_mutex_unlock(&gate);
    wait_for(&done, 4);
    assert_null(out[0].e);
    assert_true(error_is(out[1].e, &ERROR_DENIED));
    assert_true(error_is(out[2].e, &ERROR_EXISTS));
    assert_null(out[3].e);
    error_free(out[1].e);
    error_free(out[2].e);
    assert_true(rows_of(db) == 2);
    db_close(db);
}

static void test_failed_flush_fails_the_group(void **state)
{
    (void)state;
    struct db *db = open_with(NULL);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "before"));
    atomic_int done = 0;
    struct outcome out[3];
    pthread_mutex_lock(&gate);
    db_write(db, DB_FORCED, hold, NULL, drop, NULL);
    usleep(20 * 1000);
    const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        out[i] = (struct outcome){NULL, &done};
        db_write(db, DB_FORCED, insert, (void *)(uintptr_t)names[i], keep, &out[i]);
    }
    atomic_store(&failing, 1);
    pthread_mutex_unlock(&gate);
    wait_for(&done, 3);
    for (int i = 0; i < 3; i++) {
        assert_non_null(out[i].e);
        error_free(out[i].e);
    }
    assert_true(rows_of(db) == 1);
    /* While flushes go on failing nothing is promised, afterwards all works again. */
    _cleanup_error_ struct error *still = db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "d");
    assert_non_null(still);
    atomic_store(&failing, 0);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "a"));
    assert_true(rows_of(db) == 2);
    db_close(db);
    db = open_with(NULL);
    assert_true(rows_of(db) == 2);
    db_close(db);
}

static struct error *insert_big(struct db_tx *tx, void *arg)
{
    (void)arg;
    size_t len = 200 * 1024;
    _cleanup_free_ char *data = xcalloc(1, len);
    return db_exec(tx, "INSERT INTO blobs(data) VALUES(?)", "b", (const void *)data, len);
}

static void test_full(void **state)
{
    (void)state;
    struct db_options o = {.max_pages = 100};
    struct db *db = open_with(&o);
    struct error *e = NULL;
    for (int i = 0; i < 4 && !e; i++)
        e = db_write_wait(db, DB_FORCED, insert_big, NULL);
    assert_true(error_is(e, &ERROR_NO_SPACE));
    error_free(e);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "small"));
    assert_true(rows_of(db) == 1);
    db_close(db);
}

static void test_min_free(void **state)
{
    (void)state;
    struct db_options o = {.min_free = UINT64_MAX / 2};
    struct db *db = open_with(&o);
    _cleanup_error_ struct error *e = db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "x");
    assert_true(error_is(e, &ERROR_NO_SPACE));
    assert_true(rows_of(db) == 0);
    assert_null(db_write_wait(db, DB_FORCED | DB_RESCUE, insert, (void *)(uintptr_t) "x"));
    assert_true(rows_of(db) == 1);
    db_close(db);
}

static void test_migrations(void **state)
{
    (void)state;
    struct db *db = open_with(NULL);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "old"));
    struct db_options o = {.path = path, .migrations = first, .migrations_len = 1};
    struct db *other = NULL;
    _cleanup_error_ struct error *busy = db_open(&o, &other);
    assert_true(error_is(busy, &ERROR_UNAVAILABLE));
    db_close(db);
    o.migrations = broken;
    o.migrations_len = ARRAY_SIZE(broken);
    _cleanup_error_ struct error *bad = db_open(&o, &other);
    assert_non_null(strstr(error_message(bad), "0002-more.sql"));
    o.migrations = second;
    o.migrations_len = ARRAY_SIZE(second);
    db = open_with(&o);
    assert_true(rows_of(db) == 1);
    db_close(db);
    _cleanup_free_ char *copy = xasprintf("%s.before-2", path);
    assert_int_equal(access(copy, F_OK), 0);
    o.migrations = first;
    o.migrations_len = 1;
    _cleanup_error_ struct error *newer = db_open(&o, &other);
    assert_non_null(strstr(error_message(newer), "newer version"));
    free(path);
    path = TAKE_PTR(copy);
    db = open_with(NULL);
    assert_true(rows_of(db) == 1);
    db_close(db);
}

static const struct copy_note note = {"tests", "open sesame", 11};

static struct db *with_copy(char **ret_copy)
{
    struct db *db = open_with(NULL);
    assert_null(db_write_wait(db, DB_FORCED, insert, (void *)(uintptr_t) "kept"));
    *ret_copy = xasprintf("%s/copy.db", dir);
    assert_null(db_backup(db, *ret_copy, &note));
    return db;
}

static struct error *take_note(struct db_tx *tx, const struct copy_note *found, void *arg)
{
    assert_int_equal(found->secret_len, note.secret_len);
    assert_memory_equal(found->secret, note.secret, note.secret_len);
    if (arg)
        return error_new(ERROR_INVALID, "%s", (char *)arg);
    return insert(tx, (void *)(uintptr_t) "restored");
}

static struct copy_restore restore_of(const char *from)
{
    return (struct copy_restore){.from = from,
                                 .db = {.path = path, .migrations = first, .migrations_len = 1},
                                 .what = "tests",
                                 .change = take_note};
}

static void refused(const struct copy_restore *r, const char *why)
{
    _cleanup_error_ struct error *e = db_restore(r);
    assert_non_null(e);
    if (!strstr(error_message(e), why))
        fail_msg("refused, but with: %s", error_message(e));
}

static bool holds(const char *file, const char *text)
{
    _cleanup_free_ char *data = NULL;
    size_t len = 0;
    assert_null(file_read(file, 1 << 24, &data, &len));
    return memmem(data, len, text, strlen(text)) != NULL;
}

static void test_backup(void **state)
{
    (void)state;
    _cleanup_free_ char *copy = NULL;
    struct stat st;
    struct db *db = with_copy(&copy);
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(holds(copy, "open sesame"));
    _cleanup_error_ struct error *twice = db_backup(db, copy, &note);
    assert_non_null(twice);
    assert_true(holds(copy, "open sesame")); /* and the first is still there */
    db_close(db);
}

static void test_restore(void **state)
{
    (void)state;
    _cleanup_free_ char *copy = NULL;
    db_close(with_copy(&copy));
    struct copy_restore r = restore_of(copy);
    refused(&r, "there is a database already");
    assert_int_equal(unlink(path), 0);
    assert_null(db_restore(&r));
    assert_false(holds(path, "open sesame")); /* it is not kept where it is not needed */
    struct db *db = open_with(NULL);
    assert_true(rows_of(db) == 2);
    db_close(db);
    refused(&r, "there is a database already");
}

static void test_restore_migrates(void **state)
{
    (void)state;
    _cleanup_free_ char *copy = NULL;
    db_close(with_copy(&copy));
    assert_int_equal(unlink(path), 0);
    struct copy_restore r = restore_of(copy);
    r.db.migrations = second;
    r.db.migrations_len = 2;
    assert_null(db_restore(&r));
    struct db *db = open_with(&r.db);
    assert_true(rows_of(db) == 2);
    db_close(db);
}

static void nothing_left(void)
{
    static const char *const tails[] = {"", "-wal", ".restoring", ".restoring-wal"};
    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        _cleanup_free_ char *name = xasprintf("%s%s", path, tails[i]);
        assert_int_not_equal(access(name, F_OK), 0);
    }
}

static void damage(const char *file, off_t at)
{
    static const char rubbish[4096] = "rubbish";
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), sizeof rubbish);
    close(fd);
}

static void test_restore_refuses(void **state)
{
    (void)state;
    _cleanup_free_ char *copy = NULL;
    db_close(with_copy(&copy));
    assert_int_equal(unlink(path), 0);
    struct copy_restore r = restore_of(copy);
    r.db.migrations_len = 0;
    refused(&r, "newer version");
    r = restore_of(copy);
    r.what = "another";
    refused(&r, "it is a backup of tests, not of another");
    r = restore_of(copy);
    r.arg = (void *)(uintptr_t) "changed its mind";
    refused(&r, "changed its mind");
    nothing_left();
    damage(copy, 4096);
    r = restore_of(copy);
    refused(&r, copy);
    damage(copy, 0);
    refused(&r, "not a database");
    r = restore_of("/nonexistent/copy.db");
    refused(&r, "/nonexistent/copy.db");
    nothing_left();
}

/* A database is no backup: its secrets may be sealed under a key that it does not hold. */
static void test_restore_refuses_database(void **state)
{
    (void)state;
    _cleanup_free_ char *own = xasprintf("%s/own.db", dir);
    db_close(open_with(NULL));
    assert_int_equal(rename(path, own), 0);
    struct copy_restore r = restore_of(own);
    refused(&r, "no backup");
    nothing_left();
}

static void test_restore_refuses_open(void **state)
{
    (void)state;
    _cleanup_free_ char *copy = NULL;
    struct db *db = with_copy(&copy);
    assert_int_equal(unlink(path), 0);
    struct copy_restore r = restore_of(copy);
    refused(&r, "database already"); /* its log */
    db_close(db);
}

static uint64_t metric_of(struct metrics *m, const char *name)
{
    _cleanup_str_ struct str text = STR_INIT;
    metrics_render(m, &text);
    _cleanup_free_ char *line = xasprintf("\n%s ", name);
    const char *at = strstr(text.data, line);
    assert_non_null(at);
    return strtoull(at + strlen(line), NULL, 10);
}

static void test_the_log_is_kept_short(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *m = metrics_new();
    struct db *db = open_with(NULL);
    db_register_metrics(db, m, NULL);
    for (int i = 0; i < 400; i++)
        assert_null(db_write_wait(db, i % 4 ? DB_LAZY : DB_FORCED, insert_big, NULL));
    for (int i = 0; i < 1000 && !metric_of(m, "mallee_db_checkpoints_total"); i++)
        usleep(10000);
    assert_true(metric_of(m, "mallee_db_checkpoints_total") > 0);
    assert_true(metric_of(m, "mallee_db_groups_total") == 400);
    assert_true(metric_of(m, "mallee_db_flushed_groups_total") == 100);
    /* of 20,000 pages written; the first write behind a whole checkpoint begins the log anew */
    for (int i = 0; i < 1000 && metric_of(m, "mallee_db_wal_pages") >= 20000; i++) {
        assert_null(db_write_wait(db, DB_FORCED, insert_big, NULL));
        usleep(10000);
    }
    assert_true(metric_of(m, "mallee_db_wal_pages") < 20000);
    db_close(db);
    _cleanup_str_ struct str text = STR_INIT;
    metrics_render(m, &text);
    assert_int_equal(text.len, 0);
}

struct client {
    struct db *db;
    int number;
    atomic_int *stop;
    uint64_t rows;
};

static void *write_and_read(void *arg)
{
    struct client *c = arg;
    for (int i = 0; !atomic_load(c->stop); i++) {
        _cleanup_free_ char *name = xasprintf("%d-%d", c->number, i);
        uint64_t n = 0;
        struct error *e = db_write_wait(c->db, DB_FORCED, insert, name);
        if (!e)
            e = db_read(c->db, count, &n);
        if (e || n < ++c->rows)
            abort();
    }
    return NULL;
}

static void test_many_clients(void **state)
{
    (void)state;
    _cleanup_(metrics_freep) struct metrics *m = metrics_new();
    struct db *db = open_with(NULL);
    db_register_metrics(db, m, NULL);
    enum { CLIENTS = 64 };
    struct client c[CLIENTS];
    pthread_t threads[CLIENTS];
    atomic_int stop = 0;
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = (struct client){db, i, &stop, 0};
        pthread_create(&threads[i], NULL, write_and_read, &c[i]);
    }
    usleep(700 * 1000);
    atomic_store(&stop, 1);
    uint64_t rows = 0;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        rows += c[i].rows;
    }
    assert_true(rows_of(db) == rows);
    uint64_t groups = metric_of(m, "mallee_db_flushed_groups_total");
    print_message("%llu writes in %llu flushes\n", (unsigned long long)rows, (unsigned long long)groups);
    assert_true(rows > groups);
    db_close(db);
}

struct tell {
    uint32_t n;
    int fd;
};
static struct error *insert_number(struct db_tx *tx, void *arg)
{
    return db_exec(tx, "INSERT INTO t(id) VALUES(?)", "u", (uint64_t)((struct tell *)arg)->n);
}
static void say(struct error *e, void *arg)
{
    struct tell *t = arg;
    if (e || write(t->fd, &t->n, sizeof t->n) != (ssize_t)sizeof t->n)
        _exit(1);
    free(t);
}
static void write_for_ever(uint32_t from, int fd)
{
    struct db *db = open_with(NULL);
    for (uint32_t n = from;; n++) {
        struct tell *t = xnew0(struct tell);
        *t = (struct tell){n, fd};
        db_write(db, n % 3 ? DB_FORCED : DB_LAZY, insert_number, t, say, t);
        if (n % 7 == 0)
            usleep(200);
    }
}

static struct error *has_number(struct db_tx *tx, void *arg)
{
    struct tell *t = arg;
    uint64_t found = 0;
    RETURN_IF_ERROR(db_query_u64(tx, &found, "SELECT count(*) FROM t WHERE id=?", "u", (uint64_t)t->n));
    return found ? NULL : error_new(ERROR_NOT_FOUND, "%u", t->n);
}

static void test_acknowledged_survives_kill(void **state)
{
    (void)state;
    uint32_t top = 0;
    int told = 0;
    for (int round = 0; round < 8; round++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        if (!pid)
            write_for_ever(top + 1, p[1]);
        close(p[1]);
        ARRAY(struct tell) acked = {NULL, 0, 0};
        struct tell t = {0, 0};
        while (read(p[0], &t.n, sizeof t.n) == (ssize_t)sizeof t.n) {
            array_push(&acked, t);
            top = t.n > top ? t.n : top;
            if (acked.len == (size_t)(50 + round * 37))
                kill(pid, SIGKILL);
        }
        waitpid(pid, NULL, 0);
        close(p[0]);
        struct db *db = open_with(NULL);
        array_each(&acked, a) {
            struct error *e = db_read(db, has_number, a);
            if (e)
                fail_msg("round %d: %u was acknowledged and is gone", round, a->n);
            told++;
        }
        uint64_t n = rows_of(db);
        assert_true(n >= acked.len);
        top += 100000; /* clear of what was written but not told */
        db_close(db);
        array_free(&acked);
    }
    print_message("%d acknowledged writes over 8 kills\n", told);
}

int main(void)
{
    log_setup("test-db", LOG_ERROR);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_group_is_one_flush),
        TEST(test_lazy_never_flushes_and_is_seen),
        TEST(test_a_failing_member_fails_alone),
        TEST(test_failed_flush_fails_the_group),
        TEST(test_full),
        TEST(test_min_free),
        TEST(test_migrations),
        TEST(test_backup),
        TEST(test_restore),
        TEST(test_restore_migrates),
        TEST(test_restore_refuses),
        TEST(test_restore_refuses_database),
        TEST(test_restore_refuses_open),
        TEST(test_the_log_is_kept_short),
        TEST(test_many_clients),
        TEST(test_acknowledged_survives_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
