/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/sigv4-canonical.h"
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include "api/uri.h"
#include "common/crypto/digest.h"

/* Drops "." and ".." segments and empty ones. */
static void normalise(const char *path, struct str *out)
{
    const char *cursor = path;
    char *piece;
    bool slash = str_ends(path, "/") || str_ends(path, "/.") || str_ends(path, "/..");
    str_add_char(out, '/');
    while ((piece = str_next_piece(&cursor, '/'))) {
        if (streq(piece, "..")) {
            size_t at = out->len > 1 ? out->len - 1 : 0;
            while (at > 0 && out->data[at - 1] != '/')
                at--;
            out->len = at ? at : 1;
            out->data[out->len] = 0;
        } else if (*piece && !streq(piece, ".")) {
            str_add(out, piece);
            str_add_char(out, '/');
        }
        free(piece);
    }
    if (!slash && out->len > 1)
        out->data[--out->len] = 0;
}

bool sigv4_canonical_path(struct str *out, const struct sigv4_rules *rules, const char *path)
{
    _cleanup_str_ struct str plain = STR_INIT;
    if (rules->raw_path) {
        str_add(out, path);
        return true;
    }
    if (rules->s3_path) {
        if (!uri_decode(&plain, path, strlen(path), false))
            return false;
    } else if (rules->keep_path) {
        str_add(&plain, path);
    } else {
        normalise(path, &plain);
    }
    uri_encode(out, str_text(&plain), plain.len, true);
    return true;
}

struct encoded {
    char *name, *value;
};

static int by_name_and_value(const void *a, const void *b)
{
    const struct encoded *x = a, *y = b;
    int names = strcmp(x->name, y->name);
    return names ? names : strcmp(x->value, y->value);
}

static char *encoded(const char *text, size_t len)
{
    struct str s = STR_INIT;
    uri_encode(&s, text, len, false);
    return str_take(&s);
}

void sigv4_canonical_query(struct str *out, const struct params *query, bool without_token)
{
    ARRAY(struct encoded) pairs = {0};
    array_each (&query->list, p) {
        if (streq(p->name, "X-Amz-Signature") ||
            (without_token && streq(p->name, "X-Amz-Security-Token")))
            continue;
        array_push(&pairs, ((struct encoded){encoded(p->name, p->name_len),
                                             encoded(p->value, p->value_len)}));
    }
    if (pairs.len)
        qsort(pairs.data, pairs.len, sizeof *pairs.data, by_name_and_value);
    array_each (&pairs, p) {
        str_printf(out, "%s%s=%s", p == pairs.data ? "" : "&", p->name, p->value);
        free(p->name);
        free(p->value);
    }
    array_free(&pairs);
}

/* Trimmed, runs of spaces as one. */
static void add_value(struct str *out, const char *value)
{
    bool space = false, any = false;
    for (; *value; value++) {
        if (*value == ' ' || *value == '\t') {
            space = any;
            continue;
        }
        if (space)
            str_add_char(out, ' ');
        str_add_char(out, *value);
        space = false;
        any = true;
    }
}

bool sigv4_canonical_header(struct str *out, const struct sigv4_request *request, const char *name,
                            size_t name_len)
{
    bool any = false;
    for (size_t i = 0; i < request->headers_len; i++) {
        const struct http_header *h = &request->headers[i];
        if (strlen(h->name) != name_len || strncasecmp(h->name, name, name_len) != 0)
            continue;
        if (any)
            str_add_char(out, ',');
        else
            str_add_n(out, name, name_len), str_add_char(out, ':');
        add_value(out, h->value);
        any = true;
    }
    if (any)
        str_add_char(out, '\n');
    return any;
}

bool sigv4_canonical(struct str *out, const struct sigv4_rules *rules,
                     const struct sigv4_request *request, const struct params *query,
                     const char *signed_headers, const char *payload_hash)
{
    str_printf(out, "%s\n", request->method);
    if (!sigv4_canonical_path(out, rules, request->path))
        return false;
    str_add_char(out, '\n');
    sigv4_canonical_query(out, query, rules->token_after);
    str_add_char(out, '\n');
    for (const char *name = signed_headers; *name;) {
        size_t len = strcspn(name, ";");
        if (!sigv4_canonical_header(out, request, name, len))
            return false;
        name += len + (name[len] == ';');
    }
    str_printf(out, "\n%s\n%s", signed_headers, payload_hash);
    return true;
}

void sigv4_signing_key(const char *secret, const struct sigv4_scope *scope, unsigned char ret[32])
{
    const char *const parts[] = {scope->date, scope->region, scope->service, "aws4_request"};
    _cleanup_free_ char *first = xasprintf("AWS4%s", secret);
    const void *key = first;
    size_t key_len = strlen(first);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        unsigned char next[32];
        hmac_sha256(key, key_len, parts[i], strlen(parts[i]), next);
        memcpy(ret, next, sizeof next);
        wipe(next, sizeof next);
        key = ret;
        key_len = 32;
    }
    wipe(first, strlen(first));
}

void sigv4_signature(const unsigned char key[32], const struct sigv4_scope *scope,
                     const char *amz_date, const char *canonical, size_t canonical_len,
                     char ret[65])
{
    _cleanup_free_ char *hash = sha256_hex(canonical, canonical_len);
    _cleanup_free_ char *text = xasprintf(SIGV4_ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", amz_date,
                                          scope->date, scope->region, scope->service, hash);
    unsigned char mac[32];
    hmac_sha256(key, 32, text, strlen(text), mac);
    _cleanup_free_ char *hex = hex_encode(mac, sizeof mac);
    memcpy(ret, hex, 65);
}

static bool digits(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static int number(const char *text, size_t count)
{
    int n = 0;
    for (size_t i = 0; i < count; i++)
        n = n * 10 + (text[i] - '0');
    return n;
}

bool sigv4_date_parse(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0}, back;
    if (strlen(text) != 16 || !digits(text, 8) || text[8] != 'T' || !digits(text + 9, 6) ||
        text[15] != 'Z')
        return false;
    tm.tm_year = number(text, 4) - 1900;
    tm.tm_mon = number(text + 4, 2) - 1;
    tm.tm_mday = number(text + 6, 2);
    tm.tm_hour = number(text + 9, 2);
    tm.tm_min = number(text + 11, 2);
    tm.tm_sec = number(text + 13, 2);
    back = tm;
    time_t at = timegm(&back);
    if (back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon || back.tm_hour != tm.tm_hour ||
        back.tm_min != tm.tm_min || back.tm_sec != tm.tm_sec)
        return false;
    *ret_ms = (int64_t)at * 1000;
    return true;
}

void sigv4_date(int64_t ms, char ret[17])
{
    time_t at = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(ret, 17, "%Y%m%dT%H%M%SZ", &tm);
}
