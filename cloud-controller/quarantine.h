/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_QUARANTINE_H
#define CLOUD_CONTROLLER_QUARANTINE_H
/* Addresses of instances that nodes hold and no row names: after a restore, what was launched later runs on with the
 * addresses that it got.  They are its own until its node says that it is gone, or is fenced. */
#include "cloud-controller/store/store.h"

/* Before the model hears of the message: an inventory takes addresses, an instance's absence gives them back. */
struct error *quarantine_hear(struct db_tx *tx, const struct cloud_model *c, const struct message *m) _must_check_;
/* The node will never say so. */
struct error *quarantine_fenced(struct db_tx *tx, const struct cloud_node *n) _must_check_;
#endif
