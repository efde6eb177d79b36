/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/uri.h"

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

void uri_encode(struct str *out, const char *text, size_t len, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (unreserved(c) || (keep_slash && c == '/')) {
            str_add_char(out, (char)c);
        } else {
            str_add_char(out, '%');
            str_add_char(out, digits[c >> 4]);
            str_add_char(out, digits[c & 15]);
        }
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool uri_decode(struct str *out, const char *text, size_t len, bool plus_is_space)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            str_add_char(out, plus_is_space && text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
        int low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        str_add_char(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}
