/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H
/* An error on its way up.
 *
 * A fallible function returns struct error * (NULL: success).  Whoever gets one either returns it, wrapped
 * with what it was doing, or handles and frees it.  Who returns an error does not log it.  Low layers use
 * the codes below; the layer that knows the resource sets the service's own code (api/: rows of
 * schemas/errors/<service>.json) with error_recode().  Immutable once returned but for wrapping; one owner. */
#include <stdbool.h>
#include "common/base/cleanup.h"

/* One row of an error table. */
struct error_code {
    const char *wire;  /* the code on the wire, e.g. "InvalidInstanceID.NotFound" */
    int http_status;   /* status of the answer that carries it */
    bool retryable;    /* the same call may succeed later */
    const char *message; /* text where the call gives none */
};

extern const struct error_code ERROR_INTERNAL;    /* a fault of ours or of the machine */
extern const struct error_code ERROR_INVALID;     /* input that does not fit its shape */
extern const struct error_code ERROR_NOT_FOUND;   /* what was named is not there */
extern const struct error_code ERROR_EXISTS;      /* what was to be made is there */
extern const struct error_code ERROR_DENIED;      /* not allowed */
extern const struct error_code ERROR_UNAVAILABLE; /* not now; try again */
extern const struct error_code ERROR_TIMEOUT;     /* unknown outcome: neither done nor failed */
extern const struct error_code ERROR_NO_SPACE;    /* disk full or below min-free */
extern const struct error_code ERROR_TOO_LARGE;   /* past a bound */

struct error;

struct error *error_new_at(const char *file, int line, const struct error_code *code, int err,
                           const char *format, ...) _printf_(5, 6) _must_check_;
/* error_new(code, fmt, ...), error_errno(errno, fmt, ...): ENOSPC and EDQUOT become ERROR_NO_SPACE,
 * ENOENT ERROR_NOT_FOUND, EEXIST ERROR_EXISTS, ETIMEDOUT ERROR_TIMEOUT, others ERROR_INTERNAL. */
#define error_new(code, ...) error_new_at(__FILE__, __LINE__, &(code), 0, __VA_ARGS__)
#define error_errno(err, ...) error_new_at(__FILE__, __LINE__, NULL, (err), __VA_ARGS__)
/* The same from a code held by pointer. */
#define error_new_code(code, ...) error_new_at(__FILE__, __LINE__, (code), 0, __VA_ARGS__)

/* Puts "what: " before the message; takes `e` over and gives it back. NULL stays NULL. */
struct error *error_wrap(struct error *e, const char *format, ...) _printf_(2, 3) _must_check_;
/* Gives the error another code; a non-NULL format replaces the message that clients see. */
struct error *error_recode(struct error *e, const struct error_code *code, const char *format, ...)
    _printf_(3, 4) _must_check_;

const struct error_code *error_code(const struct error *e);
bool error_is(const struct error *e, const struct error_code *code);
int error_errno_of(const struct error *e);        /* 0 where there was none */
const char *error_message(const struct error *e); /* context and message, one line */
const char *error_origin(const struct error *e);  /* file:line */
struct error *error_free(struct error *e);        /* accepts NULL, returns NULL */
/* For errors whose only treatment is to be dropped; says so at the call. */
void error_ignore(struct error *e);
DEFINE_CLEANUP(struct error *, error_free)
#define _cleanup_error_ _cleanup_(error_freep)

#define RETURN_IF_ERROR(call)                                                                      \
    do {                                                                                           \
        struct error *e_ = (call);                                                                 \
        if (e_)                                                                                    \
            return e_;                                                                             \
    } while (0)
#endif
