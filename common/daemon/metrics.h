/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DAEMON_METRICS_H
#define COMMON_DAEMON_METRICS_H
/* Counters and gauges, told as tables, rendered in Prometheus' text form.
 *
 * A module keeps `metric` members in a struct of its own and a static const table of rows beside it; whoever owns the
 * module registers both.  Members are atomic: any thread counts, any thread renders.  A registered struct must
 * outlive the registry or be removed. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "common/base/str.h"

typedef _Atomic uint64_t metric;

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
};

struct metric_row {
    const char *name; /* "mallee_mq_published_total" */
    enum metric_kind kind;
    size_t offset; /* of the metric */
    const char *doc;
};

static inline void metric_add(metric *m, uint64_t n)
{
    atomic_fetch_add_explicit(m, n, memory_order_relaxed);
}
static inline void metric_set(metric *m, uint64_t n)
{
    atomic_store_explicit(m, n, memory_order_relaxed);
}
static inline uint64_t metric_get(const metric *m)
{
    return atomic_load_explicit(m, memory_order_relaxed);
}

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
DEFINE_CLEANUP(struct metrics *, metrics_free)
/* `labels` ("db=\"cloud\"", without braces) tell several structs with one table apart; NULL: none. Copied. */
void metrics_register(struct metrics *m, const struct metric_row *rows, size_t len, const void *base,
                      const char *labels);
void metrics_remove(struct metrics *m, const void *base);
/* `fill(arg)` is called before each rendering to bring gauges up to date, on the rendering thread. */
void metrics_on_render(struct metrics *m, void (*fill)(void *arg), void *arg);
void metrics_render(struct metrics *m, struct str *out);
#endif
