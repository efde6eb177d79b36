/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_S3_CLIENT_H
#define API_S3_CLIENT_H
/* The few S3 calls that our own parts make.  Path-style; keys may be any text.  One thread at a time per caller.
 *
 * ERROR_NOT_FOUND: no such bucket or object; ERROR_DENIED: not for these credentials; ERROR_EXISTS: a condition failed;
 * ERROR_UNAVAILABLE: nobody answers, or 503; others as common/http-client has them. */
#include <stdint.h>
#include "api/aws-call.h"
#include "common/base/array.h"

struct s3_listed {
    char *key;
    int64_t age_ms; /* by the store's own clock, whole seconds */
};
/* One page of a listing: up to a thousand keys, and what keys begin with up to the delimiter. */
struct s3_page {
    ARRAY(struct s3_listed) objects;
    ARRAY(char *) prefixes;
    char *next; /* where it goes on; NULL: that was all */
};
void s3_page_free(struct s3_page *p);
/* `delimiter` and `from`, the `next` of the page before, may be NULL. */
struct error *s3_list(struct aws_caller *c, const char *bucket, const char *prefix, const char *delimiter,
                      const char *from, struct s3_page *ret) _must_check_;

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
/* What is there without its bytes.  *ret_value: the answer's header of that name, allocated, NULL where it has none. */
struct error *s3_head(struct aws_caller *c, const char *bucket, const char *key, const char *header, char **ret_value)
    _must_check_;
/* As s3_put(), where nothing is there yet: else ERROR_EXISTS.  `header` may be NULL. */
struct error *s3_put_new(struct aws_caller *c, const char *bucket, const char *key, const void *data, size_t len,
                         const struct http_header *header) _must_check_;
/* What GET /?QUERY of the store itself answers, in slices; `receive` and what follows it as in struct aws_call. */
struct error *s3_get_service(struct aws_caller *c, const char *query, bool (*receive)(void *arg, const void *data, size_t len),
                             void *arg, uint64_t *length, unsigned stall_s) _must_check_;
struct error *s3_delete(struct aws_caller *c, const char *bucket, const char *key) _must_check_;
#endif
