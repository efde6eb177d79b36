/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SIGV4_H
#define API_SIGV4_H
/* The one verifier of AWS Signature Version 4, in the Authorization header or in the query (presigned).
 *
 * It runs before any dispatch.  It works on the request as it was sent: raw path and query, every header.  What could be
 * read in two ways is refused: both places at once, repeated parts, an x-amz-* header outside the signature.  An unknown
 * key costs the same work as a known one.  Pure: the time is given, keys come through a callback.  Any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/http-server/http-server.h"

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_SECRET_MAX       128

struct sigv4_request {
    const char *method, *path, *query; /* query NULL: none */
    const struct http_header *headers;
    size_t headers_len;
};

struct sigv4_rules {
    const char *const *services; /* allowed in the scope, NULL-terminated */
    const char *region;          /* NULL: any */
    bool s3_path;                /* the path is signed once-encoded and not normalised, or just as it was sent */
    bool raw_path;               /* only as it was sent */
    bool keep_path;              /* not normalised, yet encoded twice */
    bool token_after;            /* a session token in the query is outside the signature */
    int64_t skew_ms;             /* 0: 15 minutes */
};

enum sigv4_verdict {
    SIGV4_OK,
    SIGV4_ABSENT,      /* no signature at all */
    SIGV4_INCOMPLETE,  /* a part is missing, repeated or malformed */
    SIGV4_UNKNOWN_KEY, /* the lookup knows no such key */
    SIGV4_MISMATCH,    /* signature, scope or signed headers do not fit */
    SIGV4_EXPIRED,     /* too old or from the future */
};

/* The secret of a key, with its NUL; false: no such key (or disabled).  The token is NULL where there is none. */
typedef bool sigv4_lookup(void *arg, const char *access_key_id, const char *token,
                          char ret_secret[SIGV4_SECRET_MAX + 1]);

struct sigv4_result {
    char access_key_id[129];
    char region[65], service[33];
    char date[17];              /* x-amz-date */
    char signature[65];         /* the seed of a chunked upload */
    unsigned char key[32];      /* the signing key, for its chunks */
    bool presigned;
    const char *detail;         /* for the answer's message: what is wrong */
};

/* `payload_hash`: hex SHA-256 of the body, or what the service lets stand for it. */
enum sigv4_verdict sigv4_verify(const struct sigv4_rules *rules, const struct sigv4_request *request,
                                const char *payload_hash, int64_t now_ms, sigv4_lookup *lookup,
                                void *arg, struct sigv4_result *ret);
/* True where the request claims a signature of this kind, in either place. */
bool sigv4_claimed(const struct sigv4_request *request);
#endif
