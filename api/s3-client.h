/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_S3_CLIENT_H
#define API_S3_CLIENT_H
/* The few S3 calls that our own parts make.  Path-style; keys may be any text.  One thread at a time per caller.
 *
 * ERROR_NOT_FOUND: no such bucket or object; ERROR_DENIED: not for these credentials, or the bucket is not `owner`'s;
 * ERROR_UNAVAILABLE: nobody answers, or 503; others as common/http-client has them. */
#include <stdint.h>
#include "api/aws-call.h"

/* Makes the bucket; one that is there and ours is well. */
struct error *s3_make_bucket(struct aws_caller *c, const char *bucket) _must_check_;
struct error *s3_put(struct aws_caller *c, const char *bucket, const char *key, const void *data, size_t len)
    _must_check_;
/* A body of exactly `len` bytes as `send` gives it. */
struct error *s3_put_stream(struct aws_caller *c, const char *bucket, const char *key, uint64_t len,
                            ssize_t (*send)(void *arg, void *into, size_t max), void *arg) _must_check_;
/* An object of at most `max` bytes, allocated. */
struct error *s3_get(struct aws_caller *c, const char *bucket, const char *key, size_t max, char **ret, size_t *ret_len)
    _must_check_;
struct s3_head {
    uint64_t size;
    char etag[80];
};
/* `owner` (an account's id, or NULL) must own the bucket. */
struct error *s3_head(struct aws_caller *c, const char *bucket, const char *key, const char *owner, struct s3_head *ret)
    _must_check_;
/* Exactly `len` bytes from `at` of the object that s3_head() saw; another one by now is ERROR_INVALID. */
struct error *s3_get_range(struct aws_caller *c, const char *bucket, const char *key, const char *owner,
                           const struct s3_head *head, uint64_t at, void *to, size_t len) _must_check_;
struct error *s3_delete(struct aws_caller *c, const char *bucket, const char *key) _must_check_;
#endif
