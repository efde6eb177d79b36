/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

static void out(void *arg, const void *data, size_t len)
{
    str_add_n(arg, data, len);
}

static struct error *decode(enum chunked_mode mode, const char *text, size_t len, size_t slice, struct str *to,
                            uint64_t max)
{
    struct sigv4_result sig = {.region = "us-east-1", .service = "s3", .date = "20130524T000000Z"};
    _cleanup_(chunked_freep) struct chunked *c = chunked_new(mode, &sig, max, out, to);
    uint64_t size = 0;
    for (size_t at = 0; at < len; at += slice)
        RETURN_IF_ERROR(chunked_feed(c, text + at, len - at < slice ? len - at : slice));
    RETURN_IF_ERROR(chunked_end(c, &size));
    assert_int_equal(size, to->len);
    if (strstr(text, "x-amz-checksum-crc32"))
        assert_string_equal(chunked_trailer(c, "x-amz-checksum-crc32"), "AAAAAA==");
    return NULL;
}

static void test_chunks_in_any_slices(void **state)
{
    static const char text[] = "5\r\nhello\r\nA\r\n, \r\nworld!\r\n0\r\nX-Amz-Checksum-Crc32: AAAAAA==\r\n\r\nx-amz-checksum-crc32";
    size_t len = strlen(text) - strlen("x-amz-checksum-crc32");
    (void)state;
    for (size_t slice = 1; slice <= len; slice++) {
        _cleanup_str_ struct str to = STR_INIT;
        assert_null(decode(CHUNKED_UNSIGNED_TRAILER, text, len, slice, &to, 100));
        assert_string_equal(to.data, "hello, \r\nworld!");
    }
}

static void refuse(enum chunked_mode mode, const char *text, uint64_t max, const struct error_code *code)
{
    for (size_t slice = 1; slice <= strlen(text) + 2; slice += strlen(text) + 1) {
        _cleanup_str_ struct str to = STR_INIT;
        _cleanup_error_ struct error *e = decode(mode, text, strlen(text), slice, &to, max);
        if (!error_is(e, code))
            fail_msg("%s: %s", text, e ? error_message(e) : "taken");
    }
}

static void test_bad_chunks(void **state)
{
    static const char *const bad[] = {
        "", "5\r\nhello", "5\r\nhello\r\n", "5\nhello\r\n0\r\n\r\n", "\r\n", "g\r\n", "-1\r\n", "+5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "0\r\nno colon\r\n\r\n", "0\r\n\r\nmore",
        "fffffffffffffffff\r\n", "0\r\nx-amz-trailer-signature:00\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        refuse(CHUNKED_UNSIGNED_TRAILER, bad[i], 1000, &S3_INCOMPLETE_BODY);
    refuse(CHUNKED_UNSIGNED_TRAILER, "6\r\nhello!\r\n0\r\n\r\n", 5, &S3_ENTITY_TOO_LARGE);
    refuse(CHUNKED_UNSIGNED_TRAILER, "fffffffffffff\r\n", 5, &S3_ENTITY_TOO_LARGE);
    refuse(CHUNKED_SIGNED, "5\r\nhello\r\n0\r\n\r\n", 100, &S3_INCOMPLETE_BODY);
    refuse(CHUNKED_SIGNED, "5;chunk-signature=0000000000000000000000000000000000000000000000000000000000000000\r\nhello\r\n0\r\n\r\n",
           100, &S3_SIGNATURE);
}

static void test_dates(void **state)
{
    int64_t ms = 0;
    _cleanup_free_ char *text = http_date(784111777000);
    (void)state;
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_true(http_date_parse(text, &ms));
    assert_true(ms == 784111777000);
    assert_false(http_date_parse("yesterday", &ms));
}

static void test_checksums(void **state)
{
    static const struct {
        enum checksum kind;
        const char *value;
    } rows[] = {
        {CHECKSUM_CRC32, "y/Q5Jg=="},
        {CHECKSUM_CRC32C, "4waSgw=="},
        {CHECKSUM_SHA1, "98O8HYCOBHMq32eZZczDTKeuNEE="},
        {CHECKSUM_SHA256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="},
        {CHECKSUM_CRC64NVME, "rosUhgp5mIg="},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct checksum_state s;
        checksum_start(&s, rows[i].kind);
        checksum_add(&s, "1234", 4);
        checksum_add(&s, "56789", 5);
        _cleanup_free_ char *value = checksum_end(&s);
        checksum_free(&s);
        assert_string_equal(value, rows[i].value);
        assert_int_equal(checksum_by_header(checksum_header(rows[i].kind)), rows[i].kind);
    }
}

/* The detail keeps what it was told; a copy of the upload's framing is not kept. */
static void test_detail(void **state)
{
    char *detail = xstrdup("{\"headers\":{}}");
    enum checksum kind = CHECKSUM_NONE;
    char *value = NULL, *type = NULL;
    (void)state;
    assert_false(detail_checksum(detail, &kind, &value, &type));
    detail_set_checksum(&detail, CHECKSUM_CRC32C, "4waSgw==", "FULL_OBJECT");
    detail_set_parts(&detail, 3, "u1");
    assert_true(detail_checksum(detail, &kind, &value, &type));
    assert_int_equal(kind, CHECKSUM_CRC32C);
    assert_string_equal(value, "4waSgw==");
    assert_string_equal(type, "FULL_OBJECT");
    assert_int_equal(detail_parts(detail), 3);
    assert_true(detail_made_by(detail, "u1"));
    assert_false(detail_made_by(detail, "u2"));
    free(value);
    free(type);
    free(detail);
}

static void test_receiver(void **state)
{
    char folder[] = "/tmp/test-store-XXXXXX";
    _cleanup_(engine_closep) struct engine *e = NULL;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_null(engine_open(folder, &e));
    for (size_t size = RECEIVER_INLINE - 1; size <= RECEIVER_INLINE + 1; size++) {
        _cleanup_(receiver_freep) struct receiver *r = receiver_new(e, CHECKSUM_NONE, false);
        _cleanup_(received_free) struct received d = {0};
        _cleanup_free_ char *body = xcalloc(1, size);
        receiver_take(r, body, size);
        assert_null(receiver_finish(r, &d));
        assert_null(receiver_keep(r, &d));
        assert_int_equal(d.size, size);
        assert_int_equal(d.crcs_len, 4);
        assert_true((d.file != NULL) == (size > RECEIVER_INLINE));
        if (d.file) {
            bool gone = false;
            int fd = -1;
            assert_null(engine_read(e, d.file, &fd));
            assert_null(engine_remove(e, d.file, &gone));
            assert_false(gone); /* pinned */
            engine_release(e, d.file, fd);
            assert_null(engine_remove(e, d.file, &gone));
            assert_true(gone);
        }
    }
    for (unsigned i = 0; i < 256; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%02x", folder, i);
        assert_int_equal(rmdir(path), 0); /* nothing stays */
    }
    rmdir(folder);
}

static const char *const all_operations[] = {
    "ListBuckets", "GetBucketLocation", "GetBucketAcl", "ListMultipartUploads", "DeleteObjects", "CreateBucket",
    "HeadBucket", "DeleteBucket", "ListObjects", "GetObjectAcl", "GetObjectTagging", "CreateMultipartUpload",
    "UploadPartCopy", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts", "CopyObject",
    "PutObject", "GetObject", "HeadObject", "DeleteObject",
};

static unsigned allowed(enum role role, const char *bucket, const char *key)
{
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(all_operations); i++)
        count += role_allows(role, all_operations[i], bucket, key);
    return count;
}

static void test_roles(void **state)
{
    (void)state;
    assert_int_equal(role_of(NULL), ROLE_NONE);
    assert_int_equal(role_of("node"), ROLE_NODE);
    assert_int_equal(role_of("image-service"), ROLE_IMAGE_SERVICE);
    assert_int_equal(role_of("Node"), ROLE_UNKNOWN);
    assert_int_equal(role_of(""), ROLE_UNKNOWN);
    assert_int_equal(allowed(ROLE_NONE, "mine", "key"), ARRAY_SIZE(all_operations));
    assert_true(role_allows(ROLE_NONE, NULL, NULL, "")); /* its own errors are told */
    assert_int_equal(allowed(ROLE_NONE, "mallee-images", "key"), ARRAY_SIZE(all_operations) - 1);
    assert_false(role_allows(ROLE_NONE, "CreateBucket", "mallee-images", ""));
    assert_int_equal(allowed(ROLE_UNKNOWN, "mallee-images", "chunks/ami-1/e/00000000"), 0);
    for (const char *const *key = (const char *const[]){"chunks/ami-1/e/00000000", "manifests/ami-1", NULL}; *key; key++) {
        assert_int_equal(allowed(ROLE_NODE, "mallee-images", *key), 2);
        assert_true(role_allows(ROLE_NODE, "GetObject", "mallee-images", *key));
        assert_true(role_allows(ROLE_NODE, "HeadObject", "mallee-images", *key));
        assert_int_equal(allowed(ROLE_NODE, "uploads", *key), 0);
        assert_int_equal(allowed(ROLE_IMAGE_SERVICE, "mallee-images", *key), 8);
        assert_int_equal(allowed(ROLE_IMAGE_SERVICE, "uploads", *key), 0);
    }
    assert_int_equal(allowed(ROLE_NODE, "mallee-images", ""), 0);
    assert_int_equal(allowed(ROLE_NODE, "mallee-images", "other/ami-1"), 0);
    assert_int_equal(allowed(ROLE_NODE, NULL, ""), 0);
    assert_int_equal(allowed(ROLE_IMAGE_SERVICE, NULL, ""), 0);
    assert_false(role_allows(ROLE_NODE, NULL, "mallee-images", "manifests/ami-1"));
    assert_false(role_allows(ROLE_IMAGE_SERVICE, "DeleteBucket", "mallee-images", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_in_any_slices), cmocka_unit_test(test_bad_chunks), cmocka_unit_test(test_dates),
        cmocka_unit_test(test_checksums), cmocka_unit_test(test_detail), cmocka_unit_test(test_receiver), cmocka_unit_test(test_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
