/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/sigv2.h"
#include <strings.h>
#include "common/base/str.h"
#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "object-store/call.h"

#define SKEW_MS (15 * 60 * 1000)

/* Sorted; those that count into the signed resource. */
static const char *const signed_params[] = {
    "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "partNumber",
    "policy", "requestPayment", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type",
    "response-expires", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
    "versions", "website",
};

static const char *header(const struct sigv4_request *r, const char *name, size_t *ret_count)
{
    const char *found = "";
    *ret_count = 0;
    for (size_t i = 0; i < r->headers_len; i++) {
        if (!strcasecmp(r->headers[i].name, name)) {
            found = r->headers[i].value;
            (*ret_count)++;
        }
    }
    return found;
}

bool sigv2_claimed(const struct sigv4_request *request, const struct params *params)
{
    size_t count = 0;
    const char *auth = header(request, "authorization", &count);
    return (count && str_starts(auth, "AWS ")) || params_get(params, "AWSAccessKeyId", NULL);
}

struct line {
    char *name;
    const char *value;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

/* The x-amz- headers; false where one is repeated. */
static bool add_amz_headers(struct str *out, const struct sigv4_request *r)
{
    ARRAY(struct line) lines = {0};
    bool ok = true;
    for (size_t i = 0; i < r->headers_len; i++) {
        if (strncasecmp(r->headers[i].name, "x-amz-", 6) != 0)
            continue;
        char *name = xstrdup(r->headers[i].name);
        for (char *p = name; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        array_push(&lines, ((struct line){name, r->headers[i].value}));
    }
    if (lines.len)
        qsort(lines.data, lines.len, sizeof *lines.data, by_name);
    array_each (&lines, l) {
        ok = ok && (l == lines.data || !streq(l[-1].name, l->name));
        str_printf(out, "%s:%s\n", l->name, l->value);
    }
    array_each (&lines, l)
        free(l->name);
    array_free(&lines);
    return ok;
}

static void add_resource(struct str *out, const struct sigv4_request *r, const struct params *params, bool slash)
{
    char mark = '?';
    str_printf(out, "%s%s", r->path, slash ? "/" : "");
    for (size_t i = 0; i < ARRAY_SIZE(signed_params); i++) {
        array_each (&params->list, p) {
            if (!streq(p->name, signed_params[i]))
                continue;
            str_printf(out, "%c%s", mark, p->name);
            if (!p->bare)
                str_printf(out, "=%s", p->value);
            mark = '&';
            break;
        }
    }
}

/* Key id, signature and what stands in the date's line; owned by the caller. */
struct claim {
    char *id, *signature, *when;
};

static void claim_free(struct claim *c)
{
    free(c->id);
    free(c->signature);
    free(c->when);
}

static enum sigv4_verdict say(struct sigv4_result *ret, enum sigv4_verdict v, const char *detail)
{
    ret->detail = detail;
    return v;
}

static enum sigv4_verdict claim_of_query(const struct params *params, int64_t now, struct claim *c,
                                         struct sigv4_result *ret)
{
    size_t ids = 0, signatures = 0, times = 0;
    const char *id = params_get(params, "AWSAccessKeyId", &ids);
    const char *signature = params_get(params, "Signature", &signatures);
    const char *expires = params_get(params, "Expires", &times);
    uint64_t at = 0;
    ret->presigned = true;
    if (ids != 1 || signatures != 1 || times != 1)
        return say(ret, SIGV4_INCOMPLETE, "Query-string authentication requires the Signature, Expires and "
                                          "AWSAccessKeyId parameters");
    _cleanup_error_ struct error *e = parse_u64(expires, INT64_MAX / 1000, &at);
    if (e)
        return say(ret, SIGV4_INCOMPLETE, "Invalid Expires parameter");
    if ((int64_t)at * 1000 < now)
        return say(ret, SIGV4_EXPIRED, "Request has expired");
    c->id = xstrdup(id);
    c->signature = xstrdup(signature);
    c->when = xstrdup(expires);
    return SIGV4_OK;
}

static enum sigv4_verdict claim_of_header(const struct sigv4_request *r, int64_t now, struct claim *c,
                                          struct sigv4_result *ret)
{
    size_t auths = 0, dates = 0, own_dates = 0;
    const char *auth = header(r, "authorization", &auths);
    const char *date = header(r, "date", &dates), *own = header(r, "x-amz-date", &own_dates);
    const char *colon = strchr(auth, ':');
    int64_t at = 0;
    if (auths != 1 || !colon || dates > 1 || own_dates > 1 || dates + own_dates == 0)
        return say(ret, SIGV4_INCOMPLETE, "AWS authentication requires a valid Date or x-amz-date header");
    if (!http_date_parse(own_dates ? own : date, &at))
        return say(ret, SIGV4_INCOMPLETE, "AWS authentication requires a valid Date or x-amz-date header");
    if (at > now + SKEW_MS || at < now - SKEW_MS)
        return say(ret, SIGV4_EXPIRED, "The difference between the request time and the current time is too large.");
    c->id = xstrndup(auth + 4, (size_t)(colon - auth) - 4);
    c->signature = xstrdup(colon + 1);
    c->when = xstrdup(own_dates ? "" : date);
    return SIGV4_OK;
}

static bool signature_fits(const struct claim *c, const char *secret, const char *text, size_t len)
{
    unsigned char mac[SHA1_SIZE];
    char claimed[29] = "";
    hmac_sha1(secret, strlen(secret), text, len, mac);
    _cleanup_free_ char *want = base64_encode(mac, sizeof mac);
    if (strlen(c->signature) == 28)
        memcpy(claimed, c->signature, 28);
    return secret_equal(want, claimed, 28);
}

/* Some clients sign a bucket's path with a slash that they do not send. */
static bool fits_either(const struct claim *c, const char *secret, struct str *text, const struct sigv4_request *r,
                        const struct params *params)
{
    size_t before = text->len;
    add_resource(text, r, params, false);
    bool same = signature_fits(c, secret, text->data, text->len);
    if (strchr(r->path + 1, '/'))
        return same;
    text->len = before;
    add_resource(text, r, params, true);
    bool with_slash = signature_fits(c, secret, text->data, text->len);
    return same || with_slash;
}

enum sigv4_verdict sigv2_verify(const struct sigv4_request *request, const struct params *params, int64_t now_ms,
                                sigv4_lookup *lookup, void *arg, struct sigv4_result *ret)
{
    char secret[SIGV4_SECRET_MAX + 1] = "no such key, the work is the same";
    size_t auths = 0, md5s = 0, types = 0;
    _cleanup_(claim_free) struct claim c = {0};
    _cleanup_str_ struct str text = STR_INIT;
    memset(ret, 0, sizeof *ret);
    header(request, "authorization", &auths);
    bool in_query = params_get(params, "AWSAccessKeyId", NULL) != NULL;
    if ((auths && in_query) || params_get(params, "X-Amz-Signature", NULL))
        return say(ret, SIGV4_INCOMPLETE, "Only one auth mechanism allowed.");
    enum sigv4_verdict v = in_query ? claim_of_query(params, now_ms, &c, ret) : claim_of_header(request, now_ms, &c, ret);
    if (v)
        return v;
    const char *md5 = header(request, "content-md5", &md5s), *type = header(request, "content-type", &types);
    str_printf(&text, "%s\n%s\n%s\n%s\n", request->method, md5, type, c.when);
    bool fit = add_amz_headers(&text, request) && md5s <= 1 && types <= 1;
    bool known = strlen(c.id) < sizeof ret->access_key_id && lookup(arg, c.id, NULL, secret);
    bool same = fits_either(&c, secret, &text, request, params);
    wipe(secret, sizeof secret);
    if (!known)
        return say(ret, SIGV4_UNKNOWN_KEY, NULL);
    if (!fit || !same)
        return say(ret, SIGV4_MISMATCH, NULL);
    memcpy(ret->access_key_id, c.id, strlen(c.id) + 1);
    return SIGV4_OK;
}
