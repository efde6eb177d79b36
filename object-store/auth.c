/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/mem.h"
#include "common/base/clock.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"
#include "object-store/sigv2.h"

static bool lookup(void *arg, const char *access_key_id, const char *token,
                   char ret_secret[SIGV4_SECRET_MAX + 1])
{
    struct call *c = arg;
    return !token && identity_find(c->store->identity, access_key_id, ret_secret, &c->account);
}

static struct error *said(const struct error_code *code, const char *detail)
{
    return error_new_code(code, "%s", detail ? detail : code->message);
}

static struct error *of_verdict(const struct call *c, enum sigv4_verdict v)
{
    switch (v) {
    case SIGV4_OK:
        return NULL;
    case SIGV4_ABSENT:
        return said(&S3_ACCESS_DENIED, NULL);
    case SIGV4_INCOMPLETE:
        return said(c->sig.presigned ? &S3_AUTH_QUERY : &S3_AUTH_HEADER, c->sig.detail);
    case SIGV4_UNKNOWN_KEY:
        return said(&S3_INVALID_KEY_ID, NULL);
    case SIGV4_EXPIRED:
        return c->sig.presigned ? said(&S3_REQUEST_EXPIRED, NULL) : said(&S3_SKEWED, NULL);
    case SIGV4_MISMATCH:
        break;
    }
    return said(&S3_SIGNATURE, c->sig.detail);
}

static bool payload_valid(const char *text)
{
    return (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64) ||
           streq(text, SIGV4_UNSIGNED_PAYLOAD) || streq(text, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") ||
           streq(text, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") ||
           streq(text, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
}

/* What the signature says of the body. */
static struct error *find_payload(struct call *c)
{
    bool many = false;
    c->payload = http_request_header(c->http, "x-amz-content-sha256", &many);
    if (!c->payload && !many)
        c->payload = call_param(c, "X-Amz-Content-Sha256");
    if (many || (c->payload && !payload_valid(c->payload)))
        return error_new(S3_INVALID_ARGUMENT, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING form or a "
                                              "valid sha256 value.");
    if (c->payload)
        return NULL;
    if (call_header(c, "authorization"))
        return error_new(S3_INVALID_REQUEST, "Missing required header for this request: x-amz-content-sha256");
    c->payload = SIGV4_UNSIGNED_PAYLOAD;
    return NULL;
}

struct error *call_authenticate(struct call *c)
{
    static const char *const services[] = {"s3", NULL};
    struct sigv4_rules rules = {.services = services, .region = c->store->region, .s3_path = true};
    struct sigv4_request r = {http_request_method(c->http), http_request_path(c->http),
                              http_request_query(c->http), NULL, 0};
    r.headers = http_request_headers(c->http, &r.headers_len);
    if (sigv2_claimed(&r, &c->params)) {
        c->payload = SIGV4_UNSIGNED_PAYLOAD;
        return of_verdict(c, sigv2_verify(&r, &c->params, clock_wall_ms(), lookup, c, &c->sig));
    }
    if (!sigv4_claimed(&r))
        return of_verdict(c, SIGV4_ABSENT);
    RETURN_IF_ERROR(find_payload(c));
    return of_verdict(c, sigv4_verify(&rules, &r, c->payload, clock_wall_ms(), lookup, c, &c->sig));
}
