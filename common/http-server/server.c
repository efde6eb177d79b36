/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http-server/internal.h"

#define POOL_SIZE     (32 * 1024)
#define PEM_MAX       (1024 * 1024)
#define NEXT_HEAD_MS  60000
#define BACKLOG       256

const struct metric_row http_metric_rows[] = {
    {"mallee_http_connections", METRIC_GAUGE, offsetof(struct http_metrics, connections),
     "Open client connections."},
    {"mallee_http_requests_total", METRIC_COUNTER, offsetof(struct http_metrics, requests),
     "Requests whose first line was read."},
    {"mallee_http_answers_2xx_total", METRIC_COUNTER, offsetof(struct http_metrics, answers_2xx),
     "Answers that succeeded."},
    {"mallee_http_answers_3xx_total", METRIC_COUNTER, offsetof(struct http_metrics, answers_3xx),
     "Answers that redirect or say unchanged."},
    {"mallee_http_answers_4xx_total", METRIC_COUNTER, offsetof(struct http_metrics, answers_4xx),
     "Answers that blame the request."},
    {"mallee_http_answers_5xx_total", METRIC_COUNTER, offsetof(struct http_metrics, answers_5xx),
     "Answers that blame the server."},
    {"mallee_http_refused_total", METRIC_COUNTER, offsetof(struct http_metrics, refused),
     "Requests refused for their framing."},
    {"mallee_http_cut_total", METRIC_COUNTER, offsetof(struct http_metrics, cut),
     "Connections cut for being too slow."},
};
const size_t http_metric_rows_len = ARRAY_SIZE(http_metric_rows);

static void addrinfo_freep(struct addrinfo **a)
{
    if (*a)
        freeaddrinfo(*a);
}

/* "host:port" with a numeric host, brackets around IPv6. */
static struct error *resolve(const char *listen, struct addrinfo **ret)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    const char *colon = strrchr(listen, ':');
    if (!colon || colon == listen)
        return error_new(ERROR_INVALID, "listen address '%s' is not HOST:PORT", listen);
    bool bracket = listen[0] == '[' && colon[-1] == ']';
    _cleanup_free_ char *host = bracket ? xstrndup(listen + 1, (size_t)(colon - listen) - 2)
                                        : xstrndup(listen, (size_t)(colon - listen));
    int rc = getaddrinfo(host, colon + 1, &hints, ret);
    if (rc)
        return error_new(ERROR_INVALID, "listen address '%s': %s", listen, gai_strerror(rc));
    return NULL;
}

static struct error *open_listener(const char *listen_at, int *ret_fd, uint16_t *ret_port)
{
    _cleanup_(addrinfo_freep) struct addrinfo *a = NULL;
    struct sockaddr_storage own;
    socklen_t own_len = sizeof own;
    int on = 1;
    RETURN_IF_ERROR(resolve(listen_at, &a));
    _cleanup_close_ int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return error_errno(errno, "socket for %s", listen_at);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&own, &own_len))
        return error_errno(errno, "cannot listen at %s", listen_at);
    *ret_port = ntohs(own.ss_family == AF_INET6
                          ? ((struct sockaddr_in6 *)(void *)&own)->sin6_port
                          : ((struct sockaddr_in *)(void *)&own)->sin_port);
    *ret_fd = TAKE_FD(fd);
    return NULL;
}

static struct error *read_pem(const char *path, char **ret)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return error_errno(errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX)
        return error_new(ERROR_INVALID, "%s is not a PEM file", path);
    _cleanup_free_ char *text = xcalloc(1, (size_t)st.st_size + 1);
    if (read(fd, text, (size_t)st.st_size) != st.st_size)
        return error_errno(EIO, "cannot read %s", path);
    *ret = TAKE_PTR(text);
    return NULL;
}

static void conn_open(struct http_server *s, struct MHD_Connection *c, void **ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_conn *conn = xnew0(struct http_conn);
    conn->fd = info ? info->connect_fd : -1;
    conn->waits_since = clock_mono_ms();
    conn->first = true;
    pthread_mutex_lock(&s->lock);
    http_listener_greet(s, conn);
    conn->next = s->conns;
    if (s->conns)
        s->conns->prev = conn;
    s->conns = conn;
    pthread_mutex_unlock(&s->lock);
    metric_add(&s->metrics.connections, 1);
    *ret = conn;
}

static void conn_close(struct http_server *s, void **data)
{
    struct http_conn *conn = TAKE_PTR(*data);
    if (!conn)
        return;
    pthread_mutex_lock(&s->lock);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        s->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    pthread_mutex_unlock(&s->lock);
    metric_add(&s->metrics.connections, (uint64_t)-1);
    free(conn);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **data,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        conn_open(arg, c, data);
    else
        conn_close(arg, data);
}

_printf_(2, 0) static void on_log(void *arg, const char *format, va_list ap)
{
    char line[256];
    (void)arg;
    int n = vsnprintf(line, sizeof line, format, ap);
    while (n > 0 && (size_t)n < sizeof line && (line[n - 1] == '\n' || line[n - 1] == ' '))
        line[--n] = 0;
    log_debug("http: %s", line);
}

/* Cuts connections that take too long over a request's head or over taking an answer; MHD's own timeout sees silence
 * only. */
static void sweep(struct http_server *s, int64_t now)
{
    for (struct http_conn *c = s->conns; c; c = c->next) {
        int64_t allowed = c->first ? (int64_t)s->limits.head_ms : NEXT_HEAD_MS;
        bool late = c->waits_since ? now - c->waits_since > allowed : c->answer_until && now > c->answer_until;
        if (late && c->fd >= 0) {
            shutdown(c->fd, SHUT_RDWR);
            c->fd = -1;
            metric_add(&s->metrics.cut, 1);
        }
    }
}

static void *sweeper_main(void *arg)
{
    struct http_server *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
        sweep(s, clock_mono_ms());
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void set_limits(struct http_server *s, const struct http_limits *given)
{
    s->limits = *given;
    s->limits.connections = given->connections ? given->connections : 1000;
    s->limits.threads = given->threads ? given->threads : 2;
    s->limits.idle_s = given->idle_s ? given->idle_s : 60;
    s->limits.head_ms = given->head_ms ? given->head_ms : 10000;
    s->limits.answer_ms = given->answer_ms ? given->answer_ms : 60000;
    s->limits.min_rate = given->min_rate ? given->min_rate : 512;
    s->limits.max_body = given->max_body ? given->max_body : 1024 * 1024;
}

static struct error *start_mhd(struct http_server *s, const struct http_server_options *o, int fd)
{
    _cleanup_free_ char *cert = NULL;
    _cleanup_free_ char *key = NULL;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    ARRAY(struct MHD_OptionItem) items = {0};
    if (o->cert_file) {
        RETURN_IF_ERROR(read_pem(o->cert_file, &cert));
        RETURN_IF_ERROR(read_pem(o->key_file, &key));
        array_push(&items, ((struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert}));
        array_push(&items, ((struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key}));
        flags |= MHD_USE_TLS;
        s->tls = true;
    }
    if (o->listen)
        array_push(&items, ((struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, fd, NULL}));
    else
        flags |= MHD_USE_NO_LISTEN_SOCKET;
    array_push(&items, ((struct MHD_OptionItem){MHD_OPTION_END, 0, NULL}));
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, http_request_step, s,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_THREAD_POOL_SIZE, s->limits.threads,
        MHD_OPTION_CONNECTION_LIMIT, s->limits.connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->listen ? s->limits.per_address : 0,
        MHD_OPTION_CONNECTION_TIMEOUT, s->limits.idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, http_request_open, s,
        MHD_OPTION_NOTIFY_COMPLETED, http_request_closed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_ARRAY, items.data,
        MHD_OPTION_END);
    array_free(&items);
    if (key)
        wipe(key, strlen(key));
    if (!s->daemon)
        return error_new(ERROR_INTERNAL, "cannot start the HTTP server at %s", o->listen ? o->listen : "no address");
    return NULL;
}

struct error *http_server_start(const struct http_server_options *o, struct http_server **ret)
{
    _cleanup_(http_server_stopp) struct http_server *s = xnew0(struct http_server);
    _cleanup_close_ int fd = -1;
    pthread_condattr_t monotonic;
    s->handler = *o->handler;
    s->arg = o->arg;
    s->epoll = s->wakeup = -1;
    s->length_optional = o->length_optional;
    set_limits(s, &o->limits);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!o->cert_file != !o->key_file)
        return error_new(ERROR_INVALID, "a TLS listener needs both certificate and key");
    if (o->listen)
        RETURN_IF_ERROR(open_listener(o->listen, &fd, &s->port));
    RETURN_IF_ERROR(start_mhd(s, o, fd));
    fd = -1; /* MHD's from here on */
    int rc = pthread_create(&s->sweeper, NULL, sweeper_main, s);
    if (rc)
        return error_errno(rc, "cannot start a thread");
    s->sweeps = true;
    *ret = TAKE_PTR(s);
    return NULL;
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->sweeps)
        pthread_join(s->sweeper, NULL);
    http_listeners_stop(s);
    if (s->daemon) {
        int fd = MHD_quiesce_daemon(s->daemon);
        s->closing = true;
        pthread_mutex_lock(&s->lock);
        for (struct http_request *r = s->live; r; r = r->next)
            http_request_abandon(r);
        pthread_mutex_unlock(&s->lock);
        MHD_stop_daemon(s->daemon);
        if (fd >= 0)
            close(fd);
    }
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

const struct http_metrics *http_server_metrics(const struct http_server *s)
{
    return &s->metrics;
}
