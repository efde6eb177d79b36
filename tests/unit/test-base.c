/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "common/base/array.h"
#include "common/base/error.h"
#include "common/base/id.h"
#include "common/base/map.h"
#include "common/base/str.h"
#include "common/json/json.h"

static void test_error(void **state)
{
    (void)state;
    struct error *e = error_errno(ENOSPC, "writing %s", "x");
    assert_true(error_is(e, &ERROR_NO_SPACE));
    e = error_wrap(e, "saving");
    assert_string_equal(error_message(e), "saving: writing x: No space left on device");
    e = error_recode(e, &ERROR_DENIED, NULL);
    assert_true(error_is(e, &ERROR_DENIED));
    error_free(e);
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_null(parse_u64("18446744073709551615", UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "18446744073709551616", "0x1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error *e = parse_u64(bad[i], UINT64_MAX, &n);
        assert_non_null(e);
        error_free(e);
    }
    struct error *e = parse_u64("10", 9, &n);
    assert_non_null(e);
    error_free(e);
    assert_null(parse_u64("9", 9, &n));
    assert_true(n == 9);
    e = parse_u64("5", 3, &n);
    assert_non_null(e);
    error_free(e);
}

static void test_hex_and_utf8(void **state)
{
    (void)state;
    unsigned char b[3];
    assert_null(hex_decode("00fFa1", b, 3));
    _cleanup_free_ char *h = hex_encode(b, 3);
    assert_string_equal(h, "00ffa1");
    struct error *e = hex_decode("00fg", b, 2);
    assert_non_null(e);
    error_free(e);
    assert_true(utf8_valid("a\xc3\xa9", 3));
    assert_false(utf8_valid("\xc0\x80", 2));
    assert_false(utf8_valid("\xed\xa0\x80", 3));
    assert_false(utf8_valid("\xe2\x82", 2));
}

static void test_ids(void **state)
{
    (void)state;
    struct id id;
    assert_false(id_parse("../x/", &id));
    assert_true(id_none(&id));
    assert_false(id_parse("", &id));
    assert_false(id_parse("0123456789012345678901234567890123456789", &id));
    struct id a = id_random("i-"), b = id_random("i-");
    assert_int_equal(strlen(a.text), 19);
    assert_false(id_eq(&a, &b));
}

static void test_map(void **state)
{
    (void)state;
    struct map *m = map_new();
    static int values[1000];
    for (int i = 0; i < 1000; i++) {
        _cleanup_free_ char *k = xasprintf("k%d", i);
        assert_null(map_set(m, k, &values[i]));
    }
    assert_ptr_equal(map_get(m, "k17"), &values[17]);
    assert_ptr_equal(map_take(m, "k17"), &values[17]);
    assert_null(map_get(m, "k17"));
    struct map_cursor at = {0};
    void *v;
    size_t n = 0;
    const char *k;
    while (map_next(m, &at, &k, &v)) {
        n++;
        _cleanup_free_ char *key = xstrdup(k);
        assert_ptr_equal(map_take(m, key), v);
    }
    assert_int_equal(n, 999);
    assert_int_equal(map_size(m), 0);
    map_free(m, NULL);
}

static void test_json_bounds(void **state)
{
    (void)state;
    json_t *o = NULL;
    char deep[200];
    memset(deep, '[', sizeof deep);
    struct error *e = json_parse_object(deep, sizeof deep, 1000, &o);
    assert_non_null(e);
    error_free(e);
    e = json_parse_object("{\"a\":1,\"a\":2}", 13, 1000, &o);
    assert_non_null(e);
    error_free(e);
    e = json_parse_object("{}", 2, 1, &o);
    assert_true(error_is(e, &ERROR_TOO_LARGE));
    error_free(e);
    assert_null(json_parse_object("{\"a\":\"]]\"}", 10, 1000, &o));
    uint64_t n;
    e = json_need_u64(o, "a", &n);
    assert_non_null(e);
    error_free(e);
    json_decref(o);
}

static void test_array(void **state)
{
    (void)state;
    ARRAY(int) a = {0};
    for (int i = 0; i < 100; i++)
        array_push(&a, i);
    array_remove(&a, 0);
    assert_int_equal(a.data[0], 1);
    array_remove_swap(&a, 0);
    assert_int_equal(a.data[0], 99);
    assert_int_equal(a.len, 98);
    array_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hex_and_utf8), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_map),         cmocka_unit_test(test_json_bounds),
        cmocka_unit_test(test_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
