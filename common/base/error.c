/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/error.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/base/mem.h"

const struct error_code ERROR_INTERNAL = {"InternalError", 500, true, "An internal error occurred."};
const struct error_code ERROR_INVALID = {"InvalidParameterValue", 400, false, "Invalid input."};
const struct error_code ERROR_NOT_FOUND = {"NotFound", 404, false, "Not found."};
const struct error_code ERROR_EXISTS = {"AlreadyExists", 409, false, "It is there already."};
const struct error_code ERROR_DENIED = {"AccessDenied", 403, false, "Access denied."};
const struct error_code ERROR_UNAVAILABLE = {"Unavailable", 503, true, "Try again later."};
const struct error_code ERROR_TIMEOUT = {"RequestTimeout", 503, true, "No answer in time."};
const struct error_code ERROR_NO_SPACE = {"Unavailable", 503, true, "No space is left on the disk."};
const struct error_code ERROR_TOO_LARGE = {"RequestEntityTooLarge", 413, false, "Too large."};

struct error {
    const struct error_code *code;
    int err;
    char *message;
    char *origin;
};

static const struct error_code *code_of_errno(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return &ERROR_NO_SPACE;
    case ENOENT:
        return &ERROR_NOT_FOUND;
    case EEXIST:
        return &ERROR_EXISTS;
    case ETIMEDOUT:
        return &ERROR_TIMEOUT;
    default:
        return &ERROR_INTERNAL;
    }
}

_printf_(1, 0) static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

struct error *error_new_at(const char *file, int line, const struct error_code *code, int err,
                           const char *format, ...)
{
    struct error *e = xnew0(struct error);
    va_list args;
    va_start(args, format);
    e->message = format_text(format, args);
    va_end(args);
    e->code = code ? code : code_of_errno(err);
    e->err = err;
    e->origin = xasprintf("%s:%d", file, line);
    if (err) {
        char *with = xasprintf("%s: %s", e->message, strerrordesc_np(err));
        free(e->message);
        e->message = with;
    }
    return e;
}

struct error *error_wrap(struct error *e, const char *format, ...)
{
    if (!e)
        return NULL;
    va_list args;
    va_start(args, format);
    _cleanup_free_ char *what = format_text(format, args);
    va_end(args);
    char *with = xasprintf("%s: %s", what, e->message);
    free(e->message);
    e->message = with;
    return e;
}

struct error *error_recode(struct error *e, const struct error_code *code, const char *format, ...)
{
    if (!e)
        return NULL;
    e->code = code;
    if (format) {
        va_list args;
        va_start(args, format);
        free(e->message);
        e->message = format_text(format, args);
        va_end(args);
    }
    return e;
}

const struct error_code *error_code(const struct error *e)
{
    return e->code;
}

bool error_is(const struct error *e, const struct error_code *code)
{
    return e && e->code == code;
}

int error_errno_of(const struct error *e)
{
    return e->err;
}

const char *error_message(const struct error *e)
{
    return e->message;
}

const char *error_origin(const struct error *e)
{
    return e->origin;
}

struct error *error_free(struct error *e)
{
    if (e) {
        free(e->message);
        free(e->origin);
        free(e);
    }
    return NULL;
}

void error_ignore(struct error *e)
{
    error_free(e);
}
