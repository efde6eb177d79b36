/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "common/crypto/seal.h"

static void is_hex(const void *data, size_t len, const char *expected)
{
    _cleanup_free_ char *hex = hex_encode(data, len);
    assert_string_equal(hex, expected);
}

static void test_digests(void **state)
{
    unsigned char d[DIGEST_MAX];
    (void)state;
    sha256("abc", 3, d);
    is_hex(d, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha1("abc", 3, d);
    is_hex(d, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    md5("", 0, d);
    is_hex(d, 16, "d41d8cd98f00b204e9800998ecf8427e");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, d);
    is_hex(d, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, d);
    is_hex(d, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void test_incremental(void **state)
{
    unsigned char d[DIGEST_MAX];
    size_t len = 0;
    (void)state;
    _cleanup_(digest_freep) struct digest *s = digest_new(DIGEST_SHA256);
    digest_add(s, "a", 1);
    digest_add(s, "bc", 2);
    digest_final(s, d, &len);
    assert_int_equal(len, 32);
    is_hex(d, len, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void decode_fails(const char *text)
{
    unsigned char *out = NULL;
    size_t len = 0;
    _cleanup_error_ struct error *e = base64_decode(text, 64, &out, &len);
    assert_non_null(e);
    assert_null(out);
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        _cleanup_free_ char *text = base64_encode(pairs[i][0], strlen(pairs[i][0]));
        _cleanup_free_ unsigned char *back = NULL;
        size_t len = 0;
        assert_string_equal(text, pairs[i][1]);
        assert_null(base64_decode(text, 64, &back, &len));
        assert_int_equal(len, strlen(pairs[i][0]));
        assert_string_equal((char *)back, pairs[i][0]);
    }
    decode_fails("Zg=");
    decode_fails("Zg");
    decode_fails("Zh==");
    decode_fails("Zm9=");
    decode_fails("=g==");
    decode_fails("Zg==Zg==");
    decode_fails("Zm 9");
    decode_fails("Z===");
    decode_fails("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

static void test_seal(void **state)
{
    unsigned char key[SEAL_KEY_SIZE], *out = NULL;
    size_t len = 0;
    (void)state;
    seal_key_random(key);
    _cleanup_free_ unsigned char *box = seal(key, "secret", 6, "for", 3);
    assert_null(seal_open(key, box, 6 + SEAL_OVERHEAD, "for", 3, &out, &len));
    assert_int_equal(len, 6);
    assert_string_equal((char *)out, "secret");
    free(out);
    out = NULL;
    for (size_t i = 0; i < 6 + SEAL_OVERHEAD; i++) {
        box[i] ^= 1;
        _cleanup_error_ struct error *e =
            seal_open(key, box, 6 + SEAL_OVERHEAD, "for", 3, &out, &len);
        assert_true(error_is(e, &ERROR_DENIED));
        box[i] ^= 1;
    }
    _cleanup_error_ struct error *other =
        seal_open(key, box, 6 + SEAL_OVERHEAD, "nay", 3, &out, &len);
    assert_true(error_is(other, &ERROR_DENIED));
    _cleanup_error_ struct error *cut = seal_open(key, box, 5, "for", 3, &out, &len);
    assert_true(error_is(cut, &ERROR_DENIED));
    assert_null(out);
    assert_true(secret_equal("abc", "abc", 3));
    assert_false(secret_equal("abc", "abd", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
