/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "node-controller/console.h"

static char *dir, *path, *backup;

static int setup(void **state)
{
    char name[] = "/tmp/test-console-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(name));
    dir = xstrdup(name);
    path = xasprintf("%s/console.log", dir);
    backup = xasprintf("%s.0", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(backup);
    rmdir(dir);
    free(dir);
    free(path);
    free(backup);
    return 0;
}

static void put(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void assert_tail(size_t max, const char *want)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 99;
    assert_null(console_tail(path, max, &text, &len));
    assert_int_equal(len, strlen(want));
    assert_string_equal(text, want);
}

static void test_one_ring(void **state)
{
    (void)state;
    assert_tail(100, "");
    put(path, "newer");
    assert_tail(100, "newer");
    assert_tail(3, "wer");
    put(backup, "older ");
    assert_tail(100, "older newer");
    assert_tail(8, "er newer");
    assert_tail(5, "newer");
    assert_tail(0, "");
    unlink(path); /* virtlogd has renamed it and not made another yet */
    assert_tail(100, "older ");
}

static void assert_refused(void)
{
    char *text = NULL;
    size_t len;
    _cleanup_error_ struct error *e = console_tail(path, 100, &text, &len);
    assert_non_null(e);
    assert_null(text);
}

static void test_what_is_no_log_is_refused(void **state)
{
    (void)state;
    unlink(backup);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_refused();
    unlink(path);
    put(path, "newer");
    assert_int_equal(symlink("/etc/passwd", backup), 0);
    assert_refused();
    unlink(backup);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused();
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused();
    rmdir(path);
}

static atomic_bool stop;
static atomic_uint rounds;

/* As virtlogd: appends, and at a bound renames. Every line's number follows the one before it. */
static void *rotate(void *arg)
{
    unsigned number = 0;
    (void)arg;
    while (!stop) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        for (int k = 0; k < 16; k++) {
            char line[32];
            int n = snprintf(line, sizeof line, "%08u\n", number++);
            if (write(fd, line, (size_t)n) != n)
                abort();
        }
        close(fd);
        rename(path, backup);
        rounds++;
    }
    return NULL;
}

static void test_whole_while_it_is_rotated(void **state)
{
    pthread_t thread;
    unsigned read = 0;
    (void)state;
    unlink(path);
    unlink(backup);
    assert_int_equal(pthread_create(&thread, NULL, rotate, NULL), 0);
    while (read < 2000 || rounds < 2000) {
        _cleanup_free_ char *text = NULL;
        size_t len;
        struct error *e = console_tail(path, 65536, &text, &len);
        if (e) { /* a rotation every few microseconds outruns it now and then */
            assert_true(error_is(e, &ERROR_UNAVAILABLE));
            error_free(e);
            continue;
        }
        assert_int_equal(len % 9, 0);
        for (size_t at = 9; at < len; at += 9)
            assert_int_equal(atoi(text + at), atoi(text + at - 9) + 1);
        read++;
    }
    stop = true;
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_ring),
        cmocka_unit_test(test_what_is_no_log_is_refused),
        cmocka_unit_test(test_whole_while_it_is_rotated),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
