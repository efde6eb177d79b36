/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_SHARED_BODY_H
#define CLOUD_CONTROLLER_SHARED_BODY_H
/* What nodes are told of a security group or a subnet, built when it is sent, from the tables and the model.
 *
 * Members are the instances that a node holds.  Runs in the transaction that wrote the model's rows, on the writer
 * thread. */
#include "cloud-controller/store/store.h"

/* Fills the body of a present KIND_GROUP or KIND_SUBNET; leaves others as they are. */
struct error *shared_body(struct db_tx *tx, const struct cloud_model *c, struct message *m) _must_check_;
#endif
