/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H
/* One cloud in one process on a virtual clock: the pure models of core/ with a broker, hypervisors and disks
 * that fail as real ones do.  One seed is one history; the same seed is the same history.
 *
 * The world owns everything.  Each step does one thing that could happen next (a delivery, a confirm, a job's
 * end, a tick, an API call, a fault) and the laws are checked where they could break.  A broken law prints
 * the seed, the step and what broke, and ends the process with status 1. */
#include "common/base/map.h"
#include "common/base/str.h"
#include "core/cloud.h"
#include "core/cluster.h"
#include "core/node.h"

#define ZONES_MAX 2
#define NODES_MAX 4 /* of a zone */

enum fault {
    FAULT_CRASH,       /* a process dies between two effects or idle */
    FAULT_PAUSE,       /* SIGSTOP, for long enough that the broker may give it up */
    FAULT_DISCONNECT,
    FAULT_BROKER_CRASH,
    FAULT_BROKER_WIPE,
    FAULT_POWER_CUT,   /* a node's host: domains, daemon, boot id */
    FAULT_LIBVIRT,     /* gone for a while; what was asked of it may still happen */
    FAULT_DESTROY,     /* a domain destroyed behind the cloud's back, or its guest powers off */
    FAULT_FOREIGN,     /* a domain of another cloud with an id of ours */
    FAULT_DROP,
    FAULT_DOUBLE,
    FAULT_DELAY,
    FAULT_UNROUTABLE,
    FAULT_JOB_FAILED,
    FAULT_JOB_UNKNOWN,
    FAULT_RESTORE,     /* the cloud's rows become those of a backup */
    FAULTS,
};

enum proc_kind {
    PROC_CLOUD,
    PROC_CLUSTER,
    PROC_NODE,
};

struct confirm {
    uint64_t attempt;   /* of the cloud */
    uint64_t ack_token; /* of a cluster's forward */
    enum publish_result result;
};

struct sim_job {
    enum node_effect_kind kind; /* JOB_START, JOB_CREATE, JOB_STOP, JOB_OPERATE or LIST */
    struct id id;               /* of the instance; of the operation */
    uint64_t generation, serial, boot;
    struct size size;
    bool cut; /* a listing whose content was taken when it was asked for */
    ARRAY(struct node_domain) seen;
};

struct proc {
    enum proc_kind kind;
    int zone, node;
    bool up, paused, connected;
    uint64_t life;  /* goes up with each start */
    int64_t last_tick, start_at, paused_at, resume_at, connect_at;
    union {
        struct cloud_model *cloud;
        struct cluster_model *cluster;
        struct node_model *node_model;
    };
    ARRAY(struct confirm) confirms;
    ARRAY(struct sim_job) jobs;
};

struct queued {
    struct message message;
    uint64_t token;
    int64_t ready_at;
    bool out; /* delivered, not acked */
};

enum queue_kind {
    QUEUE_COMMAND, /* of a zone: durable, single active consumer */
    QUEUE_NODE,    /* of a node: durable */
    QUEUE_OWN,     /* of a process: gone with its connection */
};

struct queue {
    enum queue_kind kind;
    int zone, node;
    struct proc *owner; /* consumer; of a command queue the active one or NULL */
    bool exists;
    ARRAY(struct queued) items;
};

struct sim_domain {
    struct id id;
    bool foreign;
    uint64_t generation;
    struct size size;
    bool paused; /* made, and the creation went no further */
};

struct host {
    uint64_t power_cuts;
    bool libvirt_up;
    int64_t libvirt_back_at;
    ARRAY(struct sim_domain) domains;
    ARRAY(struct id) disks;
    ARRAY(struct node_record) records; /* durable */
    ARRAY(struct node_shared) shared;  /* durable */
    ARRAY(struct node_operation) operations; /* durable */
    struct node_self self;             /* durable */
    uint64_t boot_seen;                /* host boots, as the node's state folder knows */
    uint64_t boot_now;
    ARRAY(struct sim_job) late; /* asked of libvirt by a connection that is gone */
};

/* What the test knows of an instance that the API accepted. */
struct promise {
    struct id id;
    bool terminated;  /* its TerminateInstances was answered */
    uint64_t starts, cuts_allowed;
    int64_t cloud_ticks; /* of cloud processes since it was accepted, in its present deadline */
    int deadline_state;  /* the state that deadline belongs to */
    bool lost;           /* accepted after the backup that was restored: what runs of it is kept */
};

struct cloud_disk {
    uint64_t era;
    ARRAY(struct cloud_instance) instances;
    ARRAY(struct cloud_reservation) reservations;
    ARRAY(struct cloud_zone) zones;
    ARRAY(struct cloud_node) nodes;
    ARRAY(struct outbox_row) outbox;
    ARRAY(struct cloud_shared) shared;
    ARRAY(struct cloud_operation) operations;
};

/* Writes that ride along and are not yet forced. */
struct lazy_write {
    bool removed;
    struct cloud_removed what;
    enum cloud_row_kind kind;
    struct cloud_instance instance;
    struct cloud_reservation reservation;
    struct cloud_zone zone;
    struct cloud_node node;
    struct outbox_row outbox;
    struct cloud_shared shared;
    struct cloud_operation operation;
};

struct world {
    uint64_t seed, random;
    uint64_t step;
    int64_t now;
    bool faults_on, verbose;
    int zones, nodes;
    struct timing timing;
    struct id cloud_id;
    ARRAY(struct proc *) procs;
    ARRAY(struct queue *) queues;
    bool broker_up;
    int64_t broker_back_at;
    uint64_t tokens, ids, processes;
    struct host hosts[ZONES_MAX][NODES_MAX];
    struct cloud_disk disk;
    ARRAY(struct lazy_write) lazy;
    struct cloud_disk backup;
    size_t backed_up; /* how many promises the backup knows; 0: there is none */
    ARRAY(struct promise) promises;
    ARRAY(char *) texts;        /* what rows on disk point to */
    ARRAY(struct id) operated;  /* each operation that a host was made to do */
    struct life_counts *counts;
    uint64_t *struck; /* per enum fault */
    uint64_t foreign_made;
};

/* With --trace 1: one line of what happens. */
void trace(const struct world *w, const char *format, ...) _printf_(2, 3);

/* random */
uint64_t rnd(struct world *w);
uint64_t rnd_below(struct world *w, uint64_t n);
bool chance(struct world *w, double p);

/* broker.c */
void broker_publish(struct world *w, struct proc *p, const char *exchange, const struct id *zone,
                    const struct id *last, const struct message *m, uint64_t attempt, uint64_t ack_token);
void broker_ack(struct world *w, struct proc *p, uint64_t token);
bool broker_deliver(struct world *w);
bool broker_confirm(struct world *w);
void broker_disconnect(struct world *w, struct proc *p);
void broker_crash(struct world *w, bool wipe);
void broker_connect_all(struct world *w);
bool broker_idle(const struct world *w);

/* hypervisor.c */
void host_start_job(struct world *w, struct proc *p, const struct node_effect *e);
bool host_finish_job(struct world *w);
void host_power_cut(struct world *w, int zone, int node);
void host_libvirt_down(struct world *w, int zone, int node);
bool host_domain_ends(struct world *w, int zone, int node);
void host_foreign(struct world *w, int zone, int node);
void host_tick(struct world *w);
struct sim_domain *host_domain(struct host *h, const struct id *id, bool foreign);
bool host_has_disk(const struct host *h, const struct id *id);

/* shells.c: carry out the models' effects */
void proc_start(struct world *w, struct proc *p);
void proc_crash(struct world *w, struct proc *p);
void cloud_back_up(struct world *w);
bool cloud_restore(struct world *w, struct proc *cloud);
void cloud_settle(struct world *w, struct proc *p);
void cluster_settle(struct world *w, struct proc *p);
void node_settle(struct world *w, struct proc *p);
void proc_tick(struct world *w, struct proc *p);
void sim_run_instances(struct world *w, struct proc *cloud);
void sim_terminate(struct world *w, struct proc *cloud);
/* What the body of a shared object says here: its members and those of the objects it mentions. */
char *sim_shared_body(const struct cloud_model *c, const struct cloud_shared *s);
void sim_share(struct world *w, struct proc *cloud);
void sim_operate(struct world *w, struct proc *cloud);

/* laws.c */
void broken(struct world *w, const char *format, ...) _printf_(2, 3) __attribute__((noreturn));
struct promise *promise_find(struct world *w, const struct id *id);
void law_started(struct world *w, int zone, int node, const struct sim_domain *d);
void law_acked(struct world *w, const struct proc *p, const struct message *m);
void law_obeyed(struct world *w, const struct proc *p, const struct message *m);
void law_reported(struct world *w, const struct proc *p, const struct message *m);
void law_operated(struct world *w, const struct id *operation);
void law_row_settled(struct world *w, const struct cloud_model *c, const struct cloud_removed *r);
void law_loaded(struct world *w, const struct cloud_model *c);
void law_foreign(struct world *w);
void law_deadline(struct world *w, const struct cloud_model *c);
bool law_settled(struct world *w, struct str *why);
void law_end(struct world *w);
#endif
