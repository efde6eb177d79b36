/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_CHECKSUM_H
#define OBJECT_STORE_CHECKSUM_H
/* The checksums that S3 lets clients choose, by name. */
#include <stdbool.h>
#include <stdint.h>
#include "common/crypto/digest.h"

enum checksum {
    CHECKSUM_NONE,
    CHECKSUM_CRC32,
    CHECKSUM_CRC32C,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256,
    CHECKSUM_CRC64NVME,
    CHECKSUM_COUNT,
};

/* "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32". */
const char *checksum_name(enum checksum c);
const char *checksum_header(enum checksum c);
const char *checksum_element(enum checksum c);
/* By name or header, any case; CHECKSUM_NONE for others. */
enum checksum checksum_by_name(const char *name);
enum checksum checksum_by_header(const char *header);
bool checksum_is_crc(enum checksum c);
size_t checksum_size(enum checksum c);

/* A running checksum. */
struct checksum_state {
    enum checksum kind;
    uint64_t crc;
    struct digest *digest;
};
void checksum_start(struct checksum_state *s, enum checksum kind);
void checksum_add(struct checksum_state *s, const void *data, size_t len);
/* Base64, allocated. */
char *checksum_end(struct checksum_state *s);
void checksum_free(struct checksum_state *s);
#endif
