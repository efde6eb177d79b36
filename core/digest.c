/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/digest.h"
#include "common/base/str.h"
#include "common/crypto/digest.h"

uint64_t digest_object(enum object_kind kind, const char *id, uint64_t generation)
{
    _cleanup_str_ struct str text = STR_INIT;
    str_printf(&text, "%s %s %ju", object_kind_name(kind), id, (uintmax_t)generation);
    unsigned char sum[32];
    sha256(text.data, text.len, sum);
    uint64_t first = 0;
    for (int k = 0; k < 8; k++)
        first = first << 8 | sum[k];
    return first;
}
