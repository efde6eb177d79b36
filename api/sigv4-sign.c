/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/sigv4-sign.h"
#include <strings.h>
#include "api/sigv4-canonical.h"
#include "api/uri.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "a;b;c" of the request's headers. */
static char *header_list(const struct sigv4_request *r)
{
    ARRAY(char *) names = {0};
    struct str out = STR_INIT;
    for (size_t i = 0; i < r->headers_len; i++) {
        char *name = xstrdup(r->headers[i].name);
        for (char *p = name; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        array_push(&names, name);
    }
    if (names.len)
        qsort(names.data, names.len, sizeof *names.data, by_text);
    for (size_t i = 0; i < names.len; i++) {
        if (i && streq(names.data[i], names.data[i - 1]))
            continue;
        str_printf(&out, "%s%s", i ? ";" : "", names.data[i]);
    }
    array_each (&names, n)
        free(*n);
    array_free(&names);
    return str_take(&out);
}

/* Signs; false where the request has a broken query or path. */
static bool sign(const struct sigv4_signer *s, const struct sigv4_request *r, const char *names,
                 const char *payload_hash, const char *date, char ret[65])
{
    struct sigv4_rules rules = {.s3_path = s->s3_path, .keep_path = s->keep_path};
    char day[9] = "";
    struct sigv4_scope scope = {day, s->region, s->service};
    _cleanup_params_ struct params q = {0};
    _cleanup_str_ struct str canonical = STR_INIT;
    unsigned char key[32];
    memcpy(day, date, 8);
    _cleanup_error_ struct error *e =
        params_parse(&q, r->query ? r->query : "", r->query ? strlen(r->query) : 0);
    if (e || !sigv4_canonical(&canonical, &rules, r, &q, names, payload_hash))
        return false;
    sigv4_signing_key(s->secret, &scope, key);
    sigv4_signature(key, &scope, date, canonical.data, canonical.len, ret);
    wipe(key, sizeof key);
    return true;
}

char *sigv4_sign(const struct sigv4_signer *s, const struct sigv4_request *request,
                 const char *payload_hash, int64_t now_ms)
{
    char date[17], signature[65];
    _cleanup_free_ char *names = header_list(request);
    sigv4_date(now_ms, date);
    if (!sign(s, request, names, payload_hash, date, signature))
        return NULL;
    return xasprintf(SIGV4_ALGORITHM " Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, "
                                     "Signature=%s",
                     s->access_key_id, date, s->region, s->service, names, signature);
}

static void add_param(struct str *out, const char *name, const char *value)
{
    str_printf(out, "%s%s=", out->len ? "&" : "", name);
    uri_encode(out, value, strlen(value), false);
}

char *sigv4_presign(const struct sigv4_signer *s, const struct sigv4_request *request,
                    const char *payload_hash, const char *token, unsigned expires_s,
                    int64_t now_ms)
{
    struct str query = STR_INIT;
    struct sigv4_request with = *request;
    char date[17], signature[65];
    _cleanup_free_ char *names = header_list(request);
    sigv4_date(now_ms, date);
    _cleanup_free_ char *credential = xasprintf("%s/%.8s/%s/%s/aws4_request", s->access_key_id, date,
                                                s->region, s->service);
    _cleanup_free_ char *expires = xasprintf("%u", expires_s);
    str_add(&query, request->query ? request->query : "");
    add_param(&query, "X-Amz-Algorithm", SIGV4_ALGORITHM);
    add_param(&query, "X-Amz-Credential", credential);
    add_param(&query, "X-Amz-Date", date);
    add_param(&query, "X-Amz-SignedHeaders", names);
    add_param(&query, "X-Amz-Expires", expires);
    if (token)
        add_param(&query, "X-Amz-Security-Token", token);
    with.query = str_text(&query);
    if (!sign(s, &with, names, payload_hash, date, signature)) {
        str_free(&query);
        return NULL;
    }
    add_param(&query, "X-Amz-Signature", signature);
    return str_take(&query);
}
