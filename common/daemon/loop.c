/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/daemon/loop.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/mem.h"
#include "common/base/clock.h"

struct loop_timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    int64_t due; /* -1: unset */
};

struct watch {
    int fd;
    void (*fn)(void *arg);
    void *arg;
};

struct post {
    void (*fn)(void *arg);
    void *arg;
};

/* Daemons have a handful of timers and descriptors: they are walked, not indexed. */
struct loop {
    ARRAY(struct loop_timer *) timers;
    ARRAY(struct watch) watches;
    int wake; /* eventfd */
    pthread_mutex_t lock; /* guards what is below */
    ARRAY(struct post) posts;
    bool stop;
};

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t rc = write(l->wake, &one, sizeof one); /* fails only where it is awake already */
    (void)rc;
}

struct error *loop_new(struct loop **ret)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return error_errno(errno, "making an eventfd");
    struct loop *l = xnew0(struct loop);
    l->wake = fd;
    pthread_mutex_init(&l->lock, NULL);
    *ret = l;
    return NULL;
}

static bool run_posts(struct loop *l)
{
    ARRAY(struct post) mine = {NULL, 0, 0};
    pthread_mutex_lock(&l->lock);
    mine.data = l->posts.data;
    mine.len = l->posts.len;
    l->posts.data = NULL;
    l->posts.len = l->posts.cap = 0;
    pthread_mutex_unlock(&l->lock);
    array_each(&mine, p)
        p->fn(p->arg);
    bool any = mine.len > 0;
    array_free(&mine);
    return any;
}

void loop_drain(struct loop *l)
{
    while (run_posts(l))
        ;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    array_free(&l->posts);
    array_each(&l->timers, t)
        free(*t);
    array_free(&l->timers);
    array_free(&l->watches);
    close(l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&l->lock);
    array_push(&l->posts, ((struct post){fn, arg}));
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

void loop_stop(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

static bool stopping(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    bool stop = l->stop && !l->posts.len;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

/* Milliseconds until the next timer, -1 where none is set. */
static int next_due(struct loop *l)
{
    int64_t least = -1;
    array_each(&l->timers, t)
        if ((*t)->due >= 0 && (least < 0 || (*t)->due < least))
            least = (*t)->due;
    if (least < 0)
        return -1;
    int64_t left = least - clock_mono_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* A callback may set, make and free timers: the walk starts anew after each. */
static void run_timers(struct loop *l)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < l->timers.len; i++) {
        struct loop_timer *t = l->timers.data[i];
        if (t->due < 0 || t->due > now)
            continue;
        t->due = -1;
        t->fn(t->arg);
        i = (size_t)-1;
    }
}

static void run_watches(struct loop *l, const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!fds[i].revents)
            continue;
        array_each(&l->watches, w) {
            if (w->fd == fds[i].fd) {
                w->fn(w->arg);
                break;
            }
        }
    }
}

static void wait_once(struct loop *l)
{
    size_t n = l->watches.len;
    _cleanup_free_ struct pollfd *fds = xcalloc(n + 1, sizeof *fds);
    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = l->watches.data[i].fd, .events = POLLIN};
    fds[n] = (struct pollfd){.fd = l->wake, .events = POLLIN};
    if (poll(fds, n + 1, next_due(l)) < 0)
        return;
    if (fds[n].revents) {
        uint64_t count;
        ssize_t rc = read(l->wake, &count, sizeof count);
        (void)rc;
    }
    run_watches(l, fds, n);
}

void loop_run(struct loop *l)
{
    while (!stopping(l)) {
        run_posts(l);
        run_timers(l);
        if (!stopping(l))
            wait_once(l);
    }
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *t = xnew0(struct loop_timer);
    *t = (struct loop_timer){l, fn, arg, -1};
    array_push(&l->timers, t);
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t after_ms)
{
    /* Never due at once: a timer that sets itself to 0 must not keep the loop from its other work. */
    t->due = clock_mono_ms() + (after_ms > 0 ? after_ms : 1);
}

void loop_timer_unset(struct loop_timer *t)
{
    t->due = -1;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->loop->timers.len; i++) {
        if (t->loop->timers.data[i] == t) {
            array_remove_swap(&t->loop->timers, i);
            break;
        }
    }
    free(t);
}

struct error *loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
    if (fd < 0)
        return error_new(ERROR_INVALID, "watching descriptor %d", fd);
    array_push(&l->watches, ((struct watch){fd, fn, arg}));
    return NULL;
}

void loop_unwatch(struct loop *l, int fd)
{
    for (size_t i = 0; i < l->watches.len; i++) {
        if (l->watches.data[i].fd == fd) {
            array_remove_swap(&l->watches, i);
            return;
        }
    }
}
