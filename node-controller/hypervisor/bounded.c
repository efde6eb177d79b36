/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/hypervisor/bounded.h"
#include <pthread.h>
#include <time.h>
#include "common/base/array.h"
#include "common/base/str.h"

#define CALLS_MAX 64
#define CLOSE_WAIT_MS 2000

struct bounded {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* some call ended */
    ARRAY(struct call *) calls;
    bool cancelled;
    bool orphaned; /* bounded_free() gave up: the last call frees */
};

struct call {
    struct bounded *b;
    char *subject;
    struct error *(*fn)(void *arg);
    void *arg;
    void (*free_arg)(void *arg);
    struct error *e;
    bool done, left; /* left: the caller is gone */
};

static struct timespec in_ms(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

struct bounded *bounded_new(void)
{
    struct bounded *b = xnew0(struct bounded);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->ended, &attr);
    pthread_condattr_destroy(&attr);
    return b;
}

void bounded_cancel(struct bounded *b)
{
    pthread_mutex_lock(&b->lock);
    b->cancelled = true;
    pthread_cond_broadcast(&b->ended);
    pthread_mutex_unlock(&b->lock);
}

static void release(struct bounded *b)
{
    array_free(&b->calls);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->ended);
    free(b);
}

bool bounded_free(struct bounded *b)
{
    struct timespec until = in_ms(CLOSE_WAIT_MS);
    int rc = 0;
    pthread_mutex_lock(&b->lock);
    while (b->calls.len && rc == 0)
        rc = pthread_cond_timedwait(&b->ended, &b->lock, &until);
    bool all = b->calls.len == 0;
    b->orphaned = !all;
    pthread_mutex_unlock(&b->lock);
    if (all)
        release(b);
    return all;
}

static void call_free(struct call *c)
{
    c->free_arg(c->arg);
    error_free(c->e);
    free(c->subject);
    free(c);
}

static void forget(struct bounded *b, const struct call *c)
{
    for (size_t i = 0; i < b->calls.len; i++) {
        if (b->calls.data[i] == c) {
            array_remove_swap(&b->calls, i);
            return;
        }
    }
}

static void *call_thread(void *arg)
{
    struct call *c = arg;
    struct bounded *b = c->b;
    c->e = c->fn(c->arg);
    pthread_mutex_lock(&b->lock);
    forget(b, c);
    c->done = true;
    bool left = c->left, last = b->orphaned && !b->calls.len;
    pthread_cond_broadcast(&b->ended);
    pthread_mutex_unlock(&b->lock);
    if (left)
        call_free(c);
    if (last)
        release(b);
    return NULL;
}

static bool on_its_way(const struct bounded *b, const char *subject)
{
    for (size_t i = 0; i < b->calls.len; i++)
        if (*subject && streq(b->calls.data[i]->subject, subject))
            return true;
    return false;
}

/* With the lock held. */
static struct error *begin(struct bounded *b, struct call *c)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (b->cancelled)
        return error_new(ERROR_TIMEOUT, "stopping");
    if (on_its_way(b, c->subject))
        return error_new(ERROR_TIMEOUT, "an earlier call for %s is still on its way", c->subject);
    if (b->calls.len >= CALLS_MAX)
        return error_new(ERROR_UNAVAILABLE, "%d calls to the hypervisor are on their way", CALLS_MAX);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    array_push(&b->calls, c);
    int rc = pthread_create(&thread, &attr, call_thread, c);
    pthread_attr_destroy(&attr);
    if (!rc)
        return NULL;
    forget(b, c);
    return error_new(ERROR_UNAVAILABLE, "no thread for a call to the hypervisor");
}

struct error *bounded_run(struct bounded *b, const char *subject, int64_t deadline_ms,
                          struct error *(*fn)(void *arg), void (*use)(void *arg, void *to), void *to, void *arg,
                          void (*free_arg)(void *arg))
{
    struct call *c = xnew0(struct call);
    *c = (struct call){.b = b, .subject = xstrdup(subject), .fn = fn, .arg = arg, .free_arg = free_arg};
    struct timespec until = in_ms(deadline_ms);
    int rc = 0;
    pthread_mutex_lock(&b->lock);
    struct error *e = begin(b, c);
    if (e) {
        pthread_mutex_unlock(&b->lock);
        call_free(c);
        return e;
    }
    while (!c->done && !b->cancelled && rc == 0)
        rc = pthread_cond_timedwait(&b->ended, &b->lock, &until);
    bool done = c->done;
    c->left = !done;
    pthread_mutex_unlock(&b->lock);
    if (!done && rc == 0)
        return error_new(ERROR_TIMEOUT, "stopping: the hypervisor's answer is not waited for");
    if (!done)
        return error_new(ERROR_TIMEOUT, "the hypervisor did not answer within %lld ms", (long long)deadline_ms);
    e = c->e;
    c->e = NULL;
    if (!e && use)
        use(c->arg, to);
    call_free(c);
    return e;
}
