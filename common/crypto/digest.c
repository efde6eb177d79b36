/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crypto/digest.h"
#include <openssl/sha.h>

void sha256(const void *data, size_t len, unsigned char ret[32])
{
    SHA256(data, len, ret);
}
