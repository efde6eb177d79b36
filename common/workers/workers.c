/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/workers/workers.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include "common/base/mem.h"

#define IDLE_SECONDS 10
#define STACK_BYTES (512u << 10)

struct task {
    struct task *next;
    void (*fn)(void *arg);
    void *arg;
};

struct workers {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work, ended;
    struct task *first, **last;
    size_t queued, queue_max, threads, threads_max, idle;
    bool stop;
};

struct workers *workers_new(size_t threads_max, size_t queue_max)
{
    struct workers *w = xnew0(struct workers);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, &attr);
    pthread_cond_init(&w->ended, NULL);
    pthread_condattr_destroy(&attr);
    w->last = &w->first;
    w->threads_max = threads_max;
    w->queue_max = queue_max;
    return w;
}

/* Waits for work, with the lock held; false: none came for a while, or it is over. */
static bool wait_for_work(struct workers *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    int rc = 0;
    w->idle++;
    while (!w->first && !w->stop && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&w->work, &w->lock, &until);
    w->idle--;
    return w->first != NULL;
}

static void *run(void *arg)
{
    struct workers *w = arg;
    pthread_mutex_lock(&w->lock);
    while (wait_for_work(w)) {
        struct task *t = w->first;
        w->first = t->next;
        if (!w->first)
            w->last = &w->first;
        w->queued--;
        pthread_mutex_unlock(&w->lock);
        t->fn(t->arg);
        free(t);
        pthread_mutex_lock(&w->lock);
    }
    w->threads--;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool start_thread(struct workers *w)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, run, w) == 0;
    pthread_attr_destroy(&attr);
    w->threads += ok;
    return ok;
}

struct error *workers_submit(struct workers *w, void (*fn)(void *arg), void *arg)
{
    struct error *e = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->stop || w->queued >= w->queue_max) {
        e = error_new(ERROR_UNAVAILABLE, "too much work is waiting");
    } else if (w->idle <= w->queued && w->threads < w->threads_max && !start_thread(w) && !w->threads) {
        e = error_new(ERROR_UNAVAILABLE, "no thread could be started");
    } else {
        struct task *t = xnew0(struct task);
        t->fn = fn;
        t->arg = arg;
        *w->last = t;
        w->last = &t->next;
        w->queued++;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

void workers_stop(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->work);
    while (w->threads)
        pthread_cond_wait(&w->ended, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    workers_stop(w);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->ended);
    free(w);
}
