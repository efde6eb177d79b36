/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/receiver.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crc/crc.h"
#include "common/crypto/base64.h"

#define BUFFER (1024 * 1024)

struct receiver {
    struct engine *engine;
    struct engine_file *file;
    struct str buffer, crcs;
    uint64_t size;
    uint32_t block_crc;
    size_t block_len;
    struct digest *md5, *sha256;
    struct checksum_state chosen, own;
};

struct receiver *receiver_new(struct engine *e, enum checksum kind, bool sha256)
{
    struct receiver *r = xnew0(struct receiver);
    r->engine = e;
    r->md5 = digest_new(DIGEST_MD5);
    r->sha256 = sha256 ? digest_new(DIGEST_SHA256) : NULL;
    checksum_start(&r->chosen, kind);
    checksum_start(&r->own, CHECKSUM_CRC64NVME);
    return r;
}

void receiver_free(struct receiver *r)
{
    if (!r)
        return;
    engine_file_free(r->file);
    str_free(&r->buffer);
    str_free(&r->crcs);
    digest_free(r->md5);
    digest_free(r->sha256);
    checksum_free(&r->chosen);
    checksum_free(&r->own);
    free(r);
}

void receiver_take(struct receiver *r, const void *data, size_t len)
{
    str_add_n(&r->buffer, data, len);
}

bool receiver_full(const struct receiver *r)
{
    return r->buffer.len >= BUFFER;
}

static void end_block(struct receiver *r)
{
    unsigned char raw[4];
    for (unsigned i = 0; i < 4; i++)
        raw[i] = (unsigned char)(r->block_crc >> (8 * i));
    str_add_n(&r->crcs, raw, 4);
    r->block_crc = 0;
    r->block_len = 0;
}

static void add_block_crcs(struct receiver *r, const char *data, size_t len)
{
    while (len) {
        size_t n = ENGINE_BLOCK - r->block_len < len ? ENGINE_BLOCK - r->block_len : len;
        r->block_crc = crc32c_add(r->block_crc, data, n);
        r->block_len += n;
        data += n;
        len -= n;
        if (r->block_len == ENGINE_BLOCK)
            end_block(r);
    }
}

static void digest_buffer(struct receiver *r)
{
    const char *data = str_text(&r->buffer);
    size_t len = r->buffer.len;
    digest_add(r->md5, data, len);
    if (r->sha256)
        digest_add(r->sha256, data, len);
    checksum_add(&r->chosen, data, len);
    checksum_add(&r->own, data, len);
    add_block_crcs(r, data, len);
    r->size += len;
}

struct error *receiver_flush(struct receiver *r)
{
    digest_buffer(r);
    if (!r->file)
        RETURN_IF_ERROR(engine_file_new(r->engine, &r->file));
    RETURN_IF_ERROR(engine_file_add(r->file, str_text(&r->buffer), r->buffer.len));
    str_clear(&r->buffer);
    return NULL;
}

void received_free(struct received *d)
{
    free(d->checksum);
    free(d->crc64nvme);
    free(d->crcs);
    free(d->file);
    free(d->bytes);
    memset(d, 0, sizeof *d);
}

static void end_digests(struct receiver *r, struct received *ret)
{
    unsigned char raw[DIGEST_MAX];
    size_t len = 0;
    digest_final(r->md5, raw, &len);
    _cleanup_free_ char *hex = hex_encode(raw, len);
    _cleanup_free_ char *base64 = base64_encode(raw, len);
    memcpy(ret->md5, hex, sizeof ret->md5);
    memcpy(ret->md5_base64, base64, sizeof ret->md5_base64);
    if (r->sha256) {
        digest_final(r->sha256, raw, &len);
        _cleanup_free_ char *sha = hex_encode(raw, len);
        memcpy(ret->sha256, sha, sizeof ret->sha256);
    }
    ret->checksum = r->chosen.kind ? checksum_end(&r->chosen) : NULL;
    ret->crc64nvme = checksum_end(&r->own);
}

struct error *receiver_finish(struct receiver *r, struct received *ret)
{
    if (r->file || r->buffer.len > RECEIVER_INLINE) {
        RETURN_IF_ERROR(receiver_flush(r));
    } else {
        digest_buffer(r);
        ret->bytes = xmemdup(str_text(&r->buffer), r->buffer.len + 1);
    }
    if (r->block_len)
        end_block(r);
    ret->size = r->size;
    end_digests(r, ret);
    ret->crcs_len = r->crcs.len;
    ret->crcs = (unsigned char *)str_take(&r->crcs);
    return NULL;
}

struct error *receiver_keep(struct receiver *r, struct received *ret)
{
    return r->file ? engine_file_keep(r->file, &ret->file) : NULL;
}
