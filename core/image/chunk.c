/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/image/chunk.h"
#include <zstd.h>
#include "common/base/mem.h"
#include "common/crypto/digest.h"

#define LEVEL 3

enum {
    METHOD_STORED,
    METHOD_ZSTD,
};

struct bound {
    char label[8];
    char image[ID_MAX + 1]; /* zeros after the text */
    unsigned char edition[IMAGE_EDITION];
    unsigned char at[8], len[8];
};

static void put_be64(unsigned char to[8], uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (unsigned char)(value >> (56 - 8 * i));
}

static struct bound bound_of(const struct image_manifest *m, uint64_t at)
{
    struct bound b = {.label = "mlchunk"};
    memcpy(b.image, m->image.text, strlen(m->image.text));
    memcpy(b.edition, m->edition, sizeof b.edition);
    put_be64(b.at, at);
    put_be64(b.len, image_chunk_len(m, at));
    return b;
}

bool image_all_zero(const void *data, size_t len)
{
    const unsigned char *p = data;
    return !len || (!p[0] && memcmp(p, p + 1, len - 1) == 0);
}

/* The method's byte and the payload, which is never longer than the chunk itself. */
static unsigned char *pack(const void *plain, size_t len, size_t *ret_len)
{
    unsigned char *out = xmalloc(len + 1);
    size_t got = ZSTD_compress(out + 1, len, plain, len, LEVEL); /* an error where it does not get shorter */
    out[0] = ZSTD_isError(got) ? METHOD_STORED : METHOD_ZSTD;
    if (ZSTD_isError(got)) {
        memcpy(out + 1, plain, len);
        got = len;
    }
    *ret_len = got + 1;
    return out;
}

struct error *image_chunk_add(struct image_manifest *m, const void *plain, size_t len, unsigned char **ret_box,
                              size_t *ret_len)
{
    uint64_t at = m->entries.len;
    if (!len || len != image_chunk_len(m, at))
        return error_new(ERROR_INVALID, "chunk %ju of %s came with %zu bytes", (uintmax_t)at, m->image.text, len);
    struct bound b = bound_of(m, at);
    if (m->entries.len == m->entries.cap && !m->entries.cap) { /* once, so that growing leaves no keys behind */
        m->entries.cap = image_chunks(m);
        m->entries.data = xcalloc(m->entries.cap, sizeof *m->entries.data);
    }
    struct image_entry *entry = array_add(&m->entries);
    *ret_box = NULL;
    *ret_len = 0;
    if (image_all_zero(plain, len))
        return NULL;
    size_t packed_len;
    unsigned char *packed = pack(plain, len, &packed_len);
    sha256(plain, len, entry->sum);
    seal_key_random(entry->key);
    *ret_box = seal(entry->key, packed, packed_len, &b, sizeof b);
    *ret_len = packed_len + SEAL_OVERHEAD;
    entry->box_len = (uint32_t)*ret_len;
    wipe(packed, packed_len);
    free(packed);
    return NULL;
}

static struct error *unpack(const unsigned char *packed, size_t len, void *plain, size_t plain_len)
{
    size_t got = 0;
    if (len && packed[0] == METHOD_STORED && len - 1 == plain_len) {
        memcpy(plain, packed + 1, plain_len);
        got = plain_len;
    } else if (len && packed[0] == METHOD_ZSTD) {
        got = ZSTD_decompress(plain, plain_len, packed + 1, len - 1); /* never writes past plain_len */
    }
    if (ZSTD_isError(got) || got != plain_len)
        return error_new(ERROR_INVALID, "it does not unpack to its %zu bytes", plain_len);
    return NULL;
}

bool image_chunk_is(const struct image_manifest *m, uint64_t at, const void *plain)
{
    size_t len = image_chunk_len(m, at);
    unsigned char sum[32];
    if (!len || at >= m->entries.len)
        return false;
    if (!m->entries.data[at].box_len)
        return image_all_zero(plain, len);
    sha256(plain, len, sum);
    return secret_equal(sum, m->entries.data[at].sum, sizeof sum);
}

struct error *image_chunk_open(const struct image_manifest *m, uint64_t at, const void *box, size_t box_len,
                               void *plain)
{
    size_t len = image_chunk_len(m, at), packed_len = 0;
    unsigned char *packed = NULL;
    if (!len || at >= m->entries.len)
        return error_new(ERROR_INVALID, "%s has no chunk %ju", m->image.text, (uintmax_t)at);
    const struct image_entry *entry = &m->entries.data[at];
    if (!entry->box_len && !box_len) {
        memset(plain, 0, len);
        return NULL;
    }
    if (box_len != entry->box_len)
        return error_new(ERROR_DENIED, "chunk %ju of %s has %zu bytes, its manifest says %u", (uintmax_t)at,
                         m->image.text, box_len, (unsigned)entry->box_len);
    struct bound b = bound_of(m, at);
    struct error *e = seal_open(entry->key, box, box_len, &b, sizeof b, &packed, &packed_len);
    if (!e)
        e = unpack(packed, packed_len, plain, len);
    if (packed)
        wipe(packed, packed_len);
    free(packed);
    return error_wrap(e, "chunk %ju of %s", (uintmax_t)at, m->image.text);
}
