/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLOUD_INTERNAL_H
#define CORE_CLOUD_INTERNAL_H
/* Shared by the files of the cloud's model only. */
#include "core/cloud.h"

enum flush {
    RIDES_ALONG, /* written with the next flush; losing it costs a repeat */
    FLUSHED,     /* on stable storage before anything is published */
};

void cloud_changed(struct cloud_model *c, struct cloud_row *row, enum flush flush);
void cloud_say(struct cloud_model *c, const struct cloud_instance *i, const struct id *source,
               const char *format, ...) _printf_(4, 5);
struct cloud_outgoing *cloud_send(struct cloud_model *c, enum cloud_route route, enum message_type type,
                                  const struct id *zone);

/* outbox */
void outbox_mark(struct cloud_model *c, const struct id *receiver, enum object_kind kind,
                 const struct id *id);
struct outbox_row *outbox_find(const struct cloud_model *c, const struct id *receiver,
                               enum object_kind kind, const struct id *id);
void outbox_settle(struct cloud_model *c, struct outbox_row *row);
bool outbox_open_for(const struct cloud_model *c, const struct id *receiver);
/* Makes what was sent to the receiver dirty again, with the shortest wait. */
void outbox_wake(struct cloud_model *c, const struct id *receiver);
void outbox_tick(struct cloud_model *c, int64_t spent);
void outbox_pump(struct cloud_model *c);

/* instances */
void instance_go(struct cloud_model *c, struct cloud_instance *i, enum instance_state to);
/* Ends what is desired: generation +1, absent, with a reason where there is none yet. */
void instance_give_up(struct cloud_model *c, struct cloud_instance *i, enum instance_state shown,
                      const char *code, const char *text);
void instance_observe(struct cloud_model *c, struct cloud_instance *i, const struct id *node, uint64_t run,
                      uint64_t seq, enum observation what, const char *text);
void instance_applied(struct cloud_model *c, const struct message *m);
/* A node holds a later generation than the row: rows came from a backup. */
bool instance_adopt(struct cloud_model *c, struct cloud_instance *i, const struct cloud_node *n,
                    const struct message_item *item);
void instance_placed(struct cloud_model *c, const struct message *m);
void instance_tick(struct cloud_model *c, int64_t spent);
void instance_gone(struct cloud_model *c, struct cloud_instance *i);
struct cloud_reservation *reservation_find(const struct cloud_model *c, const char *id);
bool reservation_unplaced(const struct cloud_model *c, const struct cloud_reservation *r);
void reservation_settle(struct cloud_model *c, struct cloud_reservation *r);

/* shared objects */
/* Whether its node holds the instance, and which node, has changed or is about to. */
void shared_touch(struct cloud_model *c, const struct cloud_instance *i);
/* The node no longer holds the instance: what it used goes where no other needs it. */
void shared_left(struct cloud_model *c, const struct cloud_instance *i, const struct id *node);
/* The node's address on the link network changed. */
void shared_moved(struct cloud_model *c, const struct cloud_node *n);
/* Generations of another era than the present one are outranked. */
void shared_new_era(struct cloud_model *c);
/* At each event's end: new generations for what is stale, and rows for those who hold it. */
void shared_pump(struct cloud_model *c);
bool shared_needed(const struct cloud_model *c, const struct cloud_node *n, const struct cloud_shared *s);
/* Adds what the node must hold to the sums of a heartbeat. */
void shared_sum(struct cloud_model *c, const struct cloud_node *n, uint64_t *count, uint64_t *digest);
void shared_inventory(struct cloud_model *c, struct cloud_node *n, const struct message *m);
void shared_fill(const struct cloud_model *c, struct message *m, const struct outbox_row *o);
void shared_applied(struct cloud_model *c, const struct message *m);

/* operations */
void operation_fill(const struct cloud_model *c, struct message *m, const struct outbox_row *o);
void operation_applied(struct cloud_model *c, const struct message *m);
void operation_tick(struct cloud_model *c, int64_t spent);

/* Takes a row out of those to be written: it is about to be freed. */
void cloud_unchanged(struct cloud_model *c, const struct cloud_row *row);

/* zones and nodes */
void zone_epoch_request(struct cloud_model *c, const struct message *m);
void zone_heartbeat(struct cloud_model *c, const struct message *m);
void zone_tick(struct cloud_model *c, int64_t spent);
void node_heartbeat(struct cloud_model *c, const struct message *m);
void node_inventory(struct cloud_model *c, const struct message *m);
void node_boot(struct cloud_model *c, const struct message *m);
void node_seen(struct cloud_model *c, struct cloud_node *n, const struct message *m);
void node_tick(struct cloud_model *c, int64_t spent);
/* A later era than that one begins: it was the cloud's before its rows were taken from a backup. */
void cloud_outrank_era(struct cloud_model *c, uint64_t era);
struct cloud_node *node_known(struct cloud_model *c, const struct message *m);
#endif
