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
#include "common/crypto/wrap.h"

static void denied(struct error *e)
{
    assert_true(error_is(e, &ERROR_DENIED));
    error_free(e);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct wrap_pair pair, other;
    unsigned char *box = NULL, *again = NULL, *open = NULL;
    size_t len = 0, again_len = 0, open_len = 0;
    wrap_pair_random(&pair);
    wrap_pair_random(&other);
    assert_null(wrap_seal(pair.public, "secret", 6, "i-1", 3, &box, &len));
    assert_null(wrap_seal(pair.public, "secret", 6, "i-1", 3, &again, &again_len));
    assert_int_equal(len, 6 + WRAP_OVERHEAD);
    assert_memory_not_equal(box, again, 32);
    assert_null(wrap_open(&pair, box, len, "i-1", 3, &open, &open_len));
    assert_int_equal(open_len, 6);
    assert_string_equal((char *)open, "secret");
    free(open);
    denied(wrap_open(&other, box, len, "i-1", 3, &open, &open_len));
    denied(wrap_open(&pair, box, len, "i-2", 3, &open, &open_len));
    for (size_t k = 0; k < len; k++) {
        unsigned char bit = k == 31 ? 1 : 0x80; /* the top bit of a public key does not count */
        box[k] ^= bit;
        denied(wrap_open(&pair, box, len, "i-1", 3, &open, &open_len));
        box[k] ^= bit;
        denied(wrap_open(&pair, box, k, "i-1", 3, &open, &open_len));
    }
    free(box);
    free(again);
}

static void test_small_order(void **state)
{
    (void)state;
    static const unsigned char zero[32];
    unsigned char *box;
    size_t len;
    struct error *e = wrap_seal(zero, "x", 1, NULL, 0, &box, &len);
    assert_true(error_is(e, &ERROR_INVALID));
    error_free(e);
}

static void test_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/test-wrap-XXXXXX";
    assert_non_null(mkdtemp(dir));
    _cleanup_free_ char *path = xasprintf("%s/key", dir);
    struct wrap_pair made, read;
    struct stat st;
    assert_null(wrap_pair_file(path, &made));
    assert_null(wrap_pair_file(path, &read));
    assert_memory_equal(&made, &read, sizeof made);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(truncate(path, 31), 0);
    struct error *e = wrap_pair_file(path, &read);
    assert_true(error_is(e, &ERROR_INVALID));
    error_free(e);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_small_order),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests_name("wrap", tests, NULL, NULL);
}
