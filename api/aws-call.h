/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_AWS_CALL_H
#define API_AWS_CALL_H
/* Signed calls of one endpoint: what daemons and the command line say to the object store and to the admin API.
 *
 * A caller holds its credentials and its connections.  One thread at a time; a call blocks. */
#include "common/http-client/http-client.h"

struct aws_caller_options {
    const char *endpoint; /* "http://host:port", a path behind it is kept */
    const char *access_key_id, *secret;
    const char *region;
    const char *service;  /* of the signature: "s3", "mallee" */
    const char *ca_file;  /* NULL: the system's */
};

struct aws_caller;

/* Texts are copied.  ERROR_INVALID where the endpoint is no http or https URL. */
struct error *aws_caller_new(const struct aws_caller_options *o, struct aws_caller **ret) _must_check_;
void aws_caller_free(struct aws_caller *c);
DEFINE_CLEANUP(struct aws_caller *, aws_caller_free)

struct aws_call {
    const char *method;
    const char *path;  /* begins with '/', percent-encoded */
    const char *query; /* in its signed order, or NULL */
    const struct http_header *headers;
    size_t nheaders; /* at most 8 */
    /* As in struct http_call; a body from `send` is signed as UNSIGNED-PAYLOAD. */
    const void *body;
    size_t len;
    ssize_t (*send)(void *arg, void *into, size_t max);
    bool (*receive)(void *arg, const void *data, size_t len);
    void *arg;
    uint64_t *length;
    size_t max_body;
    unsigned stall_s; /* of a streamed call without a byte; 0: 30 */
};

/* An answer of any status is a success. */
struct error *aws_call(struct aws_caller *c, const struct aws_call *call, struct http_reply *ret) _must_check_;
#endif
