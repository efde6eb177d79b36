/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crypto/base64.h"
#include <stdint.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/base/str.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
    const unsigned char *in = data;
    struct str out = STR_INIT;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16;
        v |= have > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        v |= have > 2 ? in[i + 2] : 0;
        str_add_char(&out, alphabet[v >> 18]);
        str_add_char(&out, alphabet[v >> 12 & 63]);
        str_add_char(&out, have > 1 ? alphabet[v >> 6 & 63] : '=');
        str_add_char(&out, have > 2 ? alphabet[v & 63] : '=');
    }
    return str_take(&out);
}

static int digit(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

/* One group of four; returns its bytes, 0 where it is not valid. */
static size_t decode_group(const char *in, bool last, unsigned char *out)
{
    size_t pad = last ? (in[3] == '=') + (in[3] == '=' && in[2] == '=') : 0;
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int d = i >= 4 - pad ? 0 : digit(in[i]);
        if (d < 0)
            return 0;
        v = v << 6 | (uint32_t)d;
    }
    if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)))
        return 0;
    out[0] = (unsigned char)(v >> 16);
    out[1] = (unsigned char)(v >> 8);
    out[2] = (unsigned char)v;
    return 3 - pad;
}

struct error *base64_decode(const char *text, size_t max, unsigned char **ret, size_t *ret_len)
{
    size_t len = strnlen(text, max + 1), done = 0;
    if (len > max)
        return error_new(ERROR_TOO_LARGE, "base64 text is longer than %zu bytes", max);
    if (len % 4)
        return error_new(ERROR_INVALID, "base64 text lacks its padding");
    _cleanup_free_ unsigned char *out = xmalloc(len / 4 * 3 + 1);
    for (size_t i = 0; i < len; i += 4) {
        size_t n = decode_group(text + i, i + 4 == len, out + done);
        if (!n)
            return error_new(ERROR_INVALID, "text is not base64");
        done += n;
    }
    out[done] = 0;
    *ret = TAKE_PTR(out);
    *ret_len = done;
    return NULL;
}
