/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H
/* Calls of the admin API: POST URL/admin/ACTION with a JSON object, signed (service "mallee"). */
#include "common/http-client/http-client.h"
#include "common/json/json.h"

struct admin {
    const char *url;                                    /* without a slash at the end counts the same */
    const char *access_key_id, *secret, *session_token; /* the token may be NULL */
    const char *region;
    const char *ca_file; /* NULL: the system's */
    unsigned timeout_ms; /* of a call; 0: 30 s */
};

/* From the environment; `url` (or NULL) goes before MALLEE_ADMIN_URL. ERROR_INVALID where keys lack. */
struct error *admin_from_environment(struct admin *ret, const char *url) _must_check_;
/* Takes `in`.  A refusal of the cloud is ERROR_DENIED "Code: message (request ID)"; ERROR_UNAVAILABLE, ERROR_TIMEOUT
 * and others as common/http-client has them. */
struct error *admin_call(const struct admin *a, const char *action, json_t *in, json_t **ret) _must_check_;
#endif
