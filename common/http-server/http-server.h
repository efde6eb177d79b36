/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_HTTP_SERVER_HTTP_SERVER_H
#define COMMON_HTTP_SERVER_HTTP_SERVER_H
/* An HTTP/1.1 server.
 *
 * A server owns a listener and a few worker threads; listeners of others may be added, one thread accepts for them
 * all.  Each request goes through its handler on a worker:
 *   begin   the head is read, the body is not.  The handler chooses: http_request_buffer() keeps the body (up to a
 *           bound) for `end`; without it each slice goes to `body`.  It may refuse at once with http_respond().
 *   body    a slice, always to be consumed whole.  http_request_pause() stops reading until http_request_resume().
 *   end     the body is complete.  The answer may be given here or later.
 *   gone    the last call: the handler frees what it kept.  Called exactly once after each `begin`.
 * No handler may block on disk or network: it pauses or answers later from a thread of its own.
 *
 * http_respond() is callable once a request, from any thread, and takes the answer.  From `end` on the request stays
 * alive until it is called.  Before `end` another thread must hold a reference.  What a client sends after an early answer
 * is drained up to a bound, then the connection is closed.
 *
 * Malformed and ambiguous framing is refused before any handler sees it; `refusal` may give these answers a form. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/base/error.h"
#include "common/daemon/metrics.h"

struct http_server;
struct http_request;
struct http_answer;

struct http_handler {
    void (*begin)(void *arg, struct http_request *r);
    void (*body)(void *arg, struct http_request *r, const void *data, size_t len);
    void (*end)(void *arg, struct http_request *r);
    void (*gone)(void *arg, struct http_request *r);              /* may be NULL */
    struct http_answer *(*refusal)(void *arg, int status);        /* may be NULL */
};

struct http_limits {
    unsigned connections;    /* 0: 1000 */
    unsigned per_address;    /* connections of one client address; 0: no limit */
    unsigned threads;        /* 0: 2 */
    unsigned idle_s;         /* a connection without traffic; 0: 60 */
    unsigned head_ms;        /* from connecting to a whole head; 0: 10000 */
    unsigned min_rate;       /* bytes a second of a body after 10 s, of an answer after answer_ms; 0: 512 */
    unsigned answer_ms;      /* 0: 60000 */
    uint64_t max_body;       /* 0: 1 MiB */
};

struct http_server_options {
    const char *listen;      /* "127.0.0.1:8773", "[::1]:0"; port 0: any; NULL: only listeners that are added */
    const char *cert_file;   /* PEM; both or none */
    const char *key_file;
    bool length_optional;    /* a PUT or POST that says no length has no body; else it is refused with 411 */
    struct http_limits limits;
    const struct http_handler *handler;
    void *arg;
};

struct http_metrics {
    metric connections, requests, answers_2xx, answers_3xx, answers_4xx, answers_5xx, refused, cut;
};
extern const struct metric_row http_metric_rows[];
extern const size_t http_metric_rows_len;

struct error *http_server_start(const struct http_server_options *o, struct http_server **ret)
    _must_check_;
/* Stops accepting, answers what is owed with 503 and joins the workers.  Accepts NULL. */
void http_server_stop(struct http_server *s);
DEFINE_CLEANUP(struct http_server *, http_server_stop)
/* Also serves what connects to `fd`, which listens and is the server's from now on (also on failure).  The tag, not 0
 * and not in use, tells its requests from others; limits.per_address counts for each tag by itself.  Any thread. */
struct error *http_server_add_listener(struct http_server *s, int fd, uint64_t tag) _must_check_;
/* Closes it and cuts its connections.  An unknown tag is well. */
void http_server_drop_listener(struct http_server *s, uint64_t tag);
uint16_t http_server_port(const struct http_server *s);
const struct http_metrics *http_server_metrics(const struct http_server *s);

/* The request.  Texts live as long as it does. */
const char *http_request_method(const struct http_request *r);
/* As it was sent, percent signs and all: "/a%20b" and "x=1&y" (NULL: no '?'). */
const char *http_request_path(const struct http_request *r);
const char *http_request_query(const struct http_request *r);
const char *http_request_address(const struct http_request *r); /* numeric, of the peer */
uint64_t http_request_tag(const struct http_request *r); /* of the listener; 0: the server's own */
bool http_request_is_tls(const struct http_request *r);
/* Content-Length, or -1 for a chunked body. */
int64_t http_request_length(const struct http_request *r);

struct http_header {
    const char *name, *value;
};
/* All headers in the order they came, repeated ones included. */
const struct http_header *http_request_headers(const struct http_request *r, size_t *ret_len);
/* The only header of that name; NULL where there is none or more than one (then *ret_many). */
const char *http_request_header(const struct http_request *r, const char *name, bool *ret_many);

void http_request_set_data(struct http_request *r, void *data);
void *http_request_data(const struct http_request *r);
/* In `begin`: keep at most max bytes of body; a longer one is answered 413 without `end`. */
void http_request_buffer(struct http_request *r, size_t max);
/* The kept body, for `end` and after; never NULL, with a NUL behind it. */
const char *http_request_body(const struct http_request *r, size_t *ret_len);

/* In `begin` or `body`: no more slices until http_request_resume(), which any thread calls exactly once for each pause; the
 * request stays alive until then.  After an answer in the same turn the pause is void, its resume is still owed. */
void http_request_pause(struct http_request *r);
void http_request_resume(struct http_request *r);
struct http_request *http_request_ref(struct http_request *r);
void http_request_unref(struct http_request *r);

/* The answer. */
struct http_answer *http_answer_new(int status);
void http_answer_free(struct http_answer *a);
DEFINE_CLEANUP(struct http_answer *, http_answer_free)
/* A value with control characters is refused (ERROR_INVALID): no answer is ever split. */
struct error *http_answer_header(struct http_answer *a, const char *name, const char *value)
    _must_check_;
/* The same for names and values that are known to be fit. */
void http_answer_set(struct http_answer *a, const char *name, const char *value);
/* A body in memory; takes `data` (malloc). */
void http_answer_body(struct http_answer *a, char *data, size_t len);
/* The body, a text, is overwritten before it is freed. */
void http_answer_secret(struct http_answer *a);
/* IP's time to live of this answer: it gets no further than so many hops; 0: the system's. */
void http_answer_hops(struct http_answer *a, unsigned hops);
int http_answer_status(const struct http_answer *a);

#define HTTP_LENGTH_UNKNOWN UINT64_MAX /* sent chunked */
/* A body read on the worker as the client takes it.  `read` returns the bytes it wrote, HTTP_READ_WAIT to sleep until
 * http_request_resume(), HTTP_READ_END (unknown length only) or HTTP_READ_FAILED, which cuts the connection short.
 * A NULL `read` suits answers to HEAD: the length is told, nothing is read.  `done(arg)` frees arg. */
enum {
    HTTP_READ_WAIT = 0,
    HTTP_READ_END = -1,
    HTTP_READ_FAILED = -2,
};
void http_answer_stream(struct http_answer *a, uint64_t length,
                        ssize_t (*read)(void *arg, uint64_t at, char *to, size_t max),
                        void (*done)(void *arg), void *arg);

/* Answers; takes `a`. */
void http_respond(struct http_request *r, struct http_answer *a);
#endif
