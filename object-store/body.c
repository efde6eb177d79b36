/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <strings.h>
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

#define OBJECT_MAX (UINT64_C(5) * 1024 * 1024 * 1024)

static struct error *said(const struct error_code *code)
{
    return error_new_code(code, "%s", code->message);
}

/* One x-amz-checksum-* header at most, or an announced trailer; what x-amz-sdk-checksum-algorithm says must agree. */
static struct error *find_checksum(struct call *c)
{
    size_t len = 0;
    const struct http_header *headers = http_request_headers(c->http, &len);
    const char *trailer = call_header(c, "x-amz-trailer");
    const char *sdk = call_header(c, "x-amz-sdk-checksum-algorithm");
    for (size_t i = 0; i < len; i++) {
        enum checksum kind = checksum_by_header(headers[i].name);
        if (!kind)
            continue;
        if (c->checksum || trailer)
            return error_new(S3_INVALID_REQUEST, "Expecting a single x-amz-checksum- header");
        c->checksum = kind;
        c->checksum_expected = headers[i].value;
    }
    if (trailer) {
        c->checksum = checksum_by_header(trailer);
        c->checksum_trailer = true;
        if (!c->checksum)
            return error_new(S3_INVALID_REQUEST, "The value specified in the x-amz-trailer header is not supported");
    }
    if (sdk && checksum_by_name(sdk) == CHECKSUM_NONE)
        return error_new(S3_INVALID_REQUEST, "Checksum algorithm provided is unsupported.");
    if (sdk && c->checksum && checksum_by_name(sdk) != c->checksum)
        return error_new(S3_INVALID_REQUEST, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    return NULL;
}

static struct error *check_md5_header(const struct call *c)
{
    const char *md5 = call_header(c, "content-md5");
    unsigned char *raw = NULL;
    size_t len = 0;
    if (!md5)
        return NULL;
    struct error *e = base64_decode(md5, 64, &raw, &len);
    free(raw);
    if (e || len != MD5_SIZE)
        return error_recode(e ? e : error_new(S3_INVALID_DIGEST, "length"), &S3_INVALID_DIGEST, "%s", S3_INVALID_DIGEST.message);
    return NULL;
}

static void into_receiver(void *arg, const void *data, size_t len)
{
    receiver_take(arg, data, len);
}

static struct error *begin_chunked(struct call *c)
{
    const char *decoded = call_header(c, "x-amz-decoded-content-length");
    enum chunked_mode mode = CHUNKED_UNSIGNED_TRAILER;
    uint64_t size = 0;
    if (!decoded)
        return said(&S3_MISSING_LENGTH);
    struct error *e = parse_u64(decoded, INT64_MAX, &size);
    if (e)
        return error_recode(e, &S3_INVALID_ARGUMENT, "x-amz-decoded-content-length is not a number");
    if (size > OBJECT_MAX)
        return said(&S3_ENTITY_TOO_LARGE);
    if (str_starts(c->payload, "STREAMING-AWS4"))
        mode = str_ends(c->payload, "-TRAILER") ? CHUNKED_SIGNED_TRAILER : CHUNKED_SIGNED;
    if (c->checksum_trailer && mode == CHUNKED_SIGNED)
        return error_new(S3_INVALID_REQUEST, "x-amz-trailer is not expected with this payload");
    c->chunked = chunked_new(mode, &c->sig, size, into_receiver, c->receiver);
    return NULL;
}

struct error *body_begin(struct call *c)
{
    int64_t length = http_request_length(c->http);
    RETURN_IF_ERROR(find_checksum(c));
    RETURN_IF_ERROR(check_md5_header(c));
    if (length > (int64_t)(OBJECT_MAX + OBJECT_MAX / 8))
        return said(&S3_ENTITY_TOO_LARGE);
    bool framed = str_starts(c->payload, "STREAMING-");
    c->receiver = receiver_new(c->store->engine, c->checksum, strlen(c->payload) == 64);
    if (framed)
        return begin_chunked(c);
    if (c->checksum_trailer)
        return error_new(S3_INVALID_REQUEST, "x-amz-trailer is only expected with a STREAMING payload");
    if (length > (int64_t)OBJECT_MAX)
        return said(&S3_ENTITY_TOO_LARGE);
    return NULL;
}

struct error *body_take(struct call *c, const void *data, size_t len)
{
    if (c->chunked)
        return chunked_feed(c->chunked, data, len);
    receiver_take(c->receiver, data, len);
    return NULL;
}

static struct error *end_chunked(struct call *c)
{
    uint64_t size = 0, announced = 0;
    RETURN_IF_ERROR(chunked_end(c->chunked, &size));
    RETURN_IF_ERROR(parse_u64(call_header(c, "x-amz-decoded-content-length"), INT64_MAX, &announced));
    if (size != announced)
        return said(&S3_INCOMPLETE_BODY);
    if (c->checksum_trailer) {
        c->checksum_expected = chunked_trailer(c->chunked, checksum_header(c->checksum));
        if (!c->checksum_expected)
            return error_new(S3_INCOMPLETE_BODY, "The announced trailer %s is missing.", checksum_header(c->checksum));
    }
    return NULL;
}

static struct error *compare(const struct call *c, const struct received *d)
{
    const char *md5 = call_header(c, "content-md5");
    if (strlen(c->payload) == 64 && !streq(c->payload, d->sha256))
        return said(&S3_CONTENT_SHA256);
    if (md5 && !streq(md5, d->md5_base64))
        return said(&S3_BAD_DIGEST);
    if (c->checksum_expected && !streq(c->checksum_expected, d->checksum))
        return error_new(S3_BAD_DIGEST, "The %s you specified did not match the calculated checksum.",
                         checksum_name(c->checksum));
    return NULL;
}

struct error *body_finish(struct call *c, struct received *ret)
{
    if (c->chunked)
        RETURN_IF_ERROR(end_chunked(c));
    RETURN_IF_ERROR(receiver_finish(c->receiver, ret));
    if (ret->size > OBJECT_MAX)
        return said(&S3_ENTITY_TOO_LARGE);
    RETURN_IF_ERROR(compare(c, ret));
    return receiver_keep(c->receiver, ret);
}

static void md5_kept(const char *body, size_t len, struct received *ret)
{
    unsigned char raw[DIGEST_MAX];
    size_t raw_len = 0;
    struct digest *md5 = digest_new(DIGEST_MD5);
    digest_add(md5, body, len);
    digest_final(md5, raw, &raw_len);
    digest_free(md5);
    _cleanup_free_ char *base64 = base64_encode(raw, raw_len);
    memcpy(ret->md5_base64, base64, sizeof ret->md5_base64);
}

/* Only what compare() will look at. */
static void digest_kept(const struct call *c, const char *body, size_t len, struct received *ret)
{
    if (strlen(c->payload) == 64) {
        _cleanup_free_ char *sha = sha256_hex(body, len);
        memcpy(ret->sha256, sha, sizeof ret->sha256);
    }
    if (call_header(c, "content-md5"))
        md5_kept(body, len, ret);
    if (c->checksum) {
        struct checksum_state sum;
        checksum_start(&sum, c->checksum);
        checksum_add(&sum, body, len);
        ret->checksum = checksum_end(&sum);
        checksum_free(&sum);
    }
}

static struct error *check_kept_headers(struct call *c)
{
    RETURN_IF_ERROR(check_md5_header(c));
    /* The checksum beside a completion is the whole object's, not its XML's. */
    if (c->op->body == BODY_XML && !streq(c->op->name, "CompleteMultipartUpload"))
        RETURN_IF_ERROR(find_checksum(c));
    if (c->checksum_trailer)
        return error_new(S3_INVALID_REQUEST, "x-amz-trailer is only expected with a STREAMING payload");
    if (streq(c->op->name, "DeleteObjects") && !call_header(c, "content-md5") && !c->checksum)
        return error_new(S3_INVALID_REQUEST, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
    return NULL;
}

struct error *body_check_kept(struct call *c)
{
    struct received d = {0};
    size_t len = 0;
    const char *body = http_request_body(c->http, &len);
    RETURN_IF_ERROR(check_kept_headers(c));
    digest_kept(c, body, len, &d);
    struct error *e = compare(c, &d);
    received_free(&d);
    return e;
}
