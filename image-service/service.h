/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_SERVICE_H
#define IMAGE_SERVICE_SERVICE_H
/* The Image Service: asks the Cloud Controller for jobs and does them one after the other.
 *
 * A job is desired state: an image that is pending is to be made, a deregistered one on which nothing stands any more is
 * to be removed.  The service holds nothing between jobs; one that was cut short is asked for and done again.  The image's
 * key comes with the job, wrapped for the service's own key.  One thread (jobs.h) works, another one (collector.h) removes
 * what jobs left behind; the main loop only ends them. */
#include <stdatomic.h>
#include "common/daemon/daemon.h"

struct service_config {
    struct daemon_config daemon;
    char *listen, *state_dir;
    char *cloud_url, *store_url, *region, *credentials_file, *ca_file;
    uint64_t max_disk, poll_ms, garbage_delay_ms;
};

extern const struct daemon_ops service_daemon;
#endif
