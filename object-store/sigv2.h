/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_SIGV2_H
#define OBJECT_STORE_SIGV2_H
/* S3's Signature Version 2 (HMAC-SHA1), in the Authorization header or in the query, as older clients sign. */
#include "api/params.h"
#include "api/sigv4.h"

bool sigv2_claimed(const struct sigv4_request *request, const struct params *params);
/* Fills of `ret`: access_key_id, presigned, detail. */
enum sigv4_verdict sigv2_verify(const struct sigv4_request *request, const struct params *params, int64_t now_ms,
                                sigv4_lookup *lookup, void *arg, struct sigv4_result *ret);
#endif
