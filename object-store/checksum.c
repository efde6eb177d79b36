/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/checksum.h"
#include <string.h>
#include <strings.h>
#include "common/crc/crc.h"
#include "common/crypto/base64.h"

static const struct {
    const char *name, *header, *element;
    size_t size;
} rows[CHECKSUM_COUNT] = {
    [CHECKSUM_NONE] = {"", "", "", 0},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
};

const char *checksum_name(enum checksum c)
{
    return rows[c].name;
}

const char *checksum_header(enum checksum c)
{
    return rows[c].header;
}

const char *checksum_element(enum checksum c)
{
    return rows[c].element;
}

enum checksum checksum_by_name(const char *name)
{
    for (enum checksum c = CHECKSUM_NONE + 1; c < CHECKSUM_COUNT; c++)
        if (!strcasecmp(rows[c].name, name))
            return c;
    return CHECKSUM_NONE;
}

enum checksum checksum_by_header(const char *header)
{
    for (enum checksum c = CHECKSUM_NONE + 1; c < CHECKSUM_COUNT; c++)
        if (!strcasecmp(rows[c].header, header))
            return c;
    return CHECKSUM_NONE;
}

bool checksum_is_crc(enum checksum c)
{
    return c == CHECKSUM_CRC32 || c == CHECKSUM_CRC32C || c == CHECKSUM_CRC64NVME;
}

size_t checksum_size(enum checksum c)
{
    return rows[c].size;
}

void checksum_start(struct checksum_state *s, enum checksum kind)
{
    s->kind = kind;
    s->crc = 0;
    s->digest = NULL;
    if (kind == CHECKSUM_SHA1 || kind == CHECKSUM_SHA256)
        s->digest = digest_new(kind == CHECKSUM_SHA1 ? DIGEST_SHA1 : DIGEST_SHA256);
}

void checksum_add(struct checksum_state *s, const void *data, size_t len)
{
    if (s->digest)
        digest_add(s->digest, data, len);
    else if (s->kind == CHECKSUM_CRC32)
        s->crc = crc32_add((uint32_t)s->crc, data, len);
    else if (s->kind == CHECKSUM_CRC32C)
        s->crc = crc32c_add((uint32_t)s->crc, data, len);
    else if (s->kind == CHECKSUM_CRC64NVME)
        s->crc = crc64nvme_add(s->crc, data, len);
}

char *checksum_end(struct checksum_state *s)
{
    unsigned char raw[DIGEST_MAX];
    size_t len = rows[s->kind].size;
    if (s->digest) {
        digest_final(s->digest, raw, &len);
    } else {
        for (size_t i = 0; i < len; i++)
            raw[i] = (unsigned char)(s->crc >> (8 * (len - 1 - i)));
    }
    return base64_encode(raw, len);
}

void checksum_free(struct checksum_state *s)
{
    digest_free(s->digest);
    s->digest = NULL;
}
