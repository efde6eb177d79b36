/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/sigv4.h"
#include <strings.h>
#include "api/sigv4-canonical.h"
#include "common/crypto/digest.h"

#define SKEW_MS     (15 * 60 * 1000)
#define EXPIRES_MAX (7 * 24 * 3600)
#define SIGNED_MAX  4096

/* What the request claims, from either place; owned texts. */
struct claim {
    char *credential, *signed_headers, *signature, *date;
    const char *token;
    uint64_t expires; /* presigned only */
    char *parts[5];   /* of the credential: key, date, region, service, aws4_request */
};

static void claim_free(struct claim *c)
{
    free(c->credential);
    free(c->signed_headers);
    free(c->signature);
    free(c->date);
    for (size_t i = 0; i < ARRAY_SIZE(c->parts); i++)
        free(c->parts[i]);
}

static const char *header(const struct sigv4_request *r, const char *name, size_t *ret_count)
{
    const char *found = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < r->headers_len; i++) {
        if (!strcasecmp(r->headers[i].name, name)) {
            found = r->headers[i].value;
            (*ret_count)++;
        }
    }
    return found;
}

static enum sigv4_verdict say(struct sigv4_result *ret, enum sigv4_verdict v, const char *detail)
{
    ret->detail = detail;
    return v;
}

/* One "Name=value" of the Authorization header. */
static bool take_part(struct claim *c, const char *part)
{
    struct {
        const char *name;
        char **to;
    } known[] = {{"Credential=", &c->credential},
                 {"SignedHeaders=", &c->signed_headers},
                 {"Signature=", &c->signature}};
    part += strspn(part, " ");
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (!str_starts(part, known[i].name))
            continue;
        if (*known[i].to)
            return false;
        *known[i].to = xstrdup(part + strlen(known[i].name));
        size_t len = strlen(*known[i].to);
        while (len && (*known[i].to)[len - 1] == ' ')
            (*known[i].to)[--len] = 0;
        return true;
    }
    return false;
}

static enum sigv4_verdict claim_of_header(const struct sigv4_request *r, const char *value,
                                          struct claim *c, struct sigv4_result *ret)
{
    const char *cursor = value + strlen(SIGV4_ALGORITHM);
    char *part;
    size_t dates = 0, tokens = 0;
    while ((part = str_next_piece(&cursor, ','))) {
        bool ok = take_part(c, part);
        free(part);
        if (!ok)
            return say(ret, SIGV4_INCOMPLETE, "Authorization header is malformed.");
    }
    const char *date = header(r, "x-amz-date", &dates);
    c->token = header(r, "x-amz-security-token", &tokens);
    if (!c->credential || !c->signed_headers || !c->signature)
        return say(ret, SIGV4_INCOMPLETE, "Authorization header requires 'Credential', "
                                          "'SignedHeaders' and 'Signature' parameters.");
    if (dates != 1 || tokens > 1)
        return say(ret, SIGV4_INCOMPLETE, "Authorization header requires existence of one "
                                          "'X-Amz-Date' header.");
    c->date = xstrdup(date);
    return SIGV4_OK;
}

static enum sigv4_verdict claim_of_query(const struct params *q, struct claim *c,
                                         struct sigv4_result *ret)
{
    static const char *const names[] = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
                                        "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"};
    const char *values[ARRAY_SIZE(names)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        values[i] = params_get(q, names[i], &count);
        if (count != 1)
            return say(ret, SIGV4_INCOMPLETE, "Each of the X-Amz-* query parameters of a signature "
                                              "is needed once.");
    }
    c->token = params_get(q, "X-Amz-Security-Token", &count);
    if (count > 1 || !streq(values[0], SIGV4_ALGORITHM))
        return say(ret, SIGV4_INCOMPLETE, "X-Amz-Algorithm or X-Amz-Security-Token is not valid.");
    _cleanup_error_ struct error *e = parse_u64(values[3], EXPIRES_MAX, &c->expires);
    if (e || c->expires < 1)
        return say(ret, SIGV4_INCOMPLETE, "X-Amz-Expires must be between 1 and 604800 seconds.");
    c->credential = xstrdup(values[1]);
    c->date = xstrdup(values[2]);
    c->signed_headers = xstrdup(values[4]);
    c->signature = xstrdup(values[5]);
    ret->presigned = true;
    return SIGV4_OK;
}

static bool copy_part(const char *part, char *to, size_t size)
{
    size_t len = strlen(part);
    if (!len || len >= size)
        return false;
    memcpy(to, part, len + 1);
    return true;
}

static enum sigv4_verdict take_credential(struct claim *c, struct sigv4_result *ret)
{
    const char *cursor = c->credential;
    char *piece;
    size_t n = 0;
    while ((piece = str_next_piece(&cursor, '/'))) {
        if (n < ARRAY_SIZE(c->parts))
            c->parts[n] = piece;
        else
            free(piece);
        n++;
    }
    if (n != 5 || !copy_part(c->parts[0], ret->access_key_id, sizeof ret->access_key_id) ||
        strlen(c->parts[1]) != 8 || !copy_part(c->parts[2], ret->region, sizeof ret->region) ||
        !copy_part(c->parts[3], ret->service, sizeof ret->service) ||
        !streq(c->parts[4], "aws4_request"))
        return say(ret, SIGV4_INCOMPLETE, "Credential must have five parts: key, date, region, "
                                          "service and 'aws4_request'.");
    if (!copy_part(c->date, ret->date, sizeof ret->date))
        return say(ret, SIGV4_INCOMPLETE, "The date must be in ISO 8601 basic form.");
    return SIGV4_OK;
}

/* Lower case, sorted, each once, with `host`. */
static bool signed_headers_valid(const char *list)
{
    char last[256] = "";
    bool host = false;
    if (!*list || strlen(list) > SIGNED_MAX)
        return false;
    for (const char *name = list;; name++) {
        char one[256];
        size_t len = strcspn(name, ";");
        if (!len || len >= sizeof one)
            return false;
        memcpy(one, name, len);
        one[len] = 0;
        for (const char *p = one; *p; p++)
            if (*p >= 'A' && *p <= 'Z')
                return false;
        if (*last && strcmp(last, one) >= 0)
            return false;
        memcpy(last, one, len + 1);
        host = host || streq(one, "host");
        name += len;
        if (!*name)
            return host;
    }
}

static bool in_list(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, ";");
        if (n == len && !strncasecmp(at, name, n))
            return true;
        at += n + (at[n] == ';');
    }
    return false;
}

static bool amz_headers_signed(const struct sigv4_request *r, const char *list)
{
    for (size_t i = 0; i < r->headers_len; i++) {
        const char *name = r->headers[i].name;
        /* A session token proves itself; some clients add it after signing. */
        if (!strncasecmp(name, "x-amz-", 6) && strcasecmp(name, "x-amz-security-token") != 0 &&
            !in_list(list, name))
            return false;
    }
    return true;
}

static bool service_allowed(const struct sigv4_rules *rules, const char *service)
{
    for (const char *const *s = rules->services; *s; s++)
        if (streq(*s, service))
            return true;
    return false;
}

static enum sigv4_verdict check_time(const struct sigv4_rules *rules, const struct claim *c,
                                     int64_t now, struct sigv4_result *ret)
{
    int64_t at = 0, skew = rules->skew_ms ? rules->skew_ms : SKEW_MS;
    if (!sigv4_date_parse(c->date, &at))
        return say(ret, SIGV4_INCOMPLETE, "The date must be in ISO 8601 basic form.");
    if (strncmp(c->date, c->parts[1], 8) != 0)
        return say(ret, SIGV4_MISMATCH, "Date in Credential scope does not match YYYYMMDD from "
                                        "ISO-8601 version of date from HTTP.");
    int64_t life = ret->presigned ? (int64_t)c->expires * 1000 : skew;
    if (at > now + skew || now > at + life)
        return say(ret, SIGV4_EXPIRED, "Request has expired.");
    return SIGV4_OK;
}

static enum sigv4_verdict check_claim(const struct sigv4_rules *rules,
                                      const struct sigv4_request *r, const struct claim *c,
                                      struct sigv4_result *ret)
{
    size_t hosts = 0;
    header(r, "host", &hosts);
    if (!service_allowed(rules, ret->service))
        return say(ret, SIGV4_MISMATCH, "Credential should be scoped to a valid service.");
    if (rules->region && !streq(rules->region, ret->region))
        return say(ret, SIGV4_MISMATCH, "Credential should be scoped to a valid region.");
    if (hosts != 1 || !signed_headers_valid(c->signed_headers))
        return say(ret, SIGV4_MISMATCH, "SignedHeaders must name 'host' and be sorted.");
    if (!amz_headers_signed(r, c->signed_headers))
        return say(ret, SIGV4_MISMATCH, "There were headers present in the request which were not "
                                        "signed.");
    return SIGV4_OK;
}

static enum sigv4_verdict find_claim(const struct sigv4_request *r, const struct params *q,
                                     struct claim *c, struct sigv4_result *ret)
{
    size_t headers = 0, in_query = 0;
    const char *value = header(r, "authorization", &headers);
    params_get(q, "X-Amz-Signature", &in_query);
    if (!headers && !in_query)
        return say(ret, SIGV4_ABSENT, "Request is missing Authentication Token");
    if (headers > 1 || (headers && in_query))
        return say(ret, SIGV4_INCOMPLETE, "Only one auth mechanism allowed.");
    if (in_query)
        return claim_of_query(q, c, ret);
    if (!str_starts(value, SIGV4_ALGORITHM " "))
        return say(ret, SIGV4_INCOMPLETE, "Authorization header has an unsupported algorithm.");
    return claim_of_header(r, value, c, ret);
}

/* Whether the claimed signature is that of the canonical request under these rules; ret->signature is set. */
static bool signature_fits(const struct sigv4_rules *rules, const struct sigv4_request *r, const struct params *q,
                           const struct claim *c, const char *payload_hash, struct sigv4_result *ret)
{
    struct sigv4_scope scope = {c->parts[1], ret->region, ret->service};
    _cleanup_str_ struct str canonical = STR_INIT;
    char claimed[65] = "";
    bool formed = sigv4_canonical(&canonical, rules, r, q, c->signed_headers, payload_hash);
    sigv4_signature(ret->key, &scope, c->date, str_text(&canonical), canonical.len, ret->signature);
    if (strlen(c->signature) == 64)
        memcpy(claimed, c->signature, 64);
    bool same = secret_equal(claimed, ret->signature, 64);
    return formed && same;
}

static enum sigv4_verdict check_signature(const struct sigv4_rules *rules,
                                          const struct sigv4_request *r, const struct params *q,
                                          const struct claim *c, const char *payload_hash,
                                          sigv4_lookup *lookup, void *arg, struct sigv4_result *ret)
{
    char secret[SIGV4_SECRET_MAX + 1] = "no such key, the work is the same";
    struct sigv4_scope scope = {c->parts[1], ret->region, ret->service};
    bool known = lookup(arg, ret->access_key_id, c->token, secret);
    sigv4_signing_key(secret, &scope, ret->key);
    wipe(secret, sizeof secret);
    bool same = signature_fits(rules, r, q, c, payload_hash, ret);
    if (!same && rules->s3_path) {
        struct sigv4_rules raw = *rules;
        raw.raw_path = true;
        same = signature_fits(&raw, r, q, c, payload_hash, ret);
    }
    if (known && same)
        return SIGV4_OK;
    wipe(ret->key, sizeof ret->key);
    wipe(ret->signature, sizeof ret->signature);
    if (!known)
        return say(ret, SIGV4_UNKNOWN_KEY, "The security token included in the request is invalid.");
    return say(ret, SIGV4_MISMATCH, "The request signature we calculated does not match the "
                                    "signature you provided. Check your AWS Secret Access Key and "
                                    "signing method.");
}

enum sigv4_verdict sigv4_verify(const struct sigv4_rules *rules, const struct sigv4_request *request,
                                const char *payload_hash, int64_t now_ms, sigv4_lookup *lookup,
                                void *arg, struct sigv4_result *ret)
{
    _cleanup_params_ struct params q = {0};
    _cleanup_(claim_free) struct claim c = {0};
    enum sigv4_verdict v;
    memset(ret, 0, sizeof *ret);
    _cleanup_error_ struct error *e =
        params_parse(&q, request->query ? request->query : "",
                     request->query ? strlen(request->query) : 0);
    if (e)
        return say(ret, SIGV4_INCOMPLETE, "The query string is malformed.");
    if ((v = find_claim(request, &q, &c, ret)) || (v = take_credential(&c, ret)) ||
        (v = check_claim(rules, request, &c, ret)) || (v = check_time(rules, &c, now_ms, ret)))
        return v;
    return check_signature(rules, request, &q, &c, payload_hash, lookup, arg, ret);
}

bool sigv4_claimed(const struct sigv4_request *request)
{
    size_t count = 0;
    const char *value = header(request, "authorization", &count);
    return (count && str_starts(value, SIGV4_ALGORITHM)) ||
           (request->query && strstr(request->query, "X-Amz-Signature=") != NULL);
}
