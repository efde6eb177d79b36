/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRYPTO_DIGEST_H
#define COMMON_CRYPTO_DIGEST_H
/* Digests and MACs, in one go or as bytes arrive.  A struct digest is made with digest_new(), fed, and closed by
 * digest_final(), after which it may only be freed.  One owner, no locking. */
#include <stdbool.h>
#include <stddef.h>
#include "common/base/cleanup.h"

#define SHA256_SIZE 32
#define SHA1_SIZE   20
#define MD5_SIZE    16
#define DIGEST_MAX  32

void sha256(const void *data, size_t len, unsigned char ret[32]);
void sha1(const void *data, size_t len, unsigned char ret[SHA1_SIZE]);
void md5(const void *data, size_t len, unsigned char ret[MD5_SIZE]);
/* Lower-case hex, allocated. */
char *sha256_hex(const void *data, size_t len);

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char ret[SHA256_SIZE]);
void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
               unsigned char ret[SHA1_SIZE]);

enum digest_kind {
    DIGEST_SHA256,
    DIGEST_SHA1,
    DIGEST_MD5,
};

struct digest;
struct digest *digest_new(enum digest_kind kind);
void digest_add(struct digest *d, const void *data, size_t len);
/* Writes the digest and its size (16, 20 or 32). */
void digest_final(struct digest *d, unsigned char ret[DIGEST_MAX], size_t *ret_len);
void digest_free(struct digest *d);
DEFINE_CLEANUP(struct digest *, digest_free)

/* Compares two secrets of equal length in a time that does not depend on their bytes. */
bool secret_equal(const void *a, const void *b, size_t len);
#endif
