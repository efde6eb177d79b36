/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crc/crc.h"
#include <string.h>
#include "common/crc/crc-tables.h"

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_machine(uint32_t crc, const unsigned char *p,
                                                                size_t len)
{
    uint64_t c = crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = __builtin_ia32_crc32di(c, v);
    }
    uint32_t rest = (uint32_t)c;
    for (; len; p++, len--)
        rest = __builtin_ia32_crc32qi(rest, *p);
    return rest;
}
#endif

/* Eight bytes at a time; `state` is a CRC of any width in the low bits. */
#define SLICE_BY_8(table, state, p, len)                                                           \
    do {                                                                                           \
        for (; (len) >= 8; (p) += 8, (len) -= 8) {                                                 \
            uint64_t v_;                                                                           \
            memcpy(&v_, (p), 8);                                                                   \
            v_ ^= (state);                                                                         \
            (state) = table[7][v_ & 255] ^ table[6][v_ >> 8 & 255] ^ table[5][v_ >> 16 & 255] ^    \
                      table[4][v_ >> 24 & 255] ^ table[3][v_ >> 32 & 255] ^                        \
                      table[2][v_ >> 40 & 255] ^ table[1][v_ >> 48 & 255] ^ table[0][v_ >> 56];    \
        }                                                                                          \
        for (; (len); (p)++, (len)--)                                                              \
            (state) = table[0][((state) ^ *(p)) & 255] ^ (state) >> 8;                             \
    } while (0)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "slice-by-8 reads words in little-endian order"
#endif

uint32_t crc32_add(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t state = ~crc;
    SLICE_BY_8(crc32_table, state, p, len);
    return ~state;
}

uint32_t crc32c_add(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t state = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_machine(state, p, len);
#endif
    SLICE_BY_8(crc32c_table, state, p, len);
    return ~state;
}

uint64_t crc64nvme_add(uint64_t crc, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t state = ~crc;
    SLICE_BY_8(crc64nvme_table, state, p, len);
    return ~state;
}

static uint64_t times(const uint64_t *matrix, uint64_t vector)
{
    uint64_t sum = 0;
    for (; vector; vector >>= 1, matrix++)
        if (vector & 1)
            sum ^= *matrix;
    return sum;
}

static void square(uint64_t *to, const uint64_t *from, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        to[i] = times(from, from[i]);
}

uint64_t crc_join(enum crc_kind kind, uint64_t a, uint64_t b, uint64_t b_len)
{
    static const uint64_t polynomials[] = {0xEDB88320, 0x82F63B78, 0x9A6C9329AC4BC9B5};
    unsigned bits = kind == CRC_64NVME ? 64 : 32;
    uint64_t one[64] = {0}, two[64] = {0}, *odd = one, *even = two;
    odd[0] = polynomials[kind]; /* the step of one zero bit */
    for (unsigned i = 1; i < bits; i++)
        odd[i] = UINT64_C(1) << (i - 1);
    square(even, odd, bits); /* two bits */
    square(odd, even, bits); /* four */
    for (; b_len; b_len >>= 1) {
        square(even, odd, bits);
        if (b_len & 1)
            a = times(even, a);
        uint64_t *swap = even;
        even = odd;
        odd = swap;
    }
    return a ^ b;
}
