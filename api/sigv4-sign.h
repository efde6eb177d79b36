/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SIGV4_SIGN_H
#define API_SIGV4_SIGN_H
/* The client's side of Signature Version 4. */
#include "api/sigv4.h"

struct sigv4_signer {
    const char *access_key_id, *secret;
    const char *region, *service;
    bool s3_path, keep_path;
};

/* The Authorization value that signs every header of the request, which must have Host and X-Amz-Date (at `now_ms`).
 * Allocated; NULL where the request cannot be signed. */
char *sigv4_sign(const struct sigv4_signer *s, const struct sigv4_request *request,
                 const char *payload_hash, int64_t now_ms);
/* The query of a presigned request that signs every header it has; `token` NULL: none. Allocated. */
char *sigv4_presign(const struct sigv4_signer *s, const struct sigv4_request *request,
                    const char *payload_hash, const char *token, unsigned expires_s,
                    int64_t now_ms);
#endif
