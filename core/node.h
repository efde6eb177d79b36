/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_NODE_H
#define CORE_NODE_H
/* What a Node Controller does next.
 *
 * A node_model holds the node's records (one spec file or tombstone per instance id), its boots and runs, and
 * what it last knew of its hypervisor.  It decides; the owner carries out the effects strictly in their order:
 * durable writes first, then acks and reports, jobs handed to workers.  What workers find comes back as events.
 * Unknown is not failed: a job or listing that did not end well changes nothing but when it is tried again.
 * Threading: none; the owner serialises. */
#include "core/life-cycle.h"
#include "core/message.h"
#include "core/timing.h"

enum node_effect_kind {
    NODE_WRITE_RECORD, /* durable before the next effect: `record` as it is in the effect */
    NODE_DROP_RECORD,  /* a tombstone past its time */
    NODE_WRITE_SELF,   /* durable: run, boot, highest epoch, cloud id */
    NODE_ACK,          /* delivery `token` */
    NODE_REPORT,       /* publish on mallee.report, key zone.node.type */
    NODE_JOB_START,    /* prepare disk and network, then say node_on_prepared(), or fail */
    NODE_JOB_CREATE,   /* make the domain run: made, connected to its network, its guest started */
    NODE_JOB_RESUME,   /* the rest of a creation whose outcome was lost: connect and start a domain that was made */
    NODE_JOB_STOP,     /* no domain, no disk: destroy, remove, look again */
    NODE_LIST,         /* list the hypervisor's domains; serial comes back */
    NODE_WRITE_SHARED, /* durable before the next effect: `shared` */
    NODE_DROP_SHARED,
    NODE_SHARED,       /* the network is to be as `shared` says */
    NODE_WRITE_OPERATION, /* durable before the next effect: `operation` */
    NODE_DROP_OPERATION,
    NODE_JOB_OPERATE,  /* do `operation` of `record`, once */
};

/* What is durable of one instance. */
struct node_record {
    struct id id;
    uint64_t generation;
    bool present; /* false: a tombstone, refuses every generation up to this as present */
    int phase;    /* enum node_phase */
    uint64_t boot;
    struct size size;
    bool no_room; /* the tombstone answers a present that found no room */
    char *body;
    char *why; /* of NODE_ENDED */
    enum observation ended;
};

/* A group or a subnet's map, as the cloud last sent it. */
struct node_shared {
    struct id id;
    enum object_kind kind;
    uint64_t generation;
    bool present; /* false: refuses every generation up to this as present */
    char *body;
    int64_t forget_left; /* not stored */
};

/* Something done once.  A record that is not done when the daemon starts was cut short and is never done again. */
struct node_operation {
    struct id id, instance, action;
    bool done, ok;
    char *body; /* not stored: what it brought */
    char *text; /* why it failed */
    char request_id[40];
    int64_t forget_left; /* not stored */
};

struct node_self {
    struct id node, zone;
    struct id cloud;        /* empty until the first envelope */
    struct epoch epoch;     /* the highest seen */
    uint64_t run, boot;
    uint64_t answered_boot; /* the newest boot that the cloud answered */
};

struct node_effect {
    enum node_effect_kind kind;
    uint64_t token;
    struct node_record record; /* body and why are copies owned by the effect */
    struct node_self self;     /* as it was when the effect was made */
    struct node_shared shared; /* so is its body */
    struct node_operation operation; /* so is its text */
    struct message message;
    uint64_t serial;
};

struct node_instance {
    struct node_record r;
    bool busy;            /* a job of it is with a worker */
    bool lost;            /* its last job's outcome is unknown: look before anything else */
    int looks;            /* good listings in a row that lacked it since */
    bool stop_next;       /* absent came while a job ran */
    uint64_t touched;     /* listings up to this serial are too old for it */
    int64_t retry_left;
    int64_t forget_left;  /* of a tombstone */
    char request_id[40];
};

/* A domain as the hypervisor lists it. */
struct node_domain {
    struct id id;      /* instance id of its metadata; empty: none */
    char cloud[48];    /* cloud id of its metadata; empty: none */
    uint64_t generation;
    bool running;    /* false: known to the hypervisor, on its way up or down */
    bool paused;     /* made, and its guest does not run yet */
};

enum job_result {
    JOB_DONE,
    JOB_FAILED,  /* it did not happen, and nothing of it is left */
    JOB_NOT_ASKED, /* the hypervisor was not there to be asked: tried again */
    JOB_UNKNOWN, /* no answer in time, or the connection went */
};

struct node_model {
    struct timing timing;
    struct node_self self;
    uint64_t seq; /* of the next report that has one */
    struct size size;
    char *public_key;       /* hex, told with each heartbeat; NULL: none */
    char *link;             /* its address on the link network, told too; NULL: none */
    bool listed_once;       /* a good listing came since the start */
    uint64_t list_serial;
    bool listing;
    int64_t list_left, heartbeat_left;
    ARRAY(struct node_instance *) instances;
    struct map *by_id;
    ARRAY(struct node_shared) shared;
    ARRAY(struct node_operation) operations;
    ARRAY(struct node_domain) unowned; /* domains of this cloud with no record */
    ARRAY(struct message) asked;       /* inventory requests waiting for a good listing */
    struct life_counts *counts;
    ARRAY(struct node_effect) effects;
};

/* `self` as stored; `boot_changed`: the host's boot id is another than the stored one.  The model adds 1 to run
 * (and boot) and its first effect writes that down. */
struct node_model *node_new(const struct timing *timing, const struct node_self *self, bool boot_changed,
                            struct size offered);
void node_free(struct node_model *n);
DEFINE_CLEANUP(struct node_model *, node_free)
/* A stored record; takes its body and why. Before node_started(). */
void node_load(struct node_model *n, struct node_record *take);
void node_load_shared(struct node_model *n, struct node_shared *take);
void node_load_operation(struct node_model *n, struct node_operation *take);
void node_started(struct node_model *n);
void node_effects_clear(struct node_model *n);
void node_record_free(struct node_record *r);
struct node_instance *node_find(const struct node_model *n, const char *id);

void node_on_delivery(struct node_model *n, uint64_t token, const struct message *m);
void node_on_connected(struct node_model *n);
/* The disk (and later network) of an instance is ready: JOB_DONE; or JOB_FAILED with why. */
void node_on_prepared(struct node_model *n, const char *id, enum job_result result, const char *why);
/* Of a creation, or of its rest. */
void node_on_created(struct node_model *n, const char *id, enum job_result result, const char *why);
void node_on_stopped(struct node_model *n, const char *id, enum job_result result);
/* An operation's end; takes body. */
void node_on_operated(struct node_model *n, const char *id, bool ok, char *take_body, const char *why);
/* A step on the way, for people ("fetching the image 40 %"). */
void node_on_step(struct node_model *n, const char *id, const char *text);
/* A listing: ok false where the hypervisor could not be listed whole. */
void node_on_listing(struct node_model *n, uint64_t serial, bool ok, const struct node_domain *domains,
                     size_t count);
/* The hypervisor says that a domain ended; `what` is OBSERVED_ENDED or OBSERVED_SHUT_DOWN. A hint: a
 * listing follows and settles. */
void node_on_domain_event(struct node_model *n, const char *id, enum observation what, const char *why);
void node_on_tick(struct node_model *n, int64_t elapsed);
/* Room taken by present records. */
struct size node_used(const struct node_model *n);
#endif
