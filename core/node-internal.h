/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_NODE_INTERNAL_H
#define CORE_NODE_INTERNAL_H
/* Shared by the files of the node's model only. */
#include "core/node.h"

struct node_effect *node_do(struct node_model *n, enum node_effect_kind kind);
struct message *node_report(struct node_model *n, enum message_type type);
struct node_instance *node_add(struct node_model *n, const struct id *id);
void node_go(struct node_model *n, struct node_instance *i, enum node_phase to);
/* Adds the effect that makes the record durable as it is now. */
void node_write(struct node_model *n, const struct node_instance *i);
void node_write_self(struct node_model *n);
void node_applied(struct node_model *n, const struct node_instance *i);
void node_observed(struct node_model *n, const struct node_instance *i, enum observation what,
                   const char *text);
/* The next job of an instance, if it is not busy and it is time. */
void node_work(struct node_model *n, struct node_instance *i);
void node_entomb(struct node_model *n, struct node_instance *i, uint64_t generation, bool no_room);
void node_accept(struct node_model *n, struct node_instance *i, uint64_t generation);
/* Goes on with a creation that was lost: asked only of a domain that is there, so it can never make a second one. */
void node_resume(struct node_model *n, struct node_instance *i);
/* Makes sure that a start call that was lost can never come true: only then has it failed. */
void node_fence(struct node_model *n, struct node_instance *i);
void node_ended(struct node_model *n, struct node_instance *i, enum observation what, const char *why);
void node_ask_listing(struct node_model *n);
void node_send_boot(struct node_model *n);
bool node_awaits_boot(const struct node_model *n);
void node_object(struct node_model *n, uint64_t token, const struct message *m);
void node_share(struct node_model *n, uint64_t token, const struct message *m);
void node_operate(struct node_model *n, uint64_t token, const struct message *m);
void node_shared_sum(const struct node_model *n, struct message *m);
void node_shared_items(const struct node_model *n, struct message *m);
void node_shared_tick(struct node_model *n, int64_t spent);
void node_operations_started(struct node_model *n);
void node_operations_tick(struct node_model *n, int64_t spent);
void node_answer_inventory(struct node_model *n, const struct message *question);
void node_boot_answer(struct node_model *n, const struct message *m);
#endif
