/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DAEMON_LOOP_H
#define COMMON_DAEMON_LOOP_H
/* The main loop of a daemon: descriptors, timers, and work posted by other threads.
 *
 * All callbacks run on the thread that called loop_run(), one at a time, so what only they touch needs no lock.
 * loop_post() and loop_stop() may be called from any thread; everything else from the loop's thread, or before it
 * runs.  A callback must not block: what blocks goes to a worker that posts its result. */
#include <stdint.h>
#include "common/base/error.h"

struct loop;
struct loop_timer;

struct error *loop_new(struct loop **ret) _must_check_;
/* Frees the loop.  Posted work that has not run is dropped: who stops a module whose threads post calls
 * loop_drain() after they have ended. */
void loop_free(struct loop *l);
DEFINE_CLEANUP(struct loop *, loop_free)
/* Runs until loop_stop(); what was posted before the stop has been run. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Runs what is posted, until nothing is.  On the loop's thread, while the loop does not run. */
void loop_drain(struct loop *l);
/* Runs fn(arg) on the loop's thread, in the order of posting. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

/* A timer of the monotonic clock; starts unset, fires once per setting. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, int64_t after_ms);
void loop_timer_unset(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/* Calls fn(arg) while `fd` is readable. */
struct error *loop_watch(struct loop *l, int fd, void (*fn)(void *arg), void *arg) _must_check_;
void loop_unwatch(struct loop *l, int fd);
#endif
