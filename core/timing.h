/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_TIMING_H
#define CORE_TIMING_H
/* Every waiting time of the cloud, in one table.  Deadlines are spent, not compared: each tick takes
 * min(monotonic time elapsed, two ticks) from a stored budget, so a stopped process or a jumping clock never
 * makes anything expire.  Only test configuration shortens these. All in milliseconds. */
#include <stdint.h>
#include "common/base/error.h"

struct timing {
    int64_t tick;          /* how often a daemon's decisions look at their budgets */
    int64_t heartbeat;     /* a node's and a cluster's report that it lives */
    int64_t node_expired;  /* silence after which nothing is placed on a node */
    int64_t placing;       /* a reservation must be placed, a cluster's claim lasts */
    int64_t resend;        /* first wait for the receiver's report; doubles */
    int64_t resend_most;   /* where the doubling ends */
    int64_t pending;       /* an instance may be pending */
    int64_t shutting_down; /* an instance may be shutting down */
    int64_t inventory;     /* full inventories go at least this often */
    int64_t listing;       /* a node looks at its hypervisor at least this often */
    int64_t keep_gone;     /* rows and tombstones of what is gone are kept */
    int64_t reboot;        /* a guest that was asked to reboot may take, before it is reset */
    int64_t job_retry;     /* a node tries again what it could not finish */
    int64_t images;        /* a node looks at its image cache */
    int64_t images_asked;  /* and asks the store whether the images are still there */
};

extern const struct timing TIMING_DEFAULT;

/* What one tick takes from the budgets after `elapsed` ms of the monotonic clock. */
int64_t timing_spend(const struct timing *t, int64_t elapsed);
/* Overrides from test configuration: "heartbeat=500,resend=1500". */
struct error *timing_parse(struct timing *t, const char *text) _must_check_;
#endif
