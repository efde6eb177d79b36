/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LIFE_CYCLE_H
#define CORE_LIFE_CYCLE_H
/* The life cycles, as tables of edges.  A model changes such a state only through life_cycle_go(), which
 * aborts on an edge that no table has and counts those taken: the simulator shows that each was. */
#include <stddef.h>
#include <stdint.h>

enum instance_state {
    INSTANCE_PENDING,
    INSTANCE_RUNNING,
    INSTANCE_SHUTTING_DOWN,
    INSTANCE_TERMINATED,
};

enum outbox_state {
    OUTBOX_NONE,      /* no row */
    OUTBOX_DIRTY,     /* to be sent */
    OUTBOX_IN_FLIGHT, /* published, not yet confirmed */
    OUTBOX_SENT,      /* the broker has it; the receiver's report is awaited */
};

enum cluster_state {
    CLUSTER_JOINING,  /* no epoch: acks and sends nothing */
    CLUSTER_LEARNING, /* has an epoch, waits for the snapshot and the inventories */
    CLUSTER_READY,    /* places */
};

enum node_phase {
    NODE_NEW,      /* no record */
    NODE_ACCEPTED, /* spec file durable; to be started */
    NODE_STARTING, /* the start call is about to be made or was */
    NODE_RUNNING,  /* its domain ran */
    NODE_ENDED,    /* it ended, or could not be started; the cloud is told until it says absent */
    NODE_HELD,     /* the host booted anew: waits for the cloud's answer */
    NODE_STOPPING, /* tombstone durable; domain and disk being removed */
    NODE_GONE,     /* tombstone; the absence was answered */
};

struct life_cycle_edge {
    int from, to;
    const char *when;
};

struct life_cycle {
    const char *name;
    const char *const *states;
    const struct life_cycle_edge *edges;
    size_t count;
};

extern const struct life_cycle LIFE_INSTANCE, LIFE_OUTBOX, LIFE_CLUSTER, LIFE_NODE;
#define LIFE_EDGES_MAX 32

/* How often each edge was taken; lives in the simulator, NULL in daemons. */
struct life_counts {
    uint64_t instance[LIFE_EDGES_MAX], outbox[LIFE_EDGES_MAX], cluster[LIFE_EDGES_MAX],
        node[LIFE_EDGES_MAX];
};

/* Goes from *state to `to`; going to the state it is in is no edge and does nothing. */
void life_cycle_go(const struct life_cycle *cycle, uint64_t *counts, int *state, int to);
const char *instance_state_name(enum instance_state state);
int instance_state_code(enum instance_state state);
#endif
