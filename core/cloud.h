/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLOUD_H
#define CORE_CLOUD_H
/* What the Cloud Controller decides.
 *
 * A cloud_model holds what placing and settling need of each instance, reservation, zone and node, and the
 * outbox.  It is pure: whoever owns it feeds API changes, messages, publish results and ticks, one at a time,
 * and then carries out its effects in this order: write the rows in `changed` and `removed` in one transaction
 * (forced to stable storage where `flush` says so), then publish what is in `outgoing`, then
 * cloud_effects_clear().  After a crash the rows written are loaded again and nothing else is remembered.
 * Rows are never freed while the model lives, except outbox rows and forgotten instances (see `removed`).
 * Threading: none; the owner serialises. */
#include "core/life-cycle.h"
#include "core/message.h"
#include "core/timing.h"

enum cloud_row_kind {
    ROW_RESERVATION,
    ROW_INSTANCE,
    ROW_ZONE,
    ROW_NODE,
    ROW_OUTBOX,
    ROW_SHARED,
    ROW_OPERATION,
};

/* Head of every row: which table it is in, and whether it waits to be written. */
struct cloud_row {
    enum cloud_row_kind kind;
    bool queued;
};

struct cloud_reservation {
    struct cloud_row row;
    struct id id, zone, account;
    uint64_t generation;
    int64_t placing_left;
    char request_id[40];
};

struct cloud_instance {
    struct cloud_row row;
    struct id id, reservation, account, zone;
    struct id node;            /* empty: not placed */
    uint64_t generation;
    bool wanted;               /* desired: present */
    bool held;                 /* its node may still hold it: room, address and row stay */
    int state;                 /* enum instance_state: what the user sees */
    struct size size;
    uint64_t obs_run, obs_seq; /* the newest observation */
    int64_t deadline_left;     /* of `pending` or `shutting-down` */
    int64_t forget_left;       /* once terminated and not held */
    int64_t progress_left;     /* not stored: `pending` is not spent while its image makes progress */
    char *uses;                /* ids of the shared objects that its node must hold, with blanks between; does not
                                * change. NULL: none */
    char *body;                /* what the node needs to know, JSON; does not change */
    char *reason_code;         /* StateReason; NULL: none */
    char *reason_text;
    char request_id[40];       /* of the API request that changed it last */
};

struct cloud_zone {
    struct cloud_row row;
    struct id id;
    struct epoch epoch;
    struct id process; /* holder of the epoch */
    uint64_t asked;    /* its question that was answered by this epoch */
    /* not stored: */
    int64_t silent;    /* ms since its heartbeat; at least node_expired: lost */
    bool heard;        /* a heartbeat came since this process started */
    ARRAY(struct message_slots) slots;
    int disputes;      /* heartbeats running whose digest differs */
};

struct cloud_node {
    struct cloud_row row;
    struct id id, zone;
    struct id link; /* its address on the link network, as it told; empty: none */
    uint64_t boot;  /* newest that was answered */
    bool fenced;
    /* not stored: */
    uint64_t run, next_seq; /* next report expected of this run */
    int64_t silent;
    bool heard;
    struct size size;
    int64_t inventory_left; /* until a full inventory is asked for; 0: at once */
    int64_t asked_left;     /* an asked inventory is awaited; 0: none */
    int disputes;
    ARRAY(struct id) quarantined; /* domains or specs of this cloud without a row */
};

/* A security group or the map of a subnet: held by every node that holds an instance which uses it.  What its body
 * says lies in the owner's tables; the owner builds it when it is sent. */
struct cloud_shared {
    struct cloud_row row;
    struct id id;
    enum object_kind kind;
    uint64_t generation; /* its upper half is the era's number less 1: no two eras use the same */
    char *mentions; /* ids of shared objects whose users its body lists, with blanks between; NULL: none */
    /* not stored: */
    bool stale;     /* its users changed in this event: the generation is to go up */
    uint64_t mark;  /* scratch of sums over a node's instances */
};

/* Something to be done once on an instance's node. */
struct cloud_operation {
    struct cloud_row row;
    struct id id, instance, node;
    struct id action; /* "reboot", "console" */
    int64_t left;     /* until it is given up */
    char request_id[40];
};

struct outbox_row {
    struct cloud_row row;
    struct id receiver; /* a zone (its cluster) or a node */
    enum object_kind kind;
    struct id id;
    int state;          /* enum outbox_state; never NONE while it exists */
    int64_t wait_left, wait; /* until it is sent again, and the length of this wait */
    /* not stored: */
    uint64_t attempt;   /* which publish is in flight */
};

enum cloud_route {
    ROUTE_CLUSTER, /* exchange mallee.cluster, key zone */
    ROUTE_PROCESS, /* exchange mallee.cluster, key zone.process */
};

struct cloud_outgoing {
    enum cloud_route route;
    struct message message;
    uint64_t attempt; /* != 0: tell cloud_published() what became of it */
};

struct cloud_event {
    struct id instance;
    struct id source; /* the cloud's zone or node that it speaks of */
    char *text;
};

struct cloud_removed {
    enum cloud_row_kind kind; /* not of a zone or a node */
    struct id receiver, id;
    enum object_kind object;
};

/* An operation's end, for whoever waits for it. */
struct cloud_finished {
    struct id operation;
    bool ok;
    char *body; /* what it brought; NULL: nothing */
    char *text; /* why it failed */
};

struct cloud_type {
    struct id name;
    struct size size;
};

struct cloud_model {
    struct timing timing;
    struct id cloud;  /* this cloud's id */
    uint64_t era;
    struct map *by_id; /* struct cloud_instance, cloud_reservation (their ids differ in prefix) */
    ARRAY(struct cloud_instance *) instances;
    ARRAY(struct cloud_reservation *) reservations;
    ARRAY(struct cloud_zone *) zones;
    ARRAY(struct cloud_node *) nodes;
    ARRAY(struct outbox_row *) outbox;
    struct map *outbox_by_key;
    ARRAY(struct cloud_shared *) shared;
    struct map *shared_by_id;
    uint64_t marks;
    ARRAY(struct cloud_operation *) operations;
    ARRAY(struct cloud_type) types;
    uint64_t attempts; /* publishes so far */
    int64_t hello_left;
    struct life_counts *counts; /* NULL in the daemon */
    /* effects */
    ARRAY(struct cloud_row *) changed;
    ARRAY(struct cloud_removed) removed;
    ARRAY(struct cloud_outgoing) outgoing;
    ARRAY(struct cloud_event) events;
    ARRAY(struct cloud_finished) finished;
    bool era_changed; /* `era` is to be written, flushed */
    bool flush;
};

/* Restored from a backup, the rows are behind what nodes hold.  Who restores raises the era, by 1 and a random number below
 * CLOUD_ERA_STEP, so that two restores of one backup never are of one era, and forgets outbox,
 * operations and reservations: what was not placed yet may have been since, and is never placed again, only found.  The
 * model adopts what nodes report of later generations
 * (a placement, an end) instead of ordering it otherwise, raises the era above every one that a node has seen, and what
 * no row names is kept, shown and never destroyed. */
#define CLOUD_ERA_STEP 65536
struct cloud_model *cloud_new(const struct timing *timing, const char *cloud, uint64_t era);
void cloud_free(struct cloud_model *c);
DEFINE_CLEANUP(struct cloud_model *, cloud_free)
void cloud_effects_clear(struct cloud_model *c);

/* Loading: rows as they were written; the model takes the pointers. Call cloud_loaded() at the end. */
void cloud_load_instance(struct cloud_model *c, struct cloud_instance *take);
void cloud_load_reservation(struct cloud_model *c, struct cloud_reservation *take);
void cloud_load_outbox(struct cloud_model *c, struct outbox_row *take);
void cloud_load_node(struct cloud_model *c, struct cloud_node *take);
void cloud_load_zone(struct cloud_model *c, struct cloud_zone *take);
void cloud_load_shared(struct cloud_model *c, struct cloud_shared *take);
void cloud_load_operation(struct cloud_model *c, struct cloud_operation *take);
void cloud_loaded(struct cloud_model *c);

struct cloud_instance *cloud_find_instance(const struct cloud_model *c, const char *id);
struct cloud_zone *cloud_find_zone(const struct cloud_model *c, const char *id);
struct cloud_node *cloud_find_node(const struct cloud_model *c, const char *id);
void cloud_add_type(struct cloud_model *c, const char *name, struct size size);

/* How many more instances of the type the zone can take, by its last heartbeat less what was accepted and
 * not placed since.  0 while no heartbeat is known. */
uint64_t cloud_free_slots(const struct cloud_model *c, const struct cloud_zone *z, const char *type);

/* What one instance of a RunInstances is; `body` is copied. */
struct cloud_want {
    struct id id;
    struct size size;
    const char *body;
    const struct id *uses; /* shared objects: its subnet and groups */
    size_t uses_len;
};
/* Accepts a reservation: rows and outbox, to be flushed.  The caller checked room, quota and ids. */
void cloud_run(struct cloud_model *c, const char *reservation, const char *account, const char *zone,
               const char *request_id, const struct cloud_want *wants, size_t count);
/* Wants an instance gone; repeated calls change nothing. Returns the state before. */
enum instance_state cloud_terminate(struct cloud_model *c, struct cloud_instance *i, const char *request_id);
/* Shared objects (KIND_GROUP, KIND_SUBNET).  cloud_share() makes one, or says that its content or its mentions changed;
 * `mentions` are the shared objects whose users the body lists.  To be called in the transaction that writes what the
 * body is built from. */
void cloud_share(struct cloud_model *c, enum object_kind kind, const char *id, const struct id *mentions,
                 size_t count);
struct cloud_shared *cloud_find_shared(const struct cloud_model *c, const char *id);
/* True while an instance that is not gone uses it. */
bool cloud_shared_used(const struct cloud_model *c, const struct cloud_shared *s);
/* True while a node holds the instance and it uses the shared object: it is one of its members. */
bool cloud_member(const struct cloud_instance *i, const struct id *shared);
/* Forgets one that nobody uses. */
void cloud_unshare(struct cloud_model *c, struct cloud_shared *s);

/* Has something done once on the node that holds the instance; ends in `finished`, after `left` ms at the latest. */
void cloud_operate(struct cloud_model *c, const struct id *operation, const struct cloud_instance *i,
                   const char *action, int64_t left, const char *request_id);

/* Marks a node as never coming back: its instances' absence is taken as answered. */
void cloud_fence_node(struct cloud_model *c, struct cloud_node *n);

/* Has a quarantined instance destroyed, domain, disk and spec file. Returns its node; NULL: it is in no quarantine. */
const struct cloud_node *cloud_reap(struct cloud_model *c, const char *id);

void cloud_on_message(struct cloud_model *c, const struct message *m);
enum publish_result {
    PUBLISH_CONFIRMED,
    PUBLISH_RETURNED, /* unroutable */
    PUBLISH_LOST,     /* nacked, or the connection went: unknown */
};
void cloud_published(struct cloud_model *c, uint64_t attempt, enum publish_result result);
/* The broker's connection came (back): what was sent may be gone with it. */
void cloud_on_connected(struct cloud_model *c);
/* Spends `elapsed` ms of the monotonic clock (see core/timing.h). */
void cloud_on_tick(struct cloud_model *c, int64_t elapsed);
#endif
