/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRC_CRC_H
#define COMMON_CRC_CRC_H
/* CRC-32 (zlib's), CRC-32C (Castagnoli) and CRC-64/NVME.  Start with 0 and feed what was returned. Pure. */
#include <stddef.h>
#include <stdint.h>

uint32_t crc32_add(uint32_t crc, const void *data, size_t len);
uint32_t crc32c_add(uint32_t crc, const void *data, size_t len);
uint64_t crc64nvme_add(uint64_t crc, const void *data, size_t len);

enum crc_kind {
    CRC_32,
    CRC_32C,
    CRC_64NVME,
};
/* The CRC of A followed by B from those of A and B and the length of B. */
uint64_t crc_join(enum crc_kind kind, uint64_t a, uint64_t b, uint64_t b_len);
#endif
