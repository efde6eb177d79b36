/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <assert.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "common/http-server/internal.h"

#define STREAM_BLOCK (128 * 1024)

struct http_answer *http_answer_new(int status)
{
    struct http_answer *a = xnew0(struct http_answer);
    a->status = status;
    return a;
}

void http_answer_free(struct http_answer *a)
{
    if (!a)
        return;
    array_each (&a->headers, h) {
        free((char *)h->name);
        free((char *)h->value);
    }
    array_free(&a->headers);
    if (a->streamed && a->done)
        a->done(a->arg);
    if (a->secret && a->data)
        wipe(a->data, a->len);
    free(a->data);
    free(a);
}

struct error *http_answer_header(struct http_answer *a, const char *name, const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if ((*p < ' ' && *p != '\t') || *p == 127)
            return error_new(ERROR_INVALID, "header %s has a control character", name);
    array_push(&a->headers, ((struct http_header){xstrdup(name), xstrdup(value)}));
    return NULL;
}

void http_answer_set(struct http_answer *a, const char *name, const char *value)
{
    struct error *e = http_answer_header(a, name, value);
    assert(!e);
    error_ignore(e);
}

void http_answer_body(struct http_answer *a, char *data, size_t len)
{
    assert(!a->data && !a->streamed);
    a->data = data;
    a->len = len;
}

void http_answer_secret(struct http_answer *a)
{
    a->secret = true;
}

void http_answer_hops(struct http_answer *a, unsigned hops)
{
    a->hops = hops;
}

int http_answer_status(const struct http_answer *a)
{
    return a->status;
}

void http_answer_stream(struct http_answer *a, uint64_t length,
                        ssize_t (*read)(void *arg, uint64_t at, char *to, size_t max),
                        void (*done)(void *arg), void *arg)
{
    assert(!a->data && !a->streamed);
    a->streamed = true;
    a->stream_len = length;
    a->read = read;
    a->done = done;
    a->arg = arg;
}

static ssize_t read_stream(void *arg, uint64_t at, char *to, size_t max)
{
    struct http_answer *a = arg;
    ssize_t n = a->read ? a->read(a->arg, at, to, max) : HTTP_READ_FAILED;
    if (n > 0)
        return n;
    if (n == HTTP_READ_WAIT) {
        http_request_sleep(a->request);
        return 0;
    }
    return n == HTTP_READ_END ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void stream_done(void *arg)
{
    http_answer_free(arg);
}

static void free_secret(void *text)
{
    wipe(text, strlen(text));
    free(text);
}

static struct MHD_Response *make_response(struct http_request *r, struct http_answer *a)
{
    if (a->streamed) {
        uint64_t len = a->stream_len == HTTP_LENGTH_UNKNOWN ? MHD_SIZE_UNKNOWN : a->stream_len;
        a->request = r;
        return MHD_create_response_from_callback(len, STREAM_BLOCK, read_stream, a, stream_done);
    }
    char *data = TAKE_PTR(a->data);
    if (a->secret && data)
        return MHD_create_response_from_buffer_with_free_callback(a->len, data, free_secret);
    return MHD_create_response_from_buffer(a->len, data, data ? MHD_RESPMEM_MUST_FREE
                                                              : MHD_RESPMEM_PERSISTENT);
}

void http_count_answer(struct http_server *s, int status)
{
    metric *by_class[] = {&s->metrics.answers_2xx, &s->metrics.answers_3xx, &s->metrics.answers_4xx,
                          &s->metrics.answers_5xx};
    if (status >= 200 && status < 600)
        metric_add(by_class[status / 100 - 2], 1);
}

/* The next answer on the same connection has its own. */
static void set_hops(struct http_request *r, unsigned hops)
{
    struct http_conn *conn = http_conn_of(r->connection);
    int value = hops ? (int)hops : -1;
    if (!conn || conn->fd < 0 || (!hops && !conn->hops_set))
        return;
    conn->hops_set = hops != 0;
    setsockopt(conn->fd, IPPROTO_IP, IP_TTL, &value, sizeof value);
}

enum MHD_Result http_answer_queue(struct http_request *r, struct http_answer *a)
{
    struct MHD_Response *response = make_response(r, a);
    enum MHD_Result result;
    assert(response);
    array_each (&a->headers, h)
        MHD_add_response_header(response, h->name, h->value);
    http_count_answer(r->server, a->status);
    set_hops(r, a->hops);
    http_request_sends(r, a->streamed ? a->stream_len : a->len);
    result = MHD_queue_response(r->connection, (unsigned)a->status, response);
    if (!a->streamed)
        http_answer_free(a);
    MHD_destroy_response(response);
    return result;
}
