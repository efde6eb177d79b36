/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRYPTO_BASE64_H
#define COMMON_CRYPTO_BASE64_H
/* Base64 of RFC 4648 with padding. */
#include <stddef.h>
#include "common/base/error.h"

char *base64_encode(const void *data, size_t len);
/* Strict: no spaces, padding needed, unused bits zero; more than `max` bytes of text are refused.
 * The result is allocated and has a NUL after its len bytes. */
struct error *base64_decode(const char *text, size_t max, unsigned char **ret, size_t *ret_len)
    _must_check_;
#endif
