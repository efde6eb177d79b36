/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/copy-source.h"
#include "api/uri.h"
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "object-store/s3-error.h"

void copy_source_free(struct copy_source *s)
{
    free(s->bucket);
    free(s->key);
    memset(s, 0, sizeof *s);
}

struct error *copy_source_parse(struct call *c, struct copy_source *ret)
{
    const char *text = call_header(c, "x-amz-copy-source");
    struct str plain = STR_INIT;
    if (!text || !*text)
        return error_new(S3_INVALID_ARGUMENT, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    size_t len = strcspn(text, "?");
    if (text[len] && !streq(text + len, "?versionId=null"))
        return error_new_code(&S3_NOT_HAD, "%s", S3_NOT_HAD.message);
    bool ok = uri_decode(&plain, text, len, false) && utf8_valid(str_text(&plain), plain.len);
    _cleanup_free_ char *whole = str_take(&plain);
    const char *from = whole + (whole[0] == '/');
    const char *slash = strchr(from, '/');
    if (!ok || !slash || slash == from || !slash[1])
        return error_new(S3_INVALID_ARGUMENT, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    ret->bucket = xstrndup(from, (size_t)(slash - from));
    ret->key = xstrdup(slash + 1);
    ret->key_len = strlen(ret->key);
    return NULL;
}

struct error *copy_source_object(struct call *c, struct db_tx *tx, const struct copy_source *s, struct object *ret)
{
    struct bucket b;
    const char *owner = call_header(c, "x-amz-source-expected-bucket-owner");
    RETURN_IF_ERROR(index_bucket(tx, s->bucket, &b));
    if (!streq(b.account, c->account.id) || (owner && !streq(owner, b.account)))
        return error_new_code(&S3_ACCESS_DENIED, "%s", S3_ACCESS_DENIED.message);
    return index_object(tx, b.id, (struct key){s->key, s->key_len}, true, ret);
}

struct error *kept_body_digests(struct call *c)
{
    size_t len = 0, headers_len = 0;
    const char *body = http_request_body(c->http, &len), *md5_header = call_header(c, "content-md5");
    const struct http_header *headers = http_request_headers(c->http, &headers_len);
    unsigned char raw[MD5_SIZE];
    md5(body, len, raw);
    _cleanup_free_ char *own = base64_encode(raw, sizeof raw);
    if (md5_header && !streq(md5_header, own))
        return error_new_code(&S3_BAD_DIGEST, "%s", S3_BAD_DIGEST.message);
    for (size_t i = 0; i < headers_len; i++) {
        struct checksum_state s;
        enum checksum kind = checksum_by_header(headers[i].name);
        if (!kind)
            continue;
        checksum_start(&s, kind);
        checksum_add(&s, body, len);
        _cleanup_free_ char *sum = checksum_end(&s);
        checksum_free(&s);
        if (!streq(sum, headers[i].value))
            return error_new_code(&S3_BAD_DIGEST, "%s", S3_BAD_DIGEST.message);
    }
    return NULL;
}
