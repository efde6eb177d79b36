/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/str.h"
#include <stdarg.h>
#include <stdio.h>
#include "common/base/mem.h"

void str_free(struct str *s)
{
    free(s->data);
    *s = (struct str)STR_INIT;
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->data)
        s->data[0] = '\0';
}

void str_reserve(struct str *s, size_t more)
{
    size_t need = s->len + more + 1;
    if (need <= s->cap)
        return;
    size_t cap = s->cap ? s->cap : 64;
    while (cap < need)
        cap *= 2;
    s->data = xreallocarray(s->data, cap, 1);
    s->cap = cap;
}

void str_add_n(struct str *s, const void *data, size_t len)
{
    str_reserve(s, len);
    if (len)
        memcpy(s->data + s->len, data, len);
    s->len += len;
    s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
    str_add_n(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
    str_add_n(s, &c, 1);
}

void str_printf(struct str *s, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        abort();
    str_reserve(s, (size_t)len);
    vsnprintf(s->data + s->len, (size_t)len + 1, format, again);
    va_end(again);
    s->len += (size_t)len;
}

char *str_take(struct str *s)
{
    char *text = s->data ? s->data : xstrdup("");
    *s = (struct str)STR_INIT;
    return text;
}

const char *str_text(const struct str *s)
{
    return s->data ? s->data : "";
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    size_t a = strlen(text), b = strlen(suffix);
    return a >= b && strcmp(text + a - b, suffix) == 0;
}

char *hex_encode(const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    char *text = xmalloc(2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct error *hex_decode(const char *text, void *ret, size_t len)
{
    unsigned char *bytes = ret;
    if (strlen(text) != 2 * len)
        return error_new(ERROR_INVALID, "expected %zu hex digits", 2 * len);
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return error_new(ERROR_INVALID, "not a hex digit");
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return NULL;
}

struct error *parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (!*text)
        return error_new(ERROR_INVALID, "expected a number, got nothing");
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return error_new(ERROR_INVALID, "'%.40s' is not a number", text);
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (max - digit) / 10 || digit > max)
            return error_new(ERROR_INVALID, "'%.40s' is above %ju", text, (uintmax_t)max);
        value = value * 10 + digit;
    }
    *ret = value;
    return NULL;
}

/* Length of the UTF-8 sequence at p with `left` bytes to go; 0 where it is not valid. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (!len || len > left || !p[0])
        return 0;
    if (len == 1)
        return 1;
    uint32_t code = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[len] || code > 0x10ffff || surrogate ? 0 : len;
}

bool utf8_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    while (len) {
        size_t step = utf8_sequence(p, len);
        if (!step)
            return false;
        p += step;
        len -= step;
    }
    return true;
}

char *str_next_piece(const char **cursor, char sep)
{
    const char *start = *cursor;
    if (!start || !*start)
        return NULL;
    const char *end = strchr(start, sep);
    *cursor = end ? end + 1 : NULL;
    return end ? xstrndup(start, (size_t)(end - start)) : xstrdup(start);
}
