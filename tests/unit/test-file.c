/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/file/file.h"

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = xstrdup("/tmp/test-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    int rc = rmdir(dir); /* fails where a test left something behind */
    free(dir);
    return rc;
}

static void test_write_read_remove(void **state)
{
    (void)state;
    _cleanup_free_ char *path = xasprintf("%s/a", dir);
    assert_null(file_write_durable(path, "first", 5, 0600));
    assert_null(file_write_durable(path, "sec\0nd", 6, 0640));
    _cleanup_free_ char *data = NULL;
    size_t len;
    assert_null(file_read(path, 6, &data, &len));
    assert_int_equal(len, 6);
    assert_memory_equal(data, "sec\0nd", 7);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    _cleanup_error_ struct error *e = file_read(path, 5, &data, &len);
    assert_true(error_is(e, &ERROR_TOO_LARGE));
    _cleanup_free_ char *copy = xasprintf("%s/b", dir);
    assert_null(file_copy_durable(path, copy));
    _cleanup_error_ struct error *twice = file_copy_durable(path, copy);
    assert_true(error_is(twice, &ERROR_EXISTS));
    assert_null(file_remove_durable(copy));
    assert_null(file_remove_durable(path));
    assert_null(file_remove_durable(path));
    _cleanup_error_ struct error *gone = file_read(path, 5, &data, &len);
    assert_true(error_is(gone, &ERROR_NOT_FOUND));
}

static void test_failed_write_leaves_the_old(void **state)
{
    (void)state;
    _cleanup_free_ char *path = xasprintf("%s/d", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    _cleanup_error_ struct error *e = file_write_durable(path, "x", 1, 0600); /* a folder stands in the way */
    assert_non_null(e);
    assert_int_equal(rmdir(path), 0); /* and teardown sees that no temporary file stayed */
}

static void test_dirs(void **state)
{
    (void)state;
    _cleanup_free_ char *deep = xasprintf("%s/x/y/", dir);
    assert_null(file_make_dirs(deep));
    assert_null(file_make_dirs(deep));
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rmdir(deep), 0);
    _cleanup_free_ char *x = xasprintf("%s/x", dir);
    assert_int_equal(rmdir(x), 0);
    uint64_t room = 0;
    assert_null(file_free_space(dir, &room));
    assert_true(room > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read_remove),
        cmocka_unit_test(test_failed_write_leaves_the_old),
        cmocka_unit_test(test_dirs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
