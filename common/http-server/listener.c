/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
/* Listeners that were added: one thread accepts for them all and hands the connections to MHD. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "common/http-server/internal.h"

#define WAKEUP   0 /* tag of the thread's own descriptor */
#define PAUSE_MS 100

static struct http_listener *find(struct http_server *s, uint64_t tag)
{
    array_each (&s->listeners, l)
        if (l->tag == tag)
            return l;
    return NULL;
}

static bool has_room(struct http_server *s, uint64_t tag, const char *address)
{
    unsigned count = 0;
    for (const struct http_conn *c = s->conns; c; c = c->next)
        count += c->tag == tag && streq(c->address, address);
    array_each (&s->coming, c)
        count += c->tag == tag && streq(c->address, address);
    return !s->limits.per_address || count < s->limits.per_address;
}

/* Accepts one connection; -1 where there is none to be served. */
static int take_one(struct http_server *s, uint64_t tag, struct sockaddr_storage *from, socklen_t *len)
{
    struct http_coming c = {.tag = tag};
    int fd = -1;
    pthread_mutex_lock(&s->lock);
    const struct http_listener *l = find(s, tag);
    if (l)
        fd = accept4(l->fd, (struct sockaddr *)from, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int why = errno;
    if (fd >= 0) {
        if (getnameinfo((struct sockaddr *)from, *len, c.address, sizeof c.address, NULL, 0, NI_NUMERICHOST) != 0 ||
            !has_room(s, tag, c.address)) {
            close(fd);
            fd = -1;
        } else {
            c.fd = fd;
            array_push(&s->coming, c);
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (fd < 0 && l && (why == EMFILE || why == ENFILE || why == ENOMEM || why == ENOBUFS))
        poll(NULL, 0, PAUSE_MS);
    return fd;
}

static void forget(struct http_server *s, int fd)
{
    for (size_t k = 0; k < s->coming.len; k++) {
        if (s->coming.data[k].fd == fd) {
            array_remove_swap(&s->coming, k);
            return;
        }
    }
}

static void hand_over(struct http_server *s, uint64_t tag)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    int fd = take_one(s, tag, &from, &len);
    if (fd < 0)
        return;
    if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&from, len) != MHD_YES) {
        pthread_mutex_lock(&s->lock); /* MHD closed it: one too many */
        forget(s, fd);
        pthread_mutex_unlock(&s->lock);
    }
}

static void *acceptor_main(void *arg)
{
    struct http_server *s = arg;
    struct epoll_event events[16];
    for (;;) {
        int n = epoll_wait(s->epoll, events, ARRAY_SIZE(events), -1);
        for (int k = 0; k < n; k++) {
            if (events[k].data.u64 == WAKEUP)
                return NULL;
            hand_over(s, events[k].data.u64);
        }
    }
}

void http_listener_greet(struct http_server *s, struct http_conn *conn)
{
    array_each (&s->coming, c) {
        if (c->fd != conn->fd)
            continue;
        conn->tag = c->tag;
        snprintf(conn->address, sizeof conn->address, "%s", c->address);
        forget(s, conn->fd);
        if (!find(s, conn->tag)) /* its listener went meanwhile */
            shutdown(conn->fd, SHUT_RDWR);
        return;
    }
}

static struct error *watch(struct http_server *s, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? error_errno(errno, "watching a listener") : NULL;
}

/* With the first listener.  Under server.lock. */
static struct error *start_acceptor(struct http_server *s)
{
    if (s->accepts)
        return NULL;
    if (s->epoll < 0)
        s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->wakeup < 0)
        s->wakeup = eventfd(0, EFD_CLOEXEC);
    if (s->epoll < 0 || s->wakeup < 0)
        return error_errno(errno, "making what waits for connections");
    struct error *e = watch(s, s->wakeup, WAKEUP);
    if (e && error_errno_of(e) != EEXIST)
        return e;
    error_free(e);
    int rc = pthread_create(&s->acceptor, NULL, acceptor_main, s);
    if (rc)
        return error_errno(rc, "cannot start a thread");
    s->accepts = true;
    return NULL;
}

static struct error *add(struct http_server *s, int fd, uint64_t tag)
{
    if (tag == WAKEUP || find(s, tag))
        return error_new(ERROR_EXISTS, "a listener's tag is in use");
    RETURN_IF_ERROR(start_acceptor(s));
    RETURN_IF_ERROR(watch(s, fd, tag));
    array_push(&s->listeners, ((struct http_listener){fd, tag}));
    return NULL;
}

struct error *http_server_add_listener(struct http_server *s, int fd, uint64_t tag)
{
    pthread_mutex_lock(&s->lock);
    struct error *e = add(s, fd, tag);
    pthread_mutex_unlock(&s->lock);
    if (e)
        close(fd);
    return e;
}

void http_server_drop_listener(struct http_server *s, uint64_t tag)
{
    pthread_mutex_lock(&s->lock);
    struct http_listener *l = find(s, tag);
    if (l) {
        close(l->fd); /* which takes it out of the epoll set */
        array_remove_swap(&s->listeners, (size_t)(l - s->listeners.data));
        for (struct http_conn *c = s->conns; c; c = c->next)
            if (c->tag == tag && c->fd >= 0)
                shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
}

void http_listeners_stop(struct http_server *s)
{
    uint64_t one = 1;
    if (s->accepts && write(s->wakeup, &one, sizeof one) == sizeof one)
        pthread_join(s->acceptor, NULL);
    pthread_mutex_lock(&s->lock);
    array_each (&s->listeners, l)
        close(l->fd);
    array_free(&s->listeners);
    array_free(&s->coming);
    pthread_mutex_unlock(&s->lock);
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->wakeup >= 0)
        close(s->wakeup);
}
