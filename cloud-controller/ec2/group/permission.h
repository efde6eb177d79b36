/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_EC2_GROUP_PERMISSION_H
#define CLOUD_CONTROLLER_EC2_GROUP_PERMISSION_H
/* Permissions as EC2 tells them, and the rules that they are.
 *
 * A permission is a protocol with ports and any number of peers; a rule has one peer.  Reading checks all that the
 * request alone can tell and puts each rule into the one form that equal rules share: protocols as numbers, ranges without
 * host bits, no ports where they mean nothing.  A peer that is a group is told by id or by name; whether there is such
 * a group is for the transaction. */
#include "api/gen/ec2.h"
#include "cloud-controller/store/store.h"

struct permission_rule {
    struct store_rule rule;  /* without id and group; peer NULL: the group below */
    char *group_id, *group_name, *user_id;
};
typedef ARRAY(struct permission_rule) permission_rules;
void permission_rules_free(permission_rules *rules);

/* "tcp", "6", "-1", "all", "50" … into the number, -1 for all.  False: it is none, or only for IPv6. */
bool permission_protocol(const char *text, int *ret);
/* "tcp", "udp", "icmp", "-1", or the number; allocated. */
char *permission_protocol_text(int protocol);

struct error *permissions_read(const struct ec2_ip_permission *list, size_t len, permission_rules *ret) _must_check_;
/* The flat form: one range, or a group by name, which stands for all of TCP, UDP and ICMP. */
struct error *permission_read_flat(const struct ec2_authorize_security_group_ingress_request *in,
                                   permission_rules *ret) _must_check_;

/* Rules of one direction as an answer's list of struct ec2_permission_out: those that differ in the peer only as one. */
void permissions_put(const store_rules *rules, bool egress, const char *account, void *list);
void permission_rule_fill(const struct store_rule *rule, const char *account, struct ec2_security_group_rule *ret);
/* "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW": how AWS's messages tell a rule; allocated. */
char *permission_rule_text(const struct store_rule *rule);
/* True where the peer is a group. */
bool permission_peer_is_group(const struct store_rule *rule);
#endif
