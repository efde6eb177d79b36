/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <strings.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http-server/internal.h"

#define DRAIN_MAX     (1024 * 1024)
#define RATE_GRACE_MS 10000

static void say_address(struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    const void *bytes = NULL;
    if (a && a->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)a)->sin_addr;
    else if (a && a->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    if (!bytes || !inet_ntop(a->sa_family, bytes, r->address, sizeof r->address))
        memcpy(r->address, "-", 2);
}

struct http_conn *http_conn_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* The request line came: MHD's own view of the target is decoded in place, so it is kept here as sent. */
void *http_request_open(void *server, const char *target, struct MHD_Connection *c)
{
    struct http_server *s = server;
    struct http_request *r = xnew0(struct http_request);
    const char *mark = strchr(target, '?');
    r->server = s;
    r->connection = c;
    r->refs = 1;
    r->path = mark ? xstrndup(target, (size_t)(mark - target)) : xstrdup(target);
    r->query = mark ? xstrdup(mark + 1) : NULL;
    pthread_mutex_init(&r->lock, NULL);
    say_address(r);
    const struct http_conn *conn = http_conn_of(c);
    r->tag = conn ? conn->tag : 0;
    metric_add(&s->metrics.requests, 1);
    pthread_mutex_lock(&s->lock);
    r->next = s->live;
    if (s->live)
        s->live->prev = r;
    s->live = r;
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void conn_serves(struct http_server *s, struct MHD_Connection *c, bool serves)
{
    struct http_conn *conn = http_conn_of(c);
    if (!conn)
        return;
    pthread_mutex_lock(&s->lock);
    conn->waits_since = serves ? 0 : clock_mono_ms();
    conn->first = false;
    conn->answer_until = 0;
    pthread_mutex_unlock(&s->lock);
}

void http_request_sends(struct http_request *r, uint64_t len)
{
    struct http_conn *conn = http_conn_of(r->connection);
    if (!conn || len == HTTP_LENGTH_UNKNOWN)
        return;
    pthread_mutex_lock(&r->server->lock);
    conn->answer_until = clock_mono_ms() + (int64_t)r->server->limits.answer_ms +
                         (int64_t)(len / r->server->limits.min_rate) * 1000;
    pthread_mutex_unlock(&r->server->lock);
}

struct http_request *http_request_ref(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    r->refs++;
    pthread_mutex_unlock(&r->lock);
    return r;
}

void http_request_unref(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned left = --r->refs;
    pthread_mutex_unlock(&r->lock);
    if (left)
        return;
    pthread_mutex_destroy(&r->lock);
    http_answer_free(r->answer);
    array_free(&r->headers);
    str_free(&r->body);
    free(r->method);
    free(r->path);
    free(r->query);
    free(r);
}

void http_request_closed(void *server, struct MHD_Connection *c, void **data,
                         enum MHD_RequestTerminationCode why)
{
    struct http_server *s = server;
    struct http_request *r = *data;
    (void)why;
    if (!r)
        return;
    *data = NULL;
    conn_serves(s, c, false);
    pthread_mutex_lock(&s->lock);
    if (r->prev)
        r->prev->next = r->next;
    else
        s->live = r->next;
    if (r->next)
        r->next->prev = r->prev;
    pthread_mutex_unlock(&s->lock);
    if (r->begun && s->handler.gone)
        s->handler.gone(s->arg, r);
    pthread_mutex_lock(&r->lock);
    r->finished = true;
    pthread_mutex_unlock(&r->lock);
    http_request_unref(r);
}

/* Under r->lock. */
static void wake(struct http_request *r)
{
    if (r->suspended) {
        r->suspended = false;
        MHD_resume_connection(r->connection);
    }
}

/* Gives the answer unless one was given; true where it was taken. */
static bool answer_once(struct http_request *r, struct http_answer *a, bool *ret_owed)
{
    pthread_mutex_lock(&r->lock);
    bool fresh = !r->answered && !r->finished;
    if (fresh) {
        r->answered = true;
        r->answer = a;
        r->pausing = false;
        wake(r);
    }
    *ret_owed = r->owed;
    r->owed = false;
    pthread_mutex_unlock(&r->lock);
    return fresh;
}

void http_respond(struct http_request *r, struct http_answer *a)
{
    bool owed = false;
    if (!answer_once(r, a, &owed))
        http_answer_free(a);
    if (owed)
        http_request_unref(r);
}

static struct http_answer *refusal(struct http_server *s, int status)
{
    struct http_answer *a = s->handler.refusal ? s->handler.refusal(s->arg, status) : NULL;
    return a ? a : http_answer_new(status);
}

void http_request_abandon(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    if (!r->answered && (r->suspended || r->owed)) {
        r->answered = true;
        r->answer = refusal(r->server, 503);
        r->pausing = false;
    }
    wake(r);
    pthread_mutex_unlock(&r->lock);
}

void http_request_pause(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    r->pausing = true;
    r->pause_held = true;
    r->refs++;
    pthread_mutex_unlock(&r->lock);
}

void http_request_resume(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    bool held = r->pause_held;
    r->pause_held = false;
    if (r->suspended)
        wake(r);
    else if (held)
        r->pausing = false;
    else
        r->resumed = true;
    pthread_mutex_unlock(&r->lock);
    if (held)
        http_request_unref(r);
}

void http_request_sleep(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    if (r->resumed || r->server->closing) {
        r->resumed = false;
    } else {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Sleeps where the handler asked for a pause and nobody ended it meanwhile. */
static void pause_if_asked(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    if (r->pausing && !r->answered && !r->server->closing) {
        r->pausing = false;
        r->suspended = true;
        r->paused_since = clock_mono_ms();
        MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Queues the answer if there is one; else, after `end`, sleeps until it comes. */
static enum MHD_Result answer_or_sleep(struct http_request *r)
{
    struct http_answer *a = NULL;
    pthread_mutex_lock(&r->lock);
    if (!r->answered && r->server->closing) {
        r->answered = true;
        r->answer = refusal(r->server, 503);
    }
    if (r->answered && !r->queued) {
        a = TAKE_PTR(r->answer);
        r->queued = true;
    } else if (!r->answered) {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&r->lock);
    return a ? http_answer_queue(r, a) : MHD_YES;
}

static bool answered(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    bool is = r->answered;
    pthread_mutex_unlock(&r->lock);
    return is;
}

static bool sleeping(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    bool is = r->suspended;
    pthread_mutex_unlock(&r->lock);
    return is;
}

static enum MHD_Result first_call(struct http_request *r, const char *method, const char *version)
{
    struct http_server *s = r->server;
    bool owed = false;
    r->method = xstrdup(method);
    r->started = clock_mono_ms();
    conn_serves(s, r->connection, true);
    int status = http_framing_check(r, method, version);
    if (status) {
        metric_add(&s->metrics.refused, 1);
        answer_once(r, refusal(s, status), &owed);
        return answer_or_sleep(r);
    }
    r->begun = true;
    s->handler.begin(s->arg, r);
    if (!answered(r) && r->buffered && r->length > (int64_t)r->max)
        answer_once(r, refusal(s, 413), &owed);
    /* An answer queued now ends the connection: right where a body is refused, a waste elsewhere. */
    if (answered(r) && r->length != 0)
        return answer_or_sleep(r);
    pause_if_asked(r);
    return MHD_YES;
}

static bool too_slow(struct http_request *r)
{
    int64_t now = clock_mono_ms();
    if (r->paused_since) {
        r->paused_ms += now - r->paused_since;
        r->paused_since = 0;
    }
    int64_t spent = now - r->started - r->paused_ms;
    return spent > RATE_GRACE_MS &&
           r->received < (uint64_t)spent / 1000 * r->server->limits.min_rate;
}

static enum MHD_Result body_call(struct http_request *r, const char *data, size_t len)
{
    struct http_server *s = r->server;
    bool owed = false;
    r->received += len;
    if (too_slow(r)) {
        metric_add(&s->metrics.cut, 1);
        return MHD_NO;
    }
    if (answered(r)) {
        r->drained += len;
        return r->drained > DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    if (r->received > s->limits.max_body || (r->buffered && r->received > r->max)) {
        answer_once(r, refusal(s, 413), &owed);
        return MHD_YES;
    }
    if (r->buffered) {
        str_add_n(&r->body, data, len);
    } else if (s->handler.body) {
        s->handler.body(s->arg, r, data, len);
        pause_if_asked(r);
    }
    return MHD_YES;
}

static void end_call(struct http_request *r)
{
    r->ended = true;
    pthread_mutex_lock(&r->lock);
    bool call = !r->answered;
    if (call) {
        r->owed = true;
        r->refs++;
    }
    pthread_mutex_unlock(&r->lock);
    if (call)
        r->server->handler.end(r->server->arg, r);
}

enum MHD_Result http_request_step(void *server, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **request)
{
    struct http_request *r = *request;
    (void)server;
    (void)c;
    (void)url;
    if (!r->method)
        return first_call(r, method, version);
    /* MHD 0.9.75 goes on with the next HTTP chunk of its buffer although the connection sleeps: what is not taken now comes
     * again after the resume. */
    if (sleeping(r))
        return MHD_YES;
    if (*len) {
        size_t n = *len;
        *len = 0;
        return body_call(r, data, n);
    }
    if (!r->ended)
        end_call(r);
    return answer_or_sleep(r);
}

const char *http_request_method(const struct http_request *r)
{
    return r->method;
}

const char *http_request_path(const struct http_request *r)
{
    return r->path;
}

const char *http_request_query(const struct http_request *r)
{
    return r->query;
}

const char *http_request_address(const struct http_request *r)
{
    return r->address;
}

uint64_t http_request_tag(const struct http_request *r)
{
    return r->tag;
}

bool http_request_is_tls(const struct http_request *r)
{
    return r->server->tls;
}

int64_t http_request_length(const struct http_request *r)
{
    return r->length;
}

const struct http_header *http_request_headers(const struct http_request *r, size_t *ret_len)
{
    *ret_len = r->headers.len;
    return r->headers.data;
}

const char *http_request_header(const struct http_request *r, const char *name, bool *ret_many)
{
    const char *found = NULL;
    unsigned count = 0;
    array_each (&r->headers, h) {
        if (!strcasecmp(h->name, name)) {
            found = h->value;
            count++;
        }
    }
    if (ret_many)
        *ret_many = count > 1;
    return count == 1 ? found : NULL;
}

void http_request_set_data(struct http_request *r, void *data)
{
    r->data = data;
}

void *http_request_data(const struct http_request *r)
{
    return r->data;
}

void http_request_buffer(struct http_request *r, size_t max)
{
    r->buffered = true;
    r->max = max;
}

const char *http_request_body(const struct http_request *r, size_t *ret_len)
{
    *ret_len = r->body.len;
    return str_text(&r->body);
}
