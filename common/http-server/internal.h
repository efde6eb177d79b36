/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_HTTP_SERVER_INTERNAL_H
#define COMMON_HTTP_SERVER_INTERNAL_H
/* What the files of the server share.  Lock order: server.lock before request.lock. */
#include <microhttpd.h>
#include <pthread.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/http-server/http-server.h"

/* One client connection; made and freed by MHD's notice, under server.lock. */
struct http_conn {
    struct http_conn *prev, *next;
    int fd;
    int64_t waits_since; /* for a whole head; 0: a request is being served */
    bool first;          /* no request was served yet */
    int64_t answer_until; /* the client must have taken the answer by then; 0: none is sent */
    uint64_t tag;         /* of the added listener; 0: the server's own */
    char address[64];     /* of the peer, where there is a tag */
    bool hops_set;
};

/* A listener that was added. */
struct http_listener {
    int fd;
    uint64_t tag;
};

/* Accepted for MHD, which has not said yet that it has the connection. */
struct http_coming {
    int fd;
    uint64_t tag;
    char address[64];
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_handler handler;
    void *arg;
    struct http_limits limits;
    struct http_metrics metrics;
    uint16_t port;
    bool tls;
    bool length_optional;
    pthread_mutex_t lock; /* guards conns, live, stopping, listeners, coming */
    pthread_cond_t wake;  /* of the sweeper */
    struct http_conn *conns;
    struct http_request *live;
    bool stopping;
    _Atomic bool closing; /* nothing may sleep any more; read under a request's lock */
    pthread_t sweeper;
    bool sweeps;
    ARRAY(struct http_listener) listeners;
    ARRAY(struct http_coming) coming;
    pthread_t acceptor;
    bool accepts;
    int epoll, wakeup; /* of the acceptor */
};

struct http_request {
    struct http_server *server;
    struct http_request *prev, *next; /* in server.live, under server.lock */
    struct MHD_Connection *connection;
    char *path, *query;
    char *method; /* a copy: the server's own goes with the connection */
    char address[64];
    uint64_t tag;
    ARRAY(struct http_header) headers;
    int64_t length;
    void *data;
    /* of the worker only */
    bool begun, ended, buffered, over;
    size_t max;
    struct str body;
    uint64_t received, drained;
    int64_t started, paused_since, paused_ms;
    /* shared */
    pthread_mutex_t lock; /* guards what follows */
    unsigned refs;
    bool pausing;   /* the handler asked for a pause */
    bool pause_held; /* a pause awaits its resume, which holds a reference until then */
    bool resumed;   /* resume came before the worker suspended */
    bool suspended; /* MHD sleeps on it */
    bool owed;      /* `end` was called and holds a reference */
    bool answered;
    bool queued;    /* MHD has the answer */
    bool finished;  /* MHD is done with it */
    struct http_answer *answer;
};

struct http_answer {
    int status;
    unsigned hops;
    ARRAY(struct http_header) headers; /* owned texts */
    char *data;
    size_t len;
    bool secret; /* data is wiped before it is freed */
    bool streamed;
    uint64_t stream_len;
    ssize_t (*read)(void *arg, uint64_t at, char *to, size_t max);
    void (*done)(void *arg);
    void *arg;
    struct http_request *request; /* while MHD reads it */
};

/* listener.c: connections of added listeners. */
void http_listeners_stop(struct http_server *s);
/* MHD has the connection: takes what is known of it.  Under server.lock. */
void http_listener_greet(struct http_server *s, struct http_conn *conn);

/* request.c */
struct http_conn *http_conn_of(struct MHD_Connection *c);
void *http_request_open(void *server, const char *target, struct MHD_Connection *c);
void http_request_closed(void *server, struct MHD_Connection *c, void **data,
                         enum MHD_RequestTerminationCode why);
enum MHD_Result http_request_step(void *server, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **request);
/* Answers a request that nobody answers any more, at stop; under server.lock. */
void http_request_abandon(struct http_request *r);

/* framing.c: 0 or the status to refuse with; fills headers and length. */
int http_framing_check(struct http_request *r, const char *method, const char *version);

/* The connection sends an answer of `len` bytes from now on. */
void http_request_sends(struct http_request *r, uint64_t len);

/* answer.c: hands the answer to MHD, from the worker. Takes it. */
enum MHD_Result http_answer_queue(struct http_request *r, struct http_answer *a);
void http_count_answer(struct http_server *s, int status);
/* Sleeps the connection from a content reader unless a resume came already. */
void http_request_sleep(struct http_request *r);
#endif
