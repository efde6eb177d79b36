/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_JOBS_H
#define IMAGE_SERVICE_JOBS_H
/* The thread that does the jobs. */
#include "api/aws-call.h"
#include "api/credentials.h"
#include "common/crypto/wrap.h"
#include "common/daemon/metrics.h"
#include "image-service/service.h"

struct jobs {
    const struct service_config *config;
    struct aws_caller *cloud, *store;
    struct http_client *http; /* of the sources */
    struct wrap_pair pair;
    char *public_key; /* hex */
    atomic_bool stop;
    atomic_bool reached; /* the cloud answered the last question */
    metric made, unmade, failed;
};

extern const struct metric_row jobs_metric_rows[];
extern const size_t jobs_metric_rows_len;

/* Connections of the service's own: the cloud's and the store's. */
struct error *jobs_callers(const struct service_config *c, struct aws_caller **ret_cloud, struct aws_caller **ret_store)
    _must_check_;
struct error *jobs_open(struct jobs *j, const struct service_config *config) _must_check_;
void jobs_close(struct jobs *j);
/* Asks and works until `stop`; what it is at then is left as it is. */
void jobs_run(struct jobs *j);
#endif
