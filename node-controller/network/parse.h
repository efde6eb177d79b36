/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_PARSE_H
#define NODE_CONTROLLER_NETWORK_PARSE_H
/* The bodies of security groups and subnets, read with bounds. */
#include "common/base/array.h"
#include "common/json/json.h"
#include "node-controller/network/address.h"

#define PROTOCOL_ALL (-1)

struct group_rule {
    bool in;
    int protocol; /* number, or PROTOCOL_ALL */
    int from, to; /* tcp, udp: ports; icmp: type and code, -1: any */
    ARRAY(struct cidr) peers; /* none lies in another; empty: nobody */
};

struct group {
    struct id id, vpc;
    ARRAY(struct group_rule) rules;
};

struct subnet_host {
    uint32_t address, link;
    char mac[MAC_TEXT];
};

struct subnet {
    struct id id, vpc;
    struct cidr cidr;
    uint32_t vni;
    ARRAY(struct subnet_host) hosts;
};

struct error *group_parse(const struct id *id, const json_t *body, struct group **ret) _must_check_;
void group_free(struct group *g);
DEFINE_CLEANUP(struct group *, group_free)
struct error *subnet_parse(const struct id *id, const json_t *body, struct subnet **ret) _must_check_;
void subnet_free(struct subnet *s);
DEFINE_CLEANUP(struct subnet *, subnet_free)

/* An id that is also fit to name a file or a namespace. */
struct error *parse_name(const json_t *o, const char *key, struct id *ret) _must_check_;
#endif
