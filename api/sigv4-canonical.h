/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SIGV4_CANONICAL_H
#define API_SIGV4_CANONICAL_H
/* The canonical request and what is derived from it, shared by verifier and signer. */
#include "api/params.h"
#include "api/sigv4.h"
#include "common/base/str.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"

struct sigv4_scope {
    const char *date;    /* YYYYMMDD */
    const char *region, *service;
};

/* `signed_headers` is "a;b;c".  False where a signed header is not there or the path is broken. */
bool sigv4_canonical(struct str *out, const struct sigv4_rules *rules,
                     const struct sigv4_request *request, const struct params *query,
                     const char *signed_headers, const char *payload_hash);
/* Only these; each appends. */
bool sigv4_canonical_path(struct str *out, const struct sigv4_rules *rules, const char *path);
void sigv4_canonical_query(struct str *out, const struct params *query, bool without_token);
bool sigv4_canonical_header(struct str *out, const struct sigv4_request *request, const char *name,
                            size_t name_len);

void sigv4_signing_key(const char *secret, const struct sigv4_scope *scope, unsigned char ret[32]);
/* Hex signature of a canonical request. */
void sigv4_signature(const unsigned char key[32], const struct sigv4_scope *scope,
                     const char *amz_date, const char *canonical, size_t canonical_len,
                     char ret[65]);
/* "20261123T140000Z" <-> milliseconds since 1970. */
bool sigv4_date_parse(const char *text, int64_t *ret_ms);
void sigv4_date(int64_t ms, char ret[17]);
#endif
