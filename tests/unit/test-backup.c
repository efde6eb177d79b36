/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cloud-controller/backup.h"
#include "common/base/str.h"
#include "common/db/copy.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
#include "core/life-cycle.h"

#define INSTANCE                                                                                   \
    "INSERT INTO instance (id, reservation, account_id, zone, node, generation, wanted, held, state, vcpus, memory_mib, " \
    "disk_gib, obs_run, obs_seq, deadline_left, forget_left, body, request_id) VALUES "

struct fixture {
    char folder[32];
    char *copy;
    struct cloud_config old, new; /* the cloud that was, and the one that is made of its backup */
    struct keys *keys;
    struct new_key key;
};

static struct error *open_db(const struct cloud_config *c, struct db **ret)
{
    _cleanup_free_ char *path = xasprintf("%s/cloud.db", c->state_dir);
    struct db_options o = {.path = path, .migrations = cloud_migrations, .migrations_len = cloud_migrations_len};
    return db_open(&o, ret);
}

static void configure(struct fixture *f, struct cloud_config *c, const char *name)
{
    c->state_dir = xasprintf("%s/%s", f->folder, name);
    c->admin_credentials_file = xasprintf("%s/%s/admin", f->folder, name);
    assert_null(file_make_dirs(c->state_dir));
}

static struct error *fill(struct db_tx *tx, void *arg)
{
    struct fixture *f = arg;
    static const char *const rows[] = {
        "INSERT INTO cloud VALUES (1, 'c-1', 7)",
        INSTANCE "('i-1', 'r-1', '1', 'z', NULL, 1, 1, 0, 0, 1, 1, 1, 0, 0, 500000, 1, '{}', 'q')",
        INSTANCE "('i-2', 'r-1', '1', 'z', NULL, 1, 1, 0, 0, 1, 1, 1, 0, 0, 40, 1, '{}', 'q')",
        INSTANCE "('i-3', 'r-1', '1', 'z', 'n-1', 1, 1, 1, 0, 1, 1, 1, 0, 0, 500000, 1, '{}', 'q')",
        INSTANCE "('i-4', 'r-1', '1', 'z', 'n-1', 1, 1, 1, 1, 1, 1, 1, 0, 0, 500000, 1, '{}', 'q')",
        "INSERT INTO reservation VALUES ('r-1', '1', 'z', 1, 30000, 'q')",
        "INSERT INTO outbox VALUES ('n-1', 1, 'i-3', 1, 1, 1)",
        "INSERT INTO operation VALUES ('op-1', 'i-4', 'n-1', 'reboot', 1, 'q')"};
    struct store_account admin = {.id = f->key.row.account, .name = (char *)(uintptr_t) "admin",
                                  .canonical_id = (char *)(uintptr_t) "c", .administrator = true};
    RETURN_IF_ERROR(store_account_insert(tx, &admin, 0));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        RETURN_IF_ERROR(db_exec(tx, rows[i], ""));
    return store_key_insert(tx, f->key.id, &f->key.row, 0);
}

static void back_up(struct fixture *f)
{
    struct db *db = NULL;
    unsigned char key[KEYS_SIZE];
    struct copy_note note = {BACKUP_OF, key, sizeof key};
    struct id account = id_of("111111111111");
    keys_make(f->keys, &account, &f->key);
    keys_copy(f->keys, key);
    assert_null(open_db(&f->old, &db));
    struct error *e = db_write_wait(db, DB_FORCED, fill, f);
    if (e)
        fail_msg("%s", error_message(e));
    assert_null(db_backup(db, f->copy, &note));
    db_close(db);
}

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    memcpy(f->folder, "/tmp/mallee-backup-XXXXXX", 26);
    assert_non_null(mkdtemp(f->folder));
    f->copy = xasprintf("%s/cloud.db", f->folder);
    configure(f, &f->old, "old");
    configure(f, &f->new, "new");
    assert_null(keys_open(f->old.state_dir, &f->keys));
    back_up(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct spawn s = {.argv = (const char *const[]){"rm", "-r", f->folder, NULL}};
    error_ignore(spawn_check(&s));
    keys_free(f->keys);
    free(f->copy);
    free(f->old.state_dir);
    free(f->old.admin_credentials_file);
    free(f->new.state_dir);
    free(f->new.admin_credentials_file);
    free(f);
    return 0;
}

static void restored(const struct fixture *f)
{
    struct error *e = backup_restore(&f->new, f->copy);
    if (e)
        fail_msg("%s", error_message(e));
}

static void refused(const struct fixture *f, const char *why)
{
    _cleanup_error_ struct error *e = backup_restore(&f->new, f->copy);
    assert_non_null(e);
    if (!strstr(error_message(e), why))
        fail_msg("refused, but with: %s", error_message(e));
}

static uint64_t count(struct db_tx *tx, const char *sql)
{
    uint64_t n = 0;
    assert_null(db_query_u64(tx, &n, sql, ""));
    return n;
}

static struct error *check_rows(struct db_tx *tx, void *arg)
{
    uint64_t *era = arg;
    *era = count(tx, "SELECT era FROM cloud");
    assert_int_equal(count(tx, "SELECT count(*) FROM outbox"), 0);
    assert_int_equal(count(tx, "SELECT count(*) FROM operation"), 0);
    assert_int_equal(count(tx, "SELECT count(*) FROM reservation"), 0);
    assert_int_equal(count(tx, "SELECT deadline_left FROM instance WHERE id = 'i-1'"), TIMING_DEFAULT.placing);
    assert_int_equal(count(tx, "SELECT deadline_left FROM instance WHERE id = 'i-2'"), 40);
    assert_int_equal(count(tx, "SELECT count(*) FROM instance WHERE deadline_left = 500000"), 2);
    assert_int_equal(count(tx, "SELECT count(*) FROM sqlite_schema WHERE name = 'backup_note'"), 0);
    return NULL;
}

static uint64_t era_of_new(const struct fixture *f)
{
    struct db *db = NULL;
    uint64_t era = 0;
    assert_null(open_db(&f->new, &db));
    assert_null(db_read(db, check_rows, &era));
    db_close(db);
    return era;
}

static void wipe_new(const struct fixture *f)
{
    static const char *const files[] = {"cloud.db", "cloud.db.lock", "cloud.key", "admin"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", f->new.state_dir, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    rmdir(f->new.state_dir); /* it may be made, too */
}

static void test_rows(void **state)
{
    assert_int_equal(INSTANCE_PENDING, 0); /* as the rows above have it */
    const struct fixture *f = *state;
    restored(f);
    uint64_t first = era_of_new(f);
    assert_true(first > 7 && first <= 7 + CLOUD_ERA_STEP);
    unsigned same = 0;
    for (unsigned i = 0; i < 3; i++) {
        wipe_new(f);
        restored(f);
        same += era_of_new(f) == first;
    }
    assert_true(same < 3); /* no two restores of one backup are of one era */
}

static void test_keys(void **state)
{
    const struct fixture *f = *state;
    struct keys *keys = NULL;
    char secret[SECRET_LENGTH + 1];
    char *text = NULL;
    size_t len = 0;
    struct stat st;
    restored(f);
    assert_null(keys_open(f->new.state_dir, &keys));
    assert_null(keys_secret(keys, f->key.id, &f->key.row, secret));
    assert_string_equal(secret, f->key.secret);
    keys_free(keys);
    assert_null(file_read(f->new.admin_credentials_file, 4096, &text, &len));
    assert_non_null(strstr(text, f->key.secret));
    free(text);
    assert_int_equal(stat(f->new.admin_credentials_file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_refusals(void **state)
{
    const struct fixture *f = *state;
    struct keys *other = NULL;
    _cleanup_free_ char *key = xasprintf("%s/cloud.key", f->new.state_dir);
    _cleanup_free_ char *path = xasprintf("%s/cloud.db", f->new.state_dir);
    _cleanup_free_ char *own = xasprintf("%s/cloud.key", f->old.state_dir);
    assert_null(keys_open(f->new.state_dir, &other));
    keys_free(other);
    refused(f, "another cloud key");
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(key), 0);
    assert_null(file_copy_durable(own, key)); /* of a restore that died behind its key */
    restored(f);
    refused(f, "a database already");
    assert_int_equal(access(path, F_OK), 0);
}

/* The key of the note must be the one that sealed what is stored. */
static void test_wrong_key(void **state)
{
    struct fixture *f = *state;
    struct db *db = NULL;
    unsigned char key[KEYS_SIZE] = {1};
    _cleanup_free_ char *place = xasprintf("%s/cloud.key", f->new.state_dir);
    struct copy_note wrong = {BACKUP_OF, key, sizeof key}, without = {.what = BACKUP_OF};
    assert_null(open_db(&f->old, &db));
    assert_int_equal(unlink(f->copy), 0);
    assert_null(db_backup(db, f->copy, &wrong));
    refused(f, "does not fit");
    assert_int_not_equal(access(place, F_OK), 0); /* a wrong key would be in the right one's way */
    assert_int_equal(unlink(f->copy), 0);
    assert_null(db_backup(db, f->copy, &without));
    refused(f, "no cloud key");
    db_close(db);
}

/* What an id from outside may name. */
static void test_paths(void **state)
{
    const struct fixture *f = *state;
    static const char *const bad[] = {"", "b-", "../cloud.key", "b-0123456789abcdef/", "b-0123456789abcdefg",
                                      "b-0123456789abcdef00", "x-0123456789abcdef0"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(backup_path(&f->new, bad[i]));
    _cleanup_free_ char *good = backup_path(&f->new, "b-0123456789abcdef0");
    assert_non_null(good);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_rows), TEST(test_keys), TEST(test_refusals), TEST(test_wrong_key), TEST(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
