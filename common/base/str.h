/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_STR_H
#define COMMON_BASE_STR_H
/* Text: a growing buffer, and small questions about C strings.  A struct str starts zeroed (STR_INIT);
 * its data is NUL-terminated whenever it is not NULL.  One owner, no locking. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "common/base/error.h"

struct str {
    char *data; /* NULL while empty and never written */
    size_t len; /* bytes before the NUL */
    size_t cap;
};
#define STR_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void str_free(struct str *s);
void str_clear(struct str *s);
void str_reserve(struct str *s, size_t more);
void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const void *data, size_t len);
void str_add_char(struct str *s, char c);
void str_printf(struct str *s, const char *format, ...) _printf_(2, 3);
/* Hands the text over; an empty buffer yields an allocated "". */
char *str_take(struct str *s);
/* The text, never NULL. */
const char *str_text(const struct str *s);
#define _cleanup_str_ _cleanup_(str_free)

static inline bool streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}
/* NULL equals NULL only. */
static inline bool streq_null(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
/* Lower-case hex of len bytes, allocated. */
char *hex_encode(const void *data, size_t len);
/* Decodes exactly 2 * len hex digits of either case into `ret`. */
struct error *hex_decode(const char *text, void *ret, size_t len) _must_check_;
/* Whole-string unsigned decimal of at most `max`; no sign, no spaces. */
struct error *parse_u64(const char *text, uint64_t max, uint64_t *ret) _must_check_;
/* True where the first len bytes are valid UTF-8 without NUL. */
bool utf8_valid(const char *text, size_t len);
/* The next piece of *cursor up to `sep` (allocated); NULL when there is none left. */
char *str_next_piece(const char **cursor, char sep);
#endif
