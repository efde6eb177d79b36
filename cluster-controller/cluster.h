/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONTROLLER_CLUSTER_H
#define CLUSTER_CONTROLLER_CLUSTER_H
/* The daemon of one zone: core/cluster.h on a link to the broker.
 *
 * It keeps nothing on disk.  Everything happens on the main loop's thread: what the link's thread receives is posted
 * there, and the model's effects are carried out there in their order. */
#include "common/daemon/daemon.h"
#include "core/timing.h"

struct cluster_config {
    struct daemon_config daemon;
    char *zone;
    char *amqp_url;
    char *listen;
    char *timing;
};

extern const struct daemon_ops cluster_daemon;
#endif
