/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PARAMS_H
#define API_PARAMS_H
/* The decoded name=value pairs of a query string or a form, in the order they came.  Starts zeroed; names and values are owned.
 * One owner, no locking. */
#include "common/base/array.h"
#include "common/base/error.h"

#define PARAMS_MAX 5000 /* pairs in one request */

struct param {
    char *name, *value;
    size_t name_len, value_len; /* a NUL inside is refused by params_parse() */
    bool bare;                  /* came without '=' */
};

struct params {
    ARRAY(struct param) list;
};

/* Adds the pairs of `text`.  ERROR_INVALID for broken escapes, NULs and bytes that are not UTF-8, ERROR_TOO_LARGE past PARAMS_MAX. */
struct error *params_parse(struct params *p, const char *text, size_t len) _must_check_;
void params_free(struct params *p);
/* The first value of that name; NULL: none. `ret_count` (or NULL): how often it is there. */
const char *params_get(const struct params *p, const char *name, size_t *ret_count);
#define _cleanup_params_ _cleanup_(params_free)
#endif
