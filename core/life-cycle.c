/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/life-cycle.h"
#include <stdio.h>
#include <stdlib.h>
#include "common/base/array.h"

static const char *const instance_names[] = {"pending", "running", "shutting-down", "terminated"};
static const struct life_cycle_edge instance_edges[] = {
    {INSTANCE_PENDING, INSTANCE_RUNNING, "its node saw the domain run"},
    {INSTANCE_PENDING, INSTANCE_SHUTTING_DOWN, "TerminateInstances"},
    {INSTANCE_PENDING, INSTANCE_TERMINATED, "not placed, not started, or pending too long"},
    {INSTANCE_RUNNING, INSTANCE_SHUTTING_DOWN, "TerminateInstances"},
    {INSTANCE_RUNNING, INSTANCE_TERMINATED, "the domain ended unasked"},
    {INSTANCE_SHUTTING_DOWN, INSTANCE_TERMINATED, "its node answered absent, or the deadline"},
};

static const char *const outbox_names[] = {"none", "dirty", "in-flight", "sent"};
static const struct life_cycle_edge outbox_edges[] = {
    {OUTBOX_NONE, OUTBOX_DIRTY, "the resource changed"},
    {OUTBOX_DIRTY, OUTBOX_IN_FLIGHT, "published"},
    {OUTBOX_IN_FLIGHT, OUTBOX_SENT, "confirmed, not returned"},
    {OUTBOX_IN_FLIGHT, OUTBOX_DIRTY, "returned, refused, lost, or the resource changed"},
    {OUTBOX_IN_FLIGHT, OUTBOX_NONE, "the report came before the confirm"},
    {OUTBOX_SENT, OUTBOX_DIRTY, "no report in time, or the resource changed"},
    {OUTBOX_SENT, OUTBOX_NONE, "the receiver's report of the current generation"},
    {OUTBOX_DIRTY, OUTBOX_NONE, "a report of the current generation, late or from before"},
};

static const char *const cluster_names[] = {"joining", "learning", "ready"};
static const struct life_cycle_edge cluster_edges[] = {
    {CLUSTER_JOINING, CLUSTER_LEARNING, "epoch granted"},
    {CLUSTER_LEARNING, CLUSTER_READY, "snapshot there, each node known or expired"},
    {CLUSTER_LEARNING, CLUSTER_JOINING, "connection lost, or a newer epoch seen"},
    {CLUSTER_READY, CLUSTER_JOINING, "connection lost, or a newer epoch seen"},
    {CLUSTER_READY, CLUSTER_LEARNING, "a newer epoch granted"},
};

static const char *const node_names[] = {"new",   "accepted", "starting", "running",
                                         "ended", "held",     "stopping", "gone"};
static const struct life_cycle_edge node_edges[] = {
    {NODE_NEW, NODE_ACCEPTED, "present, and there is room"},
    {NODE_NEW, NODE_STOPPING, "absent, or no room"},
    {NODE_GONE, NODE_ACCEPTED, "present at a later generation"},
    {NODE_GONE, NODE_STOPPING, "absent at a later generation, no room, or a domain came up late"},
    {NODE_ACCEPTED, NODE_STARTING, "the disk is there; the start call is next"},
    {NODE_ACCEPTED, NODE_ENDED, "it could not be prepared"},
    {NODE_ACCEPTED, NODE_STOPPING, "absent"},
    {NODE_STARTING, NODE_RUNNING, "the domain runs"},
    {NODE_STARTING, NODE_ENDED, "it could not be started, or is not there after the start was lost"},
    {NODE_STARTING, NODE_STOPPING, "absent"},
    {NODE_RUNNING, NODE_ENDED, "the domain is gone"},
    {NODE_RUNNING, NODE_STOPPING, "absent"},
    {NODE_ENDED, NODE_STOPPING, "absent"},
    {NODE_ACCEPTED, NODE_HELD, "the host booted anew"},
    {NODE_STARTING, NODE_HELD, "the host booted anew"},
    {NODE_RUNNING, NODE_HELD, "the host booted anew"},
    {NODE_HELD, NODE_ACCEPTED, "the cloud still wants it, or present at a later generation"},
    {NODE_HELD, NODE_STOPPING, "absent, or the cloud no longer wants it"},
    {NODE_STOPPING, NODE_GONE, "no domain, no disk"},
};

#define CYCLE(label, list)                                                                         \
    {                                                                                              \
        .name = label, .states = list##_names, .edges = list##_edges,                              \
        .count = ARRAY_SIZE(list##_edges)                                                          \
    }
const struct life_cycle LIFE_INSTANCE = CYCLE("instance", instance);
const struct life_cycle LIFE_OUTBOX = CYCLE("outbox row", outbox);
const struct life_cycle LIFE_CLUSTER = CYCLE("cluster controller", cluster);
const struct life_cycle LIFE_NODE = CYCLE("instance on its node", node);

void life_cycle_go(const struct life_cycle *cycle, uint64_t *counts, int *state, int to)
{
    if (*state == to)
        return;
    for (size_t i = 0; i < cycle->count; i++) {
        if (cycle->edges[i].from == *state && cycle->edges[i].to == to) {
            if (counts)
                counts[i]++;
            *state = to;
            return;
        }
    }
    fprintf(stderr, "life cycle of %s has no edge %s -> %s\n", cycle->name, cycle->states[*state],
            cycle->states[to]);
    abort();
}

const char *instance_state_name(enum instance_state state)
{
    return instance_names[state];
}

int instance_state_code(enum instance_state state)
{
    static const int codes[] = {0, 16, 32, 48};
    return codes[state];
}
