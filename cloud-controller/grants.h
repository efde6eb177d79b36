/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_GRANTS_H
#define CLOUD_CONTROLLER_GRANTS_H
/* How an image's key gets to the node that launches from it: wrapped for that node's enrolled key when the instance's
 * object is sent, bound to image, instance and node.  It is in no row and no other message.  Writer thread only. */
#include "cloud-controller/keys.h"
#include "core/message.h"

/* A node's first heartbeat enrols the key that it tells; another one later is refused and logged. */
struct error *grants_enrol(struct db_tx *tx, const struct message *heartbeat) _must_check_;
/* Adds the grant to the body of a present instance whose image has a key.  What fails is logged: the node then says that
 * it has no grant. */
void grants_fill(struct db_tx *tx, const struct keys *keys, struct message *m);
#endif
