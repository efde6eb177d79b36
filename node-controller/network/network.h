/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_NETWORK_H
#define NODE_CONTROLLER_NETWORK_NETWORK_H
/* The network of the instances on one node.
 *
 * Each VPC with an instance here is a network namespace "<netns_prefix><vpc id>" (so address ranges of two VPCs may
 * overlap) with a bridge per subnet, the subnets' gateways (first address, the same MAC on every node), a dnsmasq that
 * hands each card its own address, the metadata address 169.254.169.254 on lo, and an uplink: a veth pair to the node's
 * own namespace.  Nothing here is in the data path: what was set up goes on while the daemon is dead, and is adopted
 * by network_restore().
 *
 * An instance's way:
 *   network_prepare()  before its domain is started: all but the tap; the rules drop what the tap will send
 *   (the hypervisor makes the tap network_tap_name() in the node's namespace, vCPUs paused)
 *   network_plug()     the tap goes into the VPC's namespace and onto its bridge; now the vCPUs may run
 *   network_unplug()   after the domain is gone; with its last instance the VPC's namespace goes as well
 *
 * What a guest may send: frames with its own MAC and its own IPv4 address or ARP sender; DHCP requests; no IPv6, no
 * DHCP answers.  What it may exchange with others is said by its security groups: objects that arrive by themselves,
 * before or after the instance (network_set_group()).  Until a group's object is there the group allows nothing: a
 * card without any passes DHCP, ARP of its own address and metadata.  Groups are stateful, and as at AWS a rule that
 * is taken away stops new flows; flows that it admitted go on until they end or fall silent.  Filtering of what is
 * bridged rests on net.bridge.bridge-nf-call-iptables=1 in the namespace: it is set, read back, and watched by
 * network_check(); where it cannot be set, network_prepare() fails.
 *
 * Other nodes: a VXLAN device per subnet whose forwarding entries and neighbours come from the subnet's object only
 * (network_set_subnet()); nothing is flooded or learnt, frames are taken from the object's nodes and of its guests
 * only, and never reach metadata or DHCP.
 *
 * Outside: a public address is mapped 1:1 in the VPC's namespace; the node answers ARP for it on the link device.
 * Instances without one leave with the node's link address.  In the node's own namespace guests reach the guest
 * services, the public network and, with guest_outside, what is beyond the link network; never the node itself.
 * That table is our own, its name made of netns_prefix; other tables may still refuse what it lets through, and what a
 * router beyond the link network accepts is that router's affair.  The node must be the only user of VXLAN's port
 * (4789) on its link device: packets from hosts that no subnet names are dropped there.
 *
 * All functions block (they spawn `ip`) and are called from worker threads, any number at a time; they take turns.
 * Callbacks run inside of them and must not call back. */
#include <stdbool.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/id.h"
#include "common/json/json.h"

#define NETWORK_GROUPS_MAX 16
#define NETWORK_MTU        1450

struct network_options {
    const char *state_dir;      /* a folder of the network's own; made where it lacks */
    const char *netns_prefix;   /* "mallee-" */
    const char *link_device;    /* "link0": the device on the link network */
    const char *link_address;   /* "10.96.65.2/18": the node's address there */
    const char *public_network; /* "10.96.96.0/19": public addresses, a part of the link network; NULL: none */
    const char *const *guest_services; /* "10.96.64.1:8773": what guests reach, TCP */
    size_t guest_services_len;
    bool guest_outside;         /* guests go beyond the link network */
    void *arg;
    /* A VPC's namespace is there; `listen_fd` listens at 169.254.169.254:80 in it and is the callee's from now on. */
    void (*on_vpc)(void *arg, const struct id *vpc, int listen_fd);
    void (*on_vpc_gone)(void *arg, const struct id *vpc);
};

/* What the network needs of an instance's body; checked, texts in their canonical form. */
struct network_guest {
    struct id instance, vpc, subnet;
    char address[16], public_address[16]; /* public: empty where there is none */
    char mac[18];
    char subnet_cidr[19], vpc_cidr[19];
    uint32_t vni;
    struct id groups[NETWORK_GROUPS_MAX];
    size_t groups_len;
};

struct network_object {
    struct id id;
    const json_t *body;
};

struct network;

/* Checks the options and the host; changes nothing but the state folder.  The node's own namespace is the caller's. */
struct error *network_open(const struct network_options *o, struct network **ret) _must_check_;
/* Leaves everything running.  Accepts NULL.  The callbacks are not called. */
void network_close(struct network *n);
DEFINE_CLEANUP(struct network *, network_close)

/* ERROR_INVALID where the body does not hold a whole, sane network. */
struct error *network_guest_parse(const struct id *instance, const json_t *body, struct network_guest *ret)
    _must_check_;
/* The name of the instance's tap, allocated. */
char *network_tap_name(const struct id *instance);

/* Once after start, before the others: adopts what is there for `guests`, makes what is missing, and removes whatever
 * else bears netns_prefix or lies in state_dir.  Guests whose domain still lives are plugged where their tap is found.
 * Goes on after a failure and returns the first: it may be called again. */
struct error *network_restore(struct network *n, const struct network_guest *guests, size_t guests_len,
                              const struct network_object *groups, size_t groups_len,
                              const struct network_object *subnets, size_t subnets_len) _must_check_;
struct error *network_prepare(struct network *n, const struct network_guest *g) _must_check_;
/* ERROR_NOT_FOUND where the tap is nowhere; one that is in its place is a success. */
struct error *network_plug(struct network *n, const struct network_guest *g) _must_check_;
/* An unknown instance is a success. */
struct error *network_unplug(struct network *n, const struct id *instance) _must_check_;
/* The object of a security group or subnet; NULL: it is gone.  Kept also while no instance here uses it. */
struct error *network_set_group(struct network *n, const struct id *id, const json_t *body) _must_check_;
struct error *network_set_subnet(struct network *n, const struct id *id, const json_t *body) _must_check_;
/* Every few seconds: looks whether all still stands and mends it.  An error says what could not be mended and what to
 * do; what was mended is logged. */
struct error *network_check(struct network *n) _must_check_;
#endif
