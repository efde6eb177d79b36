/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_WORKERS_WORKERS_H
#define COMMON_WORKERS_WORKERS_H
/* A pool of threads for work that blocks: API handlers that wait for their commit, calls of a hypervisor.
 *
 * Threads are started as they are needed, up to the bound, and end after a while without work.  Work runs in the order
 * of submission, several at once.  workers_stop() takes no more, runs what is queued and waits for it; workers_free() does
 * so first where it was not done.  Any thread may submit. */
#include <stddef.h>
#include "common/base/error.h"

struct workers;

struct workers *workers_new(size_t threads_max, size_t queue_max);
void workers_stop(struct workers *w);
void workers_free(struct workers *w);
DEFINE_CLEANUP(struct workers *, workers_free)
/* Fails with ERROR_UNAVAILABLE where the queue is full. */
struct error *workers_submit(struct workers *w, void (*fn)(void *arg), void *arg) _must_check_;
#endif
