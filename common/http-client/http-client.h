/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_HTTP_CLIENT_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_HTTP_CLIENT_H
/* HTTP requests to other parts of the cloud.
 *
 * A struct http_client keeps its connections for the next call.  It is used by one thread at a time; whoever wants
 * several calls at once makes several clients.  A call blocks, within its timeouts, so never on a main loop.  Nothing is
 * followed or guessed: no redirects, no proxies, no other protocols, the path as it stands.
 *
 * An answer of any status is a success of the call.  ERROR_UNAVAILABLE: nobody answers there, the request was not sent;
 * ERROR_TIMEOUT and ERROR_INTERNAL: it may have been carried out; ERROR_TOO_LARGE: past max_body. */
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/http-server/http-server.h" /* struct http_header */

struct http_client;

struct http_client_options {
    const char *ca_file;  /* PEM of who may sign certificates; NULL: the system's */
    unsigned connect_ms;  /* 0: 5 s */
};

struct http_call {
    const char *method, *url;
    const struct http_header *headers; /* Content-Length is added; Host unless it is here */
    size_t nheaders;
    const void *body; /* sent from memory … */
    size_t len;
    /* … or, where set, from here: exactly `len` bytes, 0 ends early and fails the call. */
    ssize_t (*send)(void *arg, void *into, size_t max);
    /* Where set, the body of a 2xx answer goes here in slices, not into the answer; false ends the call. */
    bool (*receive)(void *arg, const void *data, size_t len);
    void *arg;
    uint64_t *length; /* where set: the body's length as the answer tells it, before its first slice; else untouched */
    size_t max_body;     /* of a kept body; 0: 1 MiB */
    unsigned timeout_ms; /* of the whole call; 0: 30 s, or none for a streamed one */
    unsigned stall_s;    /* of a streamed call without a byte; 0: 30 */
};

struct http_reply {
    unsigned status;
    ARRAY(struct http_header) headers; /* owned */
    struct str body;
};

struct error *http_client_new(const struct http_client_options *options, struct http_client **ret) _must_check_;
void http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client *, http_client_free)
/* `ret` need not be initialised; it is empty after a failure. */
struct error *http_client_call(struct http_client *c, const struct http_call *call, struct http_reply *ret)
    _must_check_;
/* The first header of that name in any case; NULL: none. */
const char *http_reply_header(const struct http_reply *r, const char *name);
void http_reply_free(struct http_reply *r);
#define _cleanup_http_reply_ _cleanup_(http_reply_free)
#endif
