/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
/* The rules of a VPC's namespace, two tables "mallee".
 *
 * bridge: who may send what, by port.  A frame of a port that no set names is dropped.
 *   taps     port . MAC of each card        owners   port . address of each card
 *   locals   addresses of the cards         wires    the VXLAN devices
 *   remotes  MAC . address of the other nodes' cards
 * ip: what groups allow, by address: the bridge table makes addresses trustworthy.  Bridged packets pass it because
 * of bridge-nf-call-iptables.  A card's chains "o-TAP" and "i-TAP" jump to its groups' "go-GROUP" and "gi-GROUP" and
 * then drop; maps `egress` and `ingress` lead to them from the addresses. */
#include "common/base/log.h"
#include "node-controller/network/internal.h"

#define PRIORITY_FIRST (-300)

static json_t *port_and(const char *direction, const char *protocol, const char *field)
{
    return nft_join(nft_field("meta", direction), nft_field(protocol, field));
}

static json_t *is(const char *protocol, const char *field, json_t *value)
{
    return nft_match(nft_field(protocol, field), value);
}

static json_t *sender_is_remote(const char *protocol, const char *field)
{
    return nft_match(nft_join(nft_field("ether", "saddr"), nft_field(protocol, field)), nft_text("@remotes"));
}

/* ---- the bridge table ---- */

/* What other nodes send: their guests' packets, those that their gateways routed, and the answers that the VXLAN device
 * itself gives to ARP. */
static void add_from_wire(struct nft *t, const struct vpc *v)
{
    char base[ADDRESS_TEXT];
    address_text(v->cidr.base, base);
    nft_chain(t, "from-wire");
    nft_rule(t, "from-wire", nft_all(is("arp", "operation", nft_text("reply")), sender_is_remote("arp", "saddr ip"),
                                     nft_do("accept"), NULL));
    nft_rule(t, "from-wire", nft_all(sender_is_remote("ip", "saddr"), nft_do("accept"), NULL));
    nft_rule(t, "from-wire", nft_all(is("ether", "saddr", nft_text(GATEWAY_MAC)),
                                     is("ip", "saddr", nft_prefix(base, v->cidr.len)),
                                     nft_match_not(nft_field("ip", "saddr"), nft_text("@locals")), nft_do("accept"), NULL));
    nft_rule(t, "from-wire", nft_all(nft_do("drop"), NULL));
}

static void add_bridge_prerouting(struct nft *t)
{
    const char *chain = "prerouting";
    nft_base_chain(t, chain, "filter", "prerouting", PRIORITY_FIRST, "drop");
    nft_rule(t, chain, nft_all(is("meta", "iifname", nft_text("@wires")), nft_goto("from-wire"), NULL));
    nft_rule(t, chain, nft_all(nft_match_not(port_and("iifname", "ether", "saddr"), nft_text("@taps")), nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(nft_match(port_and("iifname", "arp", "saddr ether"), nft_text("@taps")),
                               nft_match(port_and("iifname", "arp", "saddr ip"), nft_text("@owners")), nft_do("accept"), NULL));
    /* "Has anybody my address?" */
    nft_rule(t, chain, nft_all(is("arp", "operation", nft_text("request")), is("arp", "saddr ip", nft_text("0.0.0.0")),
                               nft_match(port_and("iifname", "arp", "saddr ether"), nft_text("@taps")),
                               nft_match(port_and("iifname", "arp", "daddr ip"), nft_text("@owners")), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("ip", "saddr", nft_text("0.0.0.0")), is("ip", "daddr", nft_text("255.255.255.255")),
                               is("udp", "sport", nft_number(68)), is("udp", "dport", nft_number(67)), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("udp", "sport", nft_number(67)), nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(nft_match(port_and("iifname", "ip", "saddr"), nft_text("@owners")), nft_do("accept"), NULL));
}

/* Metadata, DHCP and gateway are for this node's guests only.  Frames to the link-local MACs come here without having
 * passed prerouting. */
static void add_bridge_input(struct nft *t)
{
    nft_base_chain(t, "input", "filter", "input", PRIORITY_FIRST, "accept");
    nft_rule(t, "input", nft_all(nft_match_not(nft_field("meta", "iifname"), nft_text("@wires")),
                                 nft_match_not(port_and("iifname", "ether", "saddr"), nft_text("@taps")), nft_do("drop"), NULL));
    nft_rule(t, "input", nft_all(is("meta", "iifname", nft_text("@wires")), nft_match_not(nft_field("meta", "protocol"), nft_text("arp")),
                                 nft_do("drop"), NULL));
}

static void add_bridge_forward(struct nft *t)
{
    const char *chain = "forward";
    nft_base_chain(t, chain, "filter", "forward", PRIORITY_FIRST, "drop");
    nft_rule(t, chain, nft_all(is("meta", "iifname", nft_text("@wires")), is("meta", "oifname", nft_text("@wires")), nft_do("drop"),
                               NULL));
    nft_rule(t, chain, nft_all(is("meta", "protocol", nft_text("arp")), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("udp", "dport", nft_range(67, 68)), nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(is("meta", "protocol", nft_text("ip")), nft_do("accept"), NULL));
}

/* Whom a frame may reach: a bridge floods what it does not know. */
static void add_bridge_postrouting(struct nft *t)
{
    const char *chain = "postrouting";
    json_t *to_remote = nft_join(nft_field("ether", "daddr"), nft_field("ip", "daddr"));
    nft_base_chain(t, chain, "filter", "postrouting", 300, "drop");
    nft_chain(t, "to-wire");
    nft_rule(t, "to-wire", nft_all(is("meta", "protocol", nft_text("arp")), nft_do("accept"), NULL));
    nft_rule(t, "to-wire", nft_all(nft_match(to_remote, nft_text("@remotes")), nft_do("accept"), NULL));
    nft_rule(t, "to-wire", nft_all(nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(is("meta", "oifname", nft_text("@wires")), nft_goto("to-wire"), NULL));
    nft_rule(t, chain, nft_all(nft_match_not(nft_field("ether", "daddr"), nft_text("ff:ff:ff:ff:ff:ff")),
                               nft_match_not(port_and("oifname", "ether", "daddr"), nft_text("@taps")), nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(is("meta", "protocol", nft_text("arp")), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(nft_match(port_and("oifname", "ip", "daddr"), nft_text("@owners")), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("udp", "sport", nft_number(67)), is("udp", "dport", nft_number(68)), nft_do("accept"), NULL));
}

static void add_bridge_table(struct nft *t, const struct vpc *v)
{
    nft_table(t, "bridge", VPC_TABLE);
    nft_replace_table(t);
    nft_set(t, "wires", "ifname");
    nft_set(t, "taps", "ifname.ether_addr");
    nft_set(t, "owners", "ifname.ipv4_addr");
    nft_set(t, "locals", "ipv4_addr");
    nft_set(t, "remotes", "ether_addr.ipv4_addr");
    add_from_wire(t, v);
    add_bridge_prerouting(t);
    add_bridge_input(t);
    add_bridge_forward(t);
    add_bridge_postrouting(t);
}

/* ---- the ip table ---- */

static json_t *tracked(const char *state)
{
    return nft_match(nft_field("ct", "state"), nft_text(state));
}

static json_t *from_uplink(void)
{
    return is("meta", "iifname", nft_text(UPLINK));
}

static void add_flows(struct nft *t, const char *chain)
{
    nft_rule(t, chain, nft_all(tracked("established"), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(tracked("related"), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(tracked("invalid"), nft_do("drop"), NULL));
}

/* Two hooks, one behind the other: what a group accepts in the first has still to pass the second. */
static void add_forward(struct nft *t)
{
    nft_base_chain(t, "egress", "filter", "forward", 0, "accept");
    add_flows(t, "egress");
    nft_rule(t, "egress", nft_all(from_uplink(), is("meta", "oifname", nft_text(UPLINK)), nft_do("drop"), NULL));
    nft_rule(t, "egress", nft_all(nft_lookup(nft_field("ip", "saddr"), "@egress"), NULL));
    nft_base_chain(t, "ingress", "filter", "forward", 1, "accept");
    nft_rule(t, "ingress", nft_all(tracked("established"), nft_do("accept"), NULL));
    nft_rule(t, "ingress", nft_all(tracked("related"), nft_do("accept"), NULL));
    nft_rule(t, "ingress", nft_all(nft_lookup(nft_field("ip", "daddr"), "@ingress"), NULL));
}

static void add_input(struct nft *t)
{
    const char *chain = "input";
    nft_base_chain(t, chain, "filter", "input", 0, "drop");
    nft_rule(t, chain, nft_all(is("meta", "iifname", nft_text("lo")), nft_do("accept"), NULL));
    add_flows(t, chain);
    nft_rule(t, chain, nft_all(from_uplink(), nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(is("udp", "sport", nft_number(68)), is("udp", "dport", nft_number(67)), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("ip", "daddr", nft_text(METADATA_ADDRESS)), is("tcp", "dport", nft_number(METADATA_PORT)),
                               nft_do("accept"), NULL));
}

static void add_nat(struct nft *t, const struct vpc *v)
{
    char own[ADDRESS_TEXT];
    vpc_uplink_address(v, own);
    nft_base_chain(t, "inwards", "nat", "prerouting", -100, "accept");
    nft_rule(t, "inwards", nft_all(from_uplink(), nft_nat("dnat", nft_mapped(nft_field("ip", "daddr"), "@privates")), NULL));
    nft_base_chain(t, "outwards", "nat", "postrouting", 100, "accept");
    nft_rule(t, "outwards", nft_all(is("meta", "oifname", nft_text(UPLINK)),
                                    nft_nat("snat", nft_mapped(nft_field("ip", "saddr"), "@publics")), NULL));
    nft_rule(t, "outwards", nft_all(is("meta", "oifname", nft_text(UPLINK)), nft_nat("snat", nft_text(own)), NULL));
}

static void add_ip_table(struct nft *t, const struct vpc *v)
{
    nft_table(t, "ip", VPC_TABLE);
    nft_replace_table(t);
    nft_map(t, "egress", "ipv4_addr", "verdict");
    nft_map(t, "ingress", "ipv4_addr", "verdict");
    nft_map(t, "privates", "ipv4_addr", "ipv4_addr");
    nft_map(t, "publics", "ipv4_addr", "ipv4_addr");
    add_forward(t);
    add_input(t);
    add_nat(t, v);
}

/* ---- groups ---- */

static char *group_chain(bool in, const struct id *group)
{
    return xasprintf("g%c-%s", in ? 'i' : 'o', group->text);
}

static json_t *peers_of(const struct group_rule *r)
{
    json_t *list = json_array();
    array_each(&r->peers, p) {
        char base[ADDRESS_TEXT];
        address_text(p->base, base);
        json_push(list, p->len == 32 ? nft_text(base) : nft_prefix(base, p->len));
    }
    json_t *set = json_object();
    json_set(set, "set", list);
    return set;
}

static void add_ports(json_t *expr, const struct group_rule *r)
{
    const char *protocol = r->protocol == 6 ? "tcp" : "udp";
    json_t *ports = r->from == r->to ? nft_number(r->from) : nft_range(r->from, r->to);
    json_push(expr, is(protocol, "dport", ports));
}

static void add_protocol(json_t *expr, const struct group_rule *r)
{
    if (r->protocol == PROTOCOL_ALL)
        return;
    if (r->protocol == 6 || r->protocol == 17) {
        add_ports(expr, r);
        return;
    }
    json_push(expr, is("ip", "protocol", nft_number(r->protocol)));
    if (r->protocol == 1 && r->from >= 0)
        json_push(expr, is("icmp", "type", nft_number(r->from)));
    if (r->protocol == 1 && r->to >= 0)
        json_push(expr, is("icmp", "code", nft_number(r->to)));
}

static void add_group_rule(struct nft *t, const char *chain, const struct group_rule *r)
{
    if (!r->peers.len)
        return;
    json_t *expr = json_array();
    if (r->peers.data[0].len) /* a range of all addresses swallowed the others */
        json_push(expr, nft_match(nft_field("ip", r->in ? "saddr" : "daddr"), peers_of(r)));
    add_protocol(expr, r);
    json_push(expr, nft_do("accept"));
    nft_rule(t, chain, expr);
}

/* The content of the group's two chains, which are there and empty.  A group of another VPC allows nothing. */
static void fill_group(struct network *n, struct nft *t, const struct vpc *v, const struct id *id)
{
    const struct group *g = map_get(n->groups, id->text);
    if (!g || !id_eq(&g->vpc, &v->id))
        return;
    _cleanup_free_ char *in = group_chain(true, id);
    _cleanup_free_ char *out = group_chain(false, id);
    array_each(&g->rules, r)
        add_group_rule(t, r->in ? in : out, r);
}

static void add_group(struct network *n, struct nft *t, const struct vpc *v, const struct id *id)
{
    _cleanup_free_ char *in = group_chain(true, id);
    _cleanup_free_ char *out = group_chain(false, id);
    nft_chain(t, in);
    nft_chain(t, out);
    fill_group(n, t, v, id);
}

/* A card of the rules other than `but` is in the group. */
static bool group_used(const struct vpc *v, const struct id *id, const struct card *but)
{
    array_each(&v->cards, c) {
        for (size_t k = 0; c != but && c->in_rules && k < c->guest.groups_len; k++)
            if (id_eq(&c->guest.groups[k], id))
                return true;
    }
    return false;
}

/* ---- cards ---- */

static void card_chain(struct nft *t, const struct card *c, bool in)
{
    _cleanup_free_ char *chain = xasprintf("%c-%s", in ? 'i' : 'o', c->tap);
    nft_chain(t, chain);
    for (size_t k = 0; k < c->guest.groups_len; k++) {
        _cleanup_free_ char *group = group_chain(in, &c->guest.groups[k]);
        nft_rule(t, chain, nft_all(nft_jump(group), NULL));
    }
    nft_rule(t, chain, nft_all(nft_do("drop"), NULL));
}

static json_t *pair(json_t *key, json_t *value)
{
    json_t *both = json_array();
    json_push(both, key);
    json_push(both, value);
    return both;
}

static void card_elements(struct nft *t, const char *what, const struct card *c)
{
    const struct network_guest *g = &c->guest;
    _cleanup_free_ char *in = xasprintf("i-%s", c->tap);
    _cleanup_free_ char *out = xasprintf("o-%s", c->tap);
    nft_table(t, "ip", VPC_TABLE);
    nft_element(t, what, "egress", pair(nft_text(g->address), nft_jump(out)));
    nft_element(t, what, "ingress", pair(nft_text(g->address), nft_jump(in)));
    if (g->public_address[0]) {
        nft_element(t, what, "privates", pair(nft_text(g->public_address), nft_text(g->address)));
        nft_element(t, what, "publics", pair(nft_text(g->address), nft_text(g->public_address)));
    }
    nft_table(t, "bridge", VPC_TABLE);
    nft_element(t, what, "taps", nft_join(nft_text(c->tap), nft_text(g->mac)));
    nft_element(t, what, "owners", nft_join(nft_text(c->tap), nft_text(g->address)));
    nft_element(t, what, "locals", nft_text(g->address));
}

static void add_card(struct nft *t, const struct card *c)
{
    nft_table(t, "ip", VPC_TABLE);
    card_chain(t, c, true);
    card_chain(t, c, false);
    card_elements(t, "add", c);
}

/* ---- transactions ---- */

static void add_segments(struct nft *t, const struct vpc *v)
{
    nft_table(t, "bridge", VPC_TABLE);
    array_each(&v->segments, s) {
        if (s->wired)
            nft_element(t, "add", "wires", nft_text(s->wire));
        array_each(&s->remotes, h)
            wire_element(t, "add", h);
    }
}

static void add_all_groups(struct network *n, struct nft *t, const struct vpc *v)
{
    struct map *done = map_new();
    array_each(&v->cards, c) {
        for (size_t k = 0; k < c->guest.groups_len; k++)
            if (!map_set(done, c->guest.groups[k].text, c))
                add_group(n, t, v, &c->guest.groups[k]);
    }
    map_free(done, NULL);
}

struct error *rules_replace(struct network *n, struct vpc *v)
{
    _cleanup_nft_ struct nft t = nft_begin();
    add_bridge_table(&t, v);
    add_ip_table(&t, v);
    add_all_groups(n, &t, v);
    array_each(&v->cards, c)
        add_card(&t, c);
    add_segments(&t, v);
    v->ruled = false;
    RETURN_IF_ERROR(error_wrap(nft_run(v->ns, &t), "the rules of %s", v->name));
    v->ruled = true;
    array_each(&v->cards, c)
        c->in_rules = true;
    return NULL;
}

/* A change; where it does not fit what the namespace holds, everything is set anew. */
static struct error *change(struct network *n, struct vpc *v, const struct nft *t)
{
    struct error *e = v->ruled ? nft_run(v->ns, t) : NULL;
    if (v->ruled && !e)
        return NULL;
    if (e)
        log_failure(LOG_WARNING, e, "a change of rules did not fit: they are set anew");
    return rules_replace(n, v);
}

struct error *rules_add_card(struct network *n, struct vpc *v, struct card *c)
{
    _cleanup_nft_ struct nft t = nft_begin();
    if (v->ruled && c->in_rules)
        return NULL;
    nft_table(&t, "ip", VPC_TABLE);
    for (size_t k = 0; k < c->guest.groups_len; k++)
        if (!group_used(v, &c->guest.groups[k], c))
            add_group(n, &t, v, &c->guest.groups[k]);
    add_card(&t, c);
    RETURN_IF_ERROR(change(n, v, &t));
    c->in_rules = true;
    return NULL;
}

/* The caller takes the card out of v->cards afterwards. */
struct error *rules_drop_card(struct network *n, struct vpc *v, struct card *c)
{
    _cleanup_nft_ struct nft t = nft_begin();
    (void)n;
    if (!c->in_rules || !v->ruled)
        return NULL;
    card_elements(&t, "delete", c);
    nft_table(&t, "ip", VPC_TABLE);
    for (int in = 0; in < 2; in++) {
        _cleanup_free_ char *chain = xasprintf("%c-%s", in ? 'i' : 'o', c->tap);
        nft_delete_chain(&t, chain);
        for (size_t k = 0; k < c->guest.groups_len; k++) {
            _cleanup_free_ char *group = group_chain(in, &c->guest.groups[k]);
            if (!group_used(v, &c->guest.groups[k], c))
                nft_delete_chain(&t, group);
        }
    }
    struct error *e = nft_run(v->ns, &t);
    if (e) {
        log_failure(LOG_WARNING, e, "rules that were to go are not as they were left: they are set anew");
        v->ruled = false;
    }
    c->in_rules = false;
    return NULL;
}

struct error *rules_set_group(struct network *n, struct vpc *v, const struct id *group)
{
    _cleanup_nft_ struct nft t = nft_begin();
    _cleanup_free_ char *in = group_chain(true, group);
    _cleanup_free_ char *out = group_chain(false, group);
    if (!group_used(v, group, NULL))
        return NULL;
    nft_table(&t, "ip", VPC_TABLE);
    nft_flush_chain(&t, in);
    nft_flush_chain(&t, out);
    fill_group(n, &t, v, group);
    return change(n, v, &t);
}
