/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_CHUNKED_H
#define OBJECT_STORE_CHUNKED_H
/* Undoes aws-chunked, the framing that SDKs put inside the body: a byte machine that may be fed slices of any size.
 *
 * Where chunks are signed each is checked against the chain that begins with the request's signature; trailing headers are
 * kept, their signature checked where they have one.  Bytes come out before their chunk is judged: their
 * owner throws them away unless chunked_end() succeeds.  One owner. */
#include "api/sigv4.h"
#include "common/base/error.h"

struct chunked;

enum chunked_mode {
    CHUNKED_SIGNED,          /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    CHUNKED_SIGNED_TRAILER,  /* …-TRAILER */
    CHUNKED_UNSIGNED_TRAILER /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

/* `out(arg, …)` gets the payload. `sig` is the verified request's; copied. */
struct chunked *chunked_new(enum chunked_mode mode, const struct sigv4_result *sig, uint64_t max,
                            void (*out)(void *arg, const void *data, size_t len), void *arg);
void chunked_free(struct chunked *c);
DEFINE_CLEANUP(struct chunked *, chunked_free)
/* S3_SIGNATURE, S3_INCOMPLETE_BODY or S3_ENTITY_TOO_LARGE. */
struct error *chunked_feed(struct chunked *c, const char *data, size_t len) _must_check_;
/* The body is over: was the framing, too? *ret_size: bytes of payload. */
struct error *chunked_end(struct chunked *c, uint64_t *ret_size) _must_check_;
/* A trailing header by its lower-case name; NULL: none. */
const char *chunked_trailer(const struct chunked *c, const char *name);
#endif
