/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/request.h"
#include "common/crypto/base64.h"
#include "common/crypto/digest.h"

/* An account's root may do everything to what is its own; handlers find nothing of others.  Administration is for the
 * administrator's account. */
struct error *authorize(const struct request_ctx *ctx, const char *resource)
{
    bool admin = str_starts(ctx->action->iam, "admin:");
    if (admin && !ctx->administrator)
        return error_new(API_ACCESS_DENIED, "%s on %s is for the administrator's account", ctx->action->name,
                         resource);
    if (ctx->dry_run)
        return error_new(API_DRY_RUN_OPERATION, "Request would have succeeded, but DryRun flag is set.");
    return NULL;
}

static char *token_mac(const struct request_ctx *ctx, const char *last)
{
    _cleanup_free_ char *text = xasprintf("%s %s %s", ctx->account.text, ctx->action->name, last);
    unsigned char mac[32];
    keys_mac(ctx->cloud->keys, text, mac);
    return hex_encode(mac, 8);
}

char *page_token(const struct request_ctx *ctx, const char *last)
{
    _cleanup_free_ char *mac = token_mac(ctx, last);
    _cleanup_free_ char *text = xasprintf("%s%s", mac, last);
    return base64_encode(text, strlen(text));
}

struct error *page_token_open(const struct request_ctx *ctx, const char *token, char **ret_last)
{
    unsigned char *text = NULL;
    size_t len = 0;
    struct error *e = base64_decode(token, 1024, &text, &len);
    _cleanup_free_ char *own = (char *)text;
    if (!e && (len <= 16 || strlen(own) != len))
        e = error_new(ERROR_INVALID, "short");
    if (!e) {
        _cleanup_free_ char *mac = token_mac(ctx, own + 16);
        if (!secret_equal(mac, own, 16))
            e = error_new(ERROR_INVALID, "mac");
    }
    if (e)
        return error_recode(e, &API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.");
    *ret_last = xstrdup(own + 16);
    return NULL;
}

bool filter_matches(const char *pattern, const char *value)
{
    const char *star = NULL, *retry = NULL;
    while (*value) {
        bool escaped = *pattern == '\\' && pattern[1];
        if (*pattern == '*') {
            star = ++pattern;
            retry = value;
        } else if (escaped ? pattern[1] == *value : *pattern && (*pattern == '?' || *pattern == *value)) {
            pattern += escaped ? 2 : 1;
            value++;
        } else if (star) {
            pattern = star;
            value = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
