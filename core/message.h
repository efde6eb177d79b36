/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H
/* What daemons tell each other: objects in their present state, and reports.  One struct with the members
 * of all types; schemas/messages/ tells which type has which.  core/message-json.h is its form on the wire.
 * A message owns its lists and its body; message_free() releases them, message_copy() makes another. */
#include <stdbool.h>
#include <stdint.h>
#include "common/base/array.h"
#include "common/base/id.h"

enum message_type {
    /* to a cluster's command queue */
    MESSAGE_HELLO,             /* the cloud lives; carries the zone's epoch */
    MESSAGE_OBJECT,            /* (kind, id, generation, present | absent, body) */
    MESSAGE_BOOT_ANSWER,       /* to a node through its cluster */
    MESSAGE_INVENTORY_REQUEST, /* to a node, from the cloud through its cluster or from the cluster */
    /* to one cluster process */
    MESSAGE_EPOCH_GRANT,
    MESSAGE_SNAPSHOT,
    /* reports of a cluster */
    MESSAGE_EPOCH_REQUEST,
    MESSAGE_PLACEMENT,
    MESSAGE_CLUSTER_HEARTBEAT,
    /* reports of a node */
    MESSAGE_APPLIED,
    MESSAGE_OBSERVED,
    MESSAGE_HEARTBEAT,
    MESSAGE_INVENTORY,
    MESSAGE_BOOT,
    MESSAGE_TYPES,
};

enum object_kind {
    KIND_RESERVATION,
    KIND_INSTANCE,
    KIND_GROUP,     /* a security group: its rules, with the members of the groups they name */
    KIND_SUBNET,    /* the map of a subnet: which address is on which node */
    KIND_OPERATION, /* what is not a state: a reboot, a read of the console */
    KINDS,
};

enum applied_result {
    APPLIED_OK,
    APPLIED_NO_ROOM, /* a tombstone, though present was asked for */
    APPLIED_FAILED,  /* of an operation; text says why */
};

/* What a node saw of an instance. */
enum observation {
    OBSERVED_NOTHING, /* nothing known of its domain */
    OBSERVED_STEP,    /* on its way; text says which step */
    OBSERVED_RUNNING,
    OBSERVED_ENDED,     /* the domain ended unasked; text says how */
    OBSERVED_SHUT_DOWN, /* the guest powered itself off */
    OBSERVED_FAILED,    /* could not be started; text says why */
    OBSERVED_UNOWNED,   /* a domain of this cloud without a spec file or tombstone */
};

enum boot_verdict {
    BOOT_START,
    BOOT_ABSENT,
    BOOT_UNKNOWN, /* no such row: kept, not started, shown */
};

struct epoch {
    uint64_t era, n;
};

/* Room that an instance takes or a node has. */
struct size {
    uint64_t vcpus, memory_mib, disk_gib;
};

/* Where an instance is in the guests' network; empty ids where it is not. */
struct message_place {
    struct id subnet, address, public_address;
};

/* One line of a placement, inventory, boot list or snapshot. */
struct message_item {
    enum object_kind kind; /* of inventories; elsewhere all are instances */
    struct id id;
    struct id node;
    uint64_t generation;
    bool present;
    enum observation observed;
    enum boot_verdict verdict;
    struct size size;
    struct message_place place; /* of inventories: an instance that no row names holds its addresses yet */
};

/* Free room counted in instances of one type; in a snapshot, the type itself. */
struct message_slots {
    struct id type;
    uint64_t free;
    struct size size;
};

struct message {
    enum message_type type;
    struct epoch epoch;      /* of the cluster process that sends or is meant */
    struct id cloud;         /* the cloud's id; nodes learn it from the first envelope */
    struct id zone, node;    /* where it goes, or who reports */
    struct id process;       /* of a cluster */
    char request_id[40];     /* of the API request behind it; empty: none */
    enum object_kind kind;
    struct id id;
    uint64_t generation;
    bool present;
    enum applied_result result;
    enum observation observed;
    struct size size;        /* of the instance, or what a node offers */
    uint64_t run, seq, boot; /* of a node */
    uint64_t request;        /* which question this asks or answers */
    uint64_t count, digest;  /* of what is held present */
    ARRAY(struct message_item) items;
    ARRAY(struct message_slots) slots;
    char *body; /* JSON of the resource */
    char *text; /* for people: a step, a reason */
};

void message_free(struct message *m);
struct message message_copy(const struct message *m);
const char *message_type_name(enum message_type type);
const char *object_kind_name(enum object_kind kind);
/* Objects that nodes hold for those of their instances that use them. */
bool object_kind_shared(enum object_kind kind);
/* -1, 0, 1: as a is before, the same as, after b; the era outranks the number. */
int epoch_compare(struct epoch a, struct epoch b);
/* (run, seq) a before, at, after b. */
int observed_compare(uint64_t run_a, uint64_t seq_a, uint64_t run_b, uint64_t seq_b);
bool size_fits(struct size need, struct size room);
struct size size_add(struct size a, struct size b);
/* a - b, each member at least 0. */
struct size size_subtract(struct size a, struct size b);
#endif
