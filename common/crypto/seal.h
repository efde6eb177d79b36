/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRYPTO_SEAL_H
#define COMMON_CRYPTO_SEAL_H
/* AES-256-GCM with a random 96-bit nonce: nonce | ciphertext | tag.  `bound` is authenticated and not
 * stored: who opens must know it (what the secret is for).  One key seals at most 2^32 boxes. */
#include <stddef.h>
#include "common/base/error.h"

#define SEAL_KEY_SIZE 32
#define SEAL_OVERHEAD 28

void seal_key_random(unsigned char ret[SEAL_KEY_SIZE]);
/* Allocated, len + SEAL_OVERHEAD bytes. */
unsigned char *seal(const unsigned char key[SEAL_KEY_SIZE], const void *data, size_t len,
                    const void *bound, size_t bound_len);
/* ERROR_DENIED where key, box or bound differ.  The result has a NUL after its len bytes. */
struct error *seal_open(const unsigned char key[SEAL_KEY_SIZE], const void *box, size_t box_len,
                        const void *bound, size_t bound_len, unsigned char **ret, size_t *ret_len)
    _must_check_;
#endif
