/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_INTERNAL_H
#define NODE_CONTROLLER_NETWORK_INTERNAL_H
/* What the files of the network share.  Everything is guarded by network.lock, which every public function holds for
 * its whole length. */
#include <errno.h>
#include <pthread.h>
#include "common/base/array.h"
#include "common/base/map.h"
#include "common/base/str.h"
#include "node-controller/network/netns.h"
#include "node-controller/network/network.h"
#include "node-controller/network/nft.h"
#include "node-controller/network/parse.h"

#define METADATA_ADDRESS "169.254.169.254"
#define METADATA_PORT    80
#define GATEWAY_MAC      "02:ff:6d:00:00:01" /* on every node: a guest that moves keeps its neighbour */
#define UPLINK           "uplink"            /* the VPC's end of its uplink */
#define UPLINK_MAC       "02:ff:6d:00:00:02"
#define UPLINK_NODE_MAC  "02:ff:6d:00:00:03"
#define UPLINK_NEXT_HOP  "169.254.1.1" /* on nobody's device: a permanent neighbour stands for it */
#define UPLINK_RANGE     "169.254.64.0" /* addresses of the VPC's ends, by slot */
#define UPLINK_RANGE_LEN 18
#define SLOTS_MAX        16000
#define VXLAN_PORT       4789
#define VPC_TABLE        "mallee"

struct card { /* a guest's place in its VPC */
    struct network_guest guest;
    char tap[DEVICE_NAME];
    bool in_rules;   /* the VPC's rules hold it */
    bool public_set; /* the node's namespace knows its public address */
};

struct segment { /* a subnet with guests here */
    struct id id;
    struct cidr cidr;
    uint32_t vni;
    char bridge[DEVICE_NAME], wire[DEVICE_NAME]; /* wire: the VXLAN device */
    bool bridged, wired;                         /* they are there */
    ARRAY(struct subnet_host) remotes;           /* what wire, bridge and rules hold */
};

struct vpc {
    struct id id;
    struct cidr cidr;
    char *name;              /* of its namespace */
    char *folder;            /* dnsmasq's files */
    char link[DEVICE_NAME];  /* the node's end of the uplink */
    int ns;                  /* -1: not open */
    unsigned slot;           /* 0: none yet */
    bool built;              /* namespace and uplink are there */
    bool ruled;              /* the rules are whole; else the next change replaces them */
    bool announced;          /* on_vpc() was called */
    ARRAY(struct card) cards;
    ARRAY(struct segment) segments;
};

struct service {
    uint32_t address;
    uint16_t port;
};

struct network {
    pthread_mutex_t lock;
    char *state_dir, *prefix, *link_device, *table; /* table: ours in the node's namespace */
    uint32_t link_address;
    struct cidr link_range, public_range;
    bool has_public, outside;
    ARRAY(struct service) services;
    void *arg;
    void (*on_vpc)(void *arg, const struct id *vpc, int listen_fd);
    void (*on_vpc_gone)(void *arg, const struct id *vpc);
    int host;                     /* the node's own namespace */
    bool host_ruled;              /* its table is whole */
    unsigned link_index;          /* of the link device when all was made */
    struct map *vpcs;             /* by id */
    struct map *groups, *subnets; /* objects by id, whether used here or not */
};

/* vpc.c: namespaces, bridges, uplinks. */
struct vpc *vpc_find(struct network *n, const struct id *id);
struct vpc *vpc_get(struct network *n, const struct id *id);
/* Makes what lacks of namespace and uplink, and the card's bridge. */
struct error *vpc_build(struct network *n, struct vpc *v) _must_check_;
struct error *vpc_bridge(struct network *n, struct vpc *v, const struct network_guest *g) _must_check_;
struct error *vpc_plug(struct network *n, struct vpc *v, const struct card *c) _must_check_;
struct error *vpc_unplug(struct network *n, struct vpc *v, const struct card *c) _must_check_;
/* The segment's devices go, if no card needs them. */
struct error *vpc_trim(struct network *n, struct vpc *v) _must_check_;
/* Everything of the VPC goes, and `v`. */
struct error *vpc_destroy(struct network *n, struct vpc *v) _must_check_;
/* What bears our names and is in no table of ours. */
struct error *vpc_remove_strays(struct network *n) _must_check_;
/* Bridges and VXLAN devices of subnets without an instance go. */
struct error *vpc_sweep(struct network *n, struct vpc *v) _must_check_;
/* Tells the metadata server, once. */
struct error *vpc_announce(struct network *n, struct vpc *v) _must_check_;
struct error *vpc_check(struct network *n, struct vpc *v) _must_check_;
void vpc_free(struct vpc *v);
struct segment *vpc_segment(struct vpc *v, const struct id *subnet);
struct card *vpc_card(struct vpc *v, const struct id *instance);
void vpc_uplink_address(const struct vpc *v, char ret[ADDRESS_TEXT]);

/* wire.c: brings VXLAN, bridge and rules of a segment to its subnet's object. */
struct error *wire_sync(struct network *n, struct vpc *v, struct segment *s) _must_check_;
void wire_element(struct nft *t, const char *what, const struct subnet_host *h);

/* rules.c: the rules of a VPC's namespace. */
struct error *rules_add_card(struct network *n, struct vpc *v, struct card *c) _must_check_;
struct error *rules_drop_card(struct network *n, struct vpc *v, struct card *c) _must_check_;
struct error *rules_set_group(struct network *n, struct vpc *v, const struct id *group) _must_check_;
struct error *rules_replace(struct network *n, struct vpc *v) _must_check_;

/* host.c: the node's own namespace. */
struct error *host_sync(struct network *n) _must_check_; /* the whole table */
struct error *host_add_link(struct network *n, const struct vpc *v) _must_check_;
struct error *host_set_public(struct network *n, const struct vpc *v, struct card *c) _must_check_;
struct error *host_drop_public(struct network *n, const struct vpc *v, struct card *c) _must_check_;
struct error *host_set_peers(struct network *n) _must_check_;
struct error *host_remove_strays(struct network *n) _must_check_;
struct error *host_check(struct network *n) _must_check_;
struct error *host_drop_table(struct network *n) _must_check_;

/* dhcp.c: dnsmasq. */
struct error *dhcp_sync(struct network *n, struct vpc *v) _must_check_;
struct error *dhcp_stop(struct network *n, const char *folder) _must_check_;
bool dhcp_runs(const struct vpc *v);
#endif
