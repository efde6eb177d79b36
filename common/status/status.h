/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_STATUS_STATUS_H
#define COMMON_STATUS_STATUS_H
/* The small HTTP listener of daemons without an API: /healthz and /metrics. */
#include "common/daemon/metrics.h"
#include "common/http-server/http-server.h"

struct status_server;

/* `healthy(arg)` is asked on a worker thread; it must not block.  `metrics` outlives the server. */
struct error *status_start(const char *listen, struct metrics *metrics, bool (*healthy)(void *arg), void *arg,
                           struct status_server **ret) _must_check_;
void status_stop(struct status_server *s);
/* Answers the two paths; false: it is another one.  For servers that have an API beside it. */
bool status_answer(struct http_request *r, struct metrics *metrics, bool healthy);
#endif
