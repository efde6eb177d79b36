/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/call.h"
#include "object-store/s3-error.h"

static struct error *said(const struct error_code *code)
{
    return error_new_code(code, "%s", code->message);
}

/* `list` is "*" or entity tags between commas, quoted or not. */
static bool tag_in(const char *list, const char *etag)
{
    const char *cursor = list;
    char *piece;
    bool found = false;
    while ((piece = str_next_piece(&cursor, ','))) {
        char *word = piece + strspn(piece, " \"");
        word[strcspn(word, "\" ")] = 0;
        found = found || streq(word, "*") || streq(word, etag);
        free(piece);
    }
    return found;
}

static bool date(const char *text, int64_t *ret_ms)
{
    return text && http_date_parse(text, ret_ms);
}

struct error *conditions_read(const struct call *c, const struct object *o)
{
    const char *match = call_header(c, "if-match"), *none = call_header(c, "if-none-match");
    int64_t at = 0, second = o->modified / 1000 * 1000;
    if (match && !tag_in(match, o->etag))
        return said(&S3_PRECONDITION);
    if (!match && date(call_header(c, "if-unmodified-since"), &at) && second > at)
        return said(&S3_PRECONDITION);
    if (none && tag_in(none, o->etag))
        return said(&S3_NOT_MODIFIED);
    if (!none && date(call_header(c, "if-modified-since"), &at) && second <= at)
        return said(&S3_NOT_MODIFIED);
    return NULL;
}

struct error *conditions_write(const struct call *c, const struct object *o)
{
    const char *match = call_header(c, "if-match"), *none = call_header(c, "if-none-match");
    if (none && !streq(none, "*"))
        return said(&S3_NOT_HAD);
    if (none && o)
        return said(&S3_PRECONDITION);
    if (match && !o)
        return said(&S3_NO_KEY);
    if (match && !tag_in(match, o->etag))
        return said(&S3_PRECONDITION);
    return NULL;
}

struct error *conditions_copy(const struct call *c, const struct object *o)
{
    const char *match = call_header(c, "x-amz-copy-source-if-match");
    const char *none = call_header(c, "x-amz-copy-source-if-none-match");
    int64_t at = 0, second = o->modified / 1000 * 1000;
    if (match && !tag_in(match, o->etag))
        return said(&S3_PRECONDITION);
    if (!match && date(call_header(c, "x-amz-copy-source-if-unmodified-since"), &at) && second > at)
        return said(&S3_PRECONDITION);
    if (none && tag_in(none, o->etag))
        return said(&S3_PRECONDITION);
    if (!none && date(call_header(c, "x-amz-copy-source-if-modified-since"), &at) && second <= at)
        return said(&S3_PRECONDITION);
    return NULL;
}
