/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NODE_H
#define NODE_CONTROLLER_NODE_H
/* The daemon of one host: core/node.h on its state folder, its hypervisor and the broker.
 *
 * The model lives on the main loop's thread, which also makes its durable writes, in the order of its effects.  What
 * asks the hypervisor or makes disks runs on worker threads (jobs.h) and posts its result back. */
#include <stdatomic.h>
#include "common/crypto/wrap.h"
#include "common/daemon/daemon.h"
#include "common/mq/mq.h"
#include "common/status/status.h"
#include "common/workers/workers.h"
#include "node-controller/guests.h"
#include "node-controller/hypervisor/hypervisor.h"
#include "node-controller/image-cache/image-cache.h"
#include "node-controller/metadata/metadata.h"
#include "node-controller/network/network.h"
#include "node-controller/operate.h"
#include "node-controller/state.h"

struct node_config {
    struct daemon_config daemon;
    char *zone;
    char *amqp_url;
    char *listen;
    char *state_dir;
    char *hypervisor_uri;
    char *domain_type;
    char *emulator;
    char *boot_id_file;
    char *timing;
    char *store_url, *store_region, *store_credentials_file, *store_ca_file;
    uint64_t vcpus, memory_mib, disk_gib;
    uint64_t image_cache_gib, min_free;
    uint64_t first_uid;
    char *netns_prefix, *link_device, *link_address, *public_network, *guest_services;
    bool guest_outside;
};

struct node {
    struct daemon *daemon;
    const struct node_config *config;
    struct timing timing;
    struct state *state;
    struct node_model *model;
    char *boot_id;
    struct hypervisor *hypervisor;
    struct workers *workers; /* jobs of instances */
    struct workers *preparers; /* those that may wait for an image */
    struct image_cache *images;
    struct workers *keeper;  /* one thread: looks at the image cache */
    bool keeping, asking;    /* the look is on its way; it asks the store, too */
    int64_t keep_left, ask_left;
    struct wrap_pair pair; /* for what is wrapped for this node */
    struct workers *lister;  /* listings, so that a slow job never delays them */
    struct workers *operators; /* operations, which may wait for a guest */
    struct workers *networker; /* one thread: what groups and subnets say, in the order in which it came */
    struct operator *operator;
    struct guests *guests;     /* what the model holds, for other threads */
    struct network *network;   /* NULL: domains have no cards */
    struct metadata *metadata;
    atomic_bool network_ready; /* what was there before is restored */
    bool network_bad;          /* the networker's: its last look could not mend all */
    bool checking;             /* a look at the network is on its way */
    int64_t check_left;
    struct mq_link *mq;
    struct status_server *status;
    struct loop_timer *timer;
    int64_t last_tick;
    bool stopping;
    uint64_t numbers;
    ARRAY(struct node_delivery {
        uint64_t number;
        struct mq_token token;
    }) deliveries;
    char *queue, *key;
    struct mq_exchange exchanges[2];
    struct mq_binding binding;
    struct mq_queue queues[1];
};

extern const struct daemon_ops node_daemon;
/* --print-id: makes the identity where it lacks and prints it; the value is main()'s. */
int node_print_id(int argc, char **argv);

/* Carries out the model's effects. */
void node_carry_out(struct node *n);
#endif
