/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/spawn/spawn.h"

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

static void test_output_and_status(void **state)
{
    (void)state;
    struct spawn s = {.argv = SH("echo one; echo two >&2; exit 3")};
    _cleanup_(spawn_result_free) struct spawn_result r = {0};
    assert_null(spawn_run(&s, &r));
    assert_int_equal(r.status, 3);
    assert_string_equal(r.output.data, "one\ntwo\n");
    _cleanup_error_ struct error *e = spawn_check(&s);
    assert_string_equal(error_message(e), "sh ended with 3: two");
}

static void test_input(void **state)
{
    (void)state;
    struct str text = STR_INIT;
    for (int k = 0; k < 100000; k++)
        str_printf(&text, "%d\n", k);
    struct spawn s = {.argv = SH("tail -n 1; cat"), .input = text.data};
    _cleanup_(spawn_result_free) struct spawn_result r = {0};
    assert_null(spawn_run(&s, &r));
    assert_string_equal(r.output.data, "99999\n");
    str_free(&text);
    struct spawn none = {.argv = SH("wc -c")};
    _cleanup_(spawn_result_free) struct spawn_result empty = {0};
    assert_null(spawn_run(&none, &empty));
    assert_string_equal(empty.output.data, "0\n");
}

static void test_output_is_bounded(void **state)
{
    (void)state;
    struct spawn s = {.argv = SH("head -c 3000000 /dev/zero | tr '\\0' x"), .max_output = 1000};
    _cleanup_(spawn_result_free) struct spawn_result r = {0};
    assert_null(spawn_run(&s, &r));
    assert_int_equal(r.status, 0);
    assert_int_equal(r.output.len, 1000);
}

static void test_deadline_kills_the_group(void **state)
{
    (void)state;
    char path[] = "/tmp/test-spawn-XXXXXX";
    close(mkstemp(path));
    _cleanup_free_ char *script = xasprintf("(sleep 1; echo late > %s) & sleep 20", path);
    struct spawn s = {.argv = SH(script), .deadline_ms = 200};
    int64_t before = clock_mono_ms();
    _cleanup_error_ struct error *e = spawn_check(&s);
    assert_true(error_is(e, &ERROR_TIMEOUT));
    assert_true(clock_mono_ms() - before < 5000);
    usleep(1300 * 1000);
    char c;
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
    unlink(path);
}

static void test_no_descriptor_leaks(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    assert_true(dup2(fd, 77) == 77);
    struct spawn s = {.argv = SH("test ! -e /proc/self/fd/77")};
    assert_null(spawn_check(&s));
    close(77);
    close(fd);
}

static void test_missing_program(void **state)
{
    (void)state;
    struct spawn s = {.argv = (const char *const[]){"no-such-program-here", NULL}};
    _cleanup_error_ struct error *e = spawn_check(&s);
    assert_true(error_is(e, &ERROR_NOT_FOUND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),   cmocka_unit_test(test_input),
        cmocka_unit_test(test_output_is_bounded),
        cmocka_unit_test(test_deadline_kills_the_group), cmocka_unit_test(test_no_descriptor_leaks),
        cmocka_unit_test(test_missing_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
