/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRYPTO_DIGEST_H
#define COMMON_CRYPTO_DIGEST_H
/* One-shot digests. */
#include <stddef.h>

void sha256(const void *data, size_t len, unsigned char ret[32]);
#endif
