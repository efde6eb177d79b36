/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_REQUEST_H
#define CLOUD_CONTROLLER_REQUEST_H
/* One API request on its way through its handler, on a worker thread, where it may block. */
#include "api/gen/errors.h"
#include "api/shape.h"
#include "cloud-controller/cloud.h"

struct request_ctx {
    struct cloud *cloud;
    char request_id[37];
    struct id account;
    char access_key_id[130];
    bool administrator;
    const struct api_action *action;
    const char *version; /* of the API, as asked for */
    bool dry_run;
    char *endpoint;      /* the host that the client called */
};

/* The one question of rights that each action asks, before it changes anything: may the caller do this to the
 * resource (an id, or "*")?  Whoever may and asked with DryRun gets DryRunOperation. */
struct error *authorize(const struct request_ctx *ctx, const char *resource) _must_check_;

/* Pages: a token names the last id that was shown, sealed for the account and action. */
char *page_token(const struct request_ctx *ctx, const char *last);
struct error *page_token_open(const struct request_ctx *ctx, const char *token, char **ret_last) _must_check_;

/* True where `value` matches EC2's pattern: '*' any text, '?' one character, '\\' escapes. */
bool filter_matches(const char *pattern, const char *value);
#endif
