/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_COLLECTOR_H
#define IMAGE_SERVICE_COLLECTOR_H
/* The thread that collects chunks from time to time (collect.h), with connections of its own, so that no job waits for
 * it and it waits for no job. */
#include "image-service/jobs.h"

struct collector {
    const struct service_config *config;
    const char *public_key; /* the jobs' */
    struct aws_caller *cloud, *store;
    atomic_bool stop;
    metric removed;
};

extern const struct metric_row collector_metric_rows[];
extern const size_t collector_metric_rows_len;

/* `jobs` must outlive it. */
struct error *collector_open(struct collector *c, const struct jobs *jobs) _must_check_;
void collector_close(struct collector *c);
/* Collects until `stop`. */
void collector_run(struct collector *c);
#endif
