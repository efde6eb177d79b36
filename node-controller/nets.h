/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETS_H
#define NODE_CONTROLLER_NETS_H
/* The node's records on its network (network/) and its metadata service (metadata/).
 *
 * Opened and closed with the daemon.  What groups and subnets say is carried out on one thread of its own, in the order
 * in which it came, behind the restoring of what was there before; until that is through, instances wait.  Without a link
 * device, and for instances whose body names no network, there are no cards and all this does nothing. */
#include "node-controller/node.h"

/* An instance's card, texts owned; tap NULL: none. */
struct nets_card {
    char *tap, *mac;
    unsigned mtu;
};
void nets_card_free(struct nets_card *card);

/* Main loop's thread. */
struct error *nets_open(struct node *n) _must_check_;
void nets_close(struct node *n);
void nets_share(struct node *n, const struct node_shared *s);
void nets_tick(struct node *n, int64_t elapsed);

/* Worker threads. ERROR_UNAVAILABLE: not yet. */
struct error *nets_prepare(struct node *n, const struct node_record *r) _must_check_;
struct error *nets_card(struct node *n, const struct node_record *r, struct nets_card *ret) _must_check_;
struct error *nets_plug(struct node *n, const struct node_record *r) _must_check_;
struct error *nets_unplug(struct node *n, const struct id *instance) _must_check_;
#endif
