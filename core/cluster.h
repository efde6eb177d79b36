/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLUSTER_H
#define CORE_CLUSTER_H
/* What a Cluster Controller decides: where an instance goes.
 *
 * A cluster_model is a view and owns no truth: placements as the cloud last sent them, room as the nodes last
 * reported, and its own claims until the cloud's echo.  It starts joining at every connection: until the cloud
 * has granted it an epoch it acks and sends nothing; it places nothing before it has the snapshot of its zone
 * and each node's inventory or expiry, all asked for in that epoch.
 * The owner feeds deliveries, reports and ticks, carries out the effects in their order, then clears them.
 * Threading: none; the owner serialises. */
#include "core/life-cycle.h"
#include "core/message.h"
#include "core/timing.h"

enum cluster_effect_kind {
    CLUSTER_ACK,     /* a delivery of the command queue */
    CLUSTER_REPORT,  /* publish on mallee.report, key zone.process.type */
    CLUSTER_FORWARD, /* publish on mallee.node, key zone.node; `token` is acked once it is confirmed or returned */
};

struct cluster_effect {
    enum cluster_effect_kind kind;
    uint64_t token; /* of the delivery; 0: none */
    struct message message;
};

/* That an instance takes room of a node, and who says so. */
struct cluster_hold {
    struct id id, node, reservation;
    uint64_t generation;
    struct size size;
    bool placed;        /* the cloud says so */
    bool reported;      /* the node says so */
    int64_t claim_left; /* > 0: our own decision, not yet echoed */
};

struct cluster_node {
    struct id id;
    struct size size;
    uint64_t run;
    int64_t silent;
    bool heard;       /* a heartbeat or inventory came */
    bool known;       /* its inventory of this epoch came, or it expired */
    bool in_zone;     /* the snapshot names it */
};

struct cluster_wanted {
    struct message object; /* a reservation's */
    int64_t left;          /* given up then: the cloud has, or sends it again */
};

struct cluster_held_delivery {
    uint64_t token;
    struct message message;
};

struct cluster_model {
    struct timing timing;
    struct id zone, process;
    int state; /* enum cluster_state */
    struct epoch epoch;
    uint64_t question; /* number of the epoch request that is open */
    bool asking, snapshot;
    int64_t ask_left, heartbeat_left, inventory_left, learning_left;
    struct id cloud;
    ARRAY(struct cluster_node) nodes;
    ARRAY(struct cluster_hold) holds;
    ARRAY(struct cluster_wanted) wanted;
    ARRAY(struct cluster_held_delivery) waiting; /* deliveries that came before the epoch */
    ARRAY(struct message_slots) types;
    struct life_counts *counts;
    ARRAY(struct cluster_effect) effects;
};

struct cluster_model *cluster_new(const struct timing *timing, const char *zone, const char *process);
void cluster_free(struct cluster_model *c);
DEFINE_CLEANUP(struct cluster_model *, cluster_free)
void cluster_effects_clear(struct cluster_model *c);

/* A new connection: earlier deliveries are the broker's again, the epoch is asked anew. */
void cluster_on_connected(struct cluster_model *c);
/* From the zone's command queue; `token` is for its ack. */
void cluster_on_delivery(struct cluster_model *c, uint64_t token, const struct message *m);
/* Meant for this process only: grants and snapshots. */
void cluster_on_control(struct cluster_model *c, const struct message *m);
/* A node's report. */
void cluster_on_report(struct cluster_model *c, const struct message *m);
void cluster_on_tick(struct cluster_model *c, int64_t elapsed);
#endif
