/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRYPTO_WRAP_H
#define COMMON_CRYPTO_WRAP_H
/* A secret for one receiver: X25519 with a fresh key for each box, HKDF-SHA-256, AES-256-GCM.
 *
 * The receiver has a pair; its public half is enrolled with whoever wraps.  The box is the fresh public key, then a
 * sealed box (common/crypto/seal.h).  `bound` is authenticated and not stored: both sides say what the secret is for. */
#include <stddef.h>
#include "common/base/error.h"

#define WRAP_KEY_SIZE 32
#define WRAP_OVERHEAD (32 + 28)

struct wrap_pair {
    unsigned char secret[WRAP_KEY_SIZE], public[WRAP_KEY_SIZE];
};

void wrap_pair_random(struct wrap_pair *ret);
/* The pair of a stored secret. */
struct error *wrap_pair_of(const unsigned char secret[WRAP_KEY_SIZE], struct wrap_pair *ret) _must_check_;
/* Reads the pair at `path`, or makes it there, mode 0600, durably. */
struct error *wrap_pair_file(const char *path, struct wrap_pair *ret) _must_check_;

/* Allocated, len + WRAP_OVERHEAD bytes.  ERROR_INVALID where `public` is no good key. */
struct error *wrap_seal(const unsigned char public[WRAP_KEY_SIZE], const void *data, size_t len, const void *bound,
                        size_t bound_len, unsigned char **ret, size_t *ret_len) _must_check_;
/* ERROR_DENIED where pair, box or bound differ. */
struct error *wrap_open(const struct wrap_pair *pair, const void *box, size_t box_len, const void *bound,
                        size_t bound_len, unsigned char **ret, size_t *ret_len) _must_check_;
#endif
