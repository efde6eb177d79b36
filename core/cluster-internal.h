/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLUSTER_INTERNAL_H
#define CORE_CLUSTER_INTERNAL_H
/* Shared by the files of the cluster's model only. */
#include "core/cluster.h"

struct cluster_effect *cluster_do(struct cluster_model *c, enum cluster_effect_kind kind);
struct message *cluster_report(struct cluster_model *c, enum message_type type);
struct cluster_hold *hold_find(struct cluster_model *c, const struct id *id, const struct id *node);
struct cluster_hold *hold_get(struct cluster_model *c, const struct id *id, const struct id *node);
/* Drops the holds that nobody vouches for any more. */
void holds_sweep(struct cluster_model *c);
struct size node_room(const struct cluster_model *c, const struct cluster_node *n);
bool node_usable(const struct cluster_model *c, const struct cluster_node *n);
/* Tries to place what is wanted; answers with placements. */
void placing_try(struct cluster_model *c);
void placing_want(struct cluster_model *c, const struct message *m);
void placing_tick(struct cluster_model *c, int64_t spent);
void placing_forget_all(struct cluster_model *c);
void placing_slots(const struct cluster_model *c, struct message *m);
#endif
