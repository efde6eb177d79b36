/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
/* The node's own namespace: one table of ours, a route and a proxy neighbour for each public address. */
#include "common/base/log.h"
#include "node-controller/network/announce.h"
#include "node-controller/network/internal.h"

#define BEFORE_OTHERS (-5)

static json_t *is(const char *protocol, const char *field, json_t *value)
{
    return nft_match(nft_field(protocol, field), value);
}

static json_t *prefix_of(const struct cidr *c)
{
    char base[ADDRESS_TEXT];
    address_text(c->base, base);
    return nft_prefix(base, c->len);
}

static json_t *to_service(void)
{
    return nft_match(nft_join(nft_field("ip", "daddr"), nft_field("tcp", "dport")), nft_text("@services"));
}

static json_t *to_guest_link(void)
{
    return is("meta", "oifname", nft_text("@uplinks"));
}

static json_t *from_guest_link(void)
{
    return is("meta", "iifname", nft_text("@uplinks"));
}

static json_t *to_public(void)
{
    return is("ip", "daddr", nft_text("@publics"));
}

static json_t *own_address(const struct network *n)
{
    char text[ADDRESS_TEXT];
    address_text(n->link_address, text);
    return nft_text(text);
}

static void add_flows(struct nft *t, const char *chain)
{
    nft_rule(t, chain, nft_all(is("ct", "state", nft_text("established")), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("ct", "state", nft_text("related")), nft_do("accept"), NULL));
    nft_rule(t, chain, nft_all(is("ct", "state", nft_text("invalid")), nft_do("drop"), NULL));
}

/* What is never outside: other nodes and services, uplinks, this host, many at once. */
static void add_outside(const struct network *n, struct nft *t, const char *chain)
{
    static const struct cidr never[] = {{0, 8}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 3}};
    nft_rule(t, chain, nft_all(is("ip", "daddr", prefix_of(&n->link_range)), nft_do("drop"), NULL));
    for (size_t k = 0; k < ARRAY_SIZE(never); k++)
        nft_rule(t, chain, nft_all(is("ip", "daddr", prefix_of(&never[k])), nft_do("drop"), NULL));
    nft_rule(t, chain, nft_all(nft_do("accept"), NULL));
}

static void add_forward(const struct network *n, struct nft *t)
{
    const char *from = "from-guest", *to = "to-guest";
    nft_chain(t, from);
    add_flows(t, from);
    nft_rule(t, from, nft_all(to_guest_link(), to_public(), nft_do("accept"), NULL));
    nft_rule(t, from, nft_all(to_guest_link(), nft_do("drop"), NULL));
    nft_rule(t, from, nft_all(to_service(), nft_do("accept"), NULL));
    if (n->has_public)
        nft_rule(t, from, nft_all(is("meta", "oifname", nft_text(n->link_device)),
                                  is("ip", "daddr", prefix_of(&n->public_range)), nft_do("accept"), NULL));
    if (n->outside)
        add_outside(n, t, from);
    nft_rule(t, from, nft_all(nft_do("drop"), NULL));
    nft_chain(t, to);
    add_flows(t, to);
    nft_rule(t, to, nft_all(to_public(), nft_do("accept"), NULL));
    nft_rule(t, to, nft_all(nft_do("drop"), NULL));
    nft_base_chain(t, "forward", "filter", "forward", BEFORE_OTHERS, "accept");
    nft_rule(t, "forward", nft_all(from_guest_link(), nft_goto(from), NULL));
    nft_rule(t, "forward", nft_all(to_guest_link(), nft_goto(to), NULL));
}

static void add_input(const struct network *n, struct nft *t)
{
    const char *from = "guest-to-node";
    nft_chain(t, from);
    add_flows(t, from);
    nft_rule(t, from, nft_all(to_service(), nft_do("accept"), NULL));
    nft_rule(t, from, nft_all(nft_do("drop"), NULL));
    nft_base_chain(t, "input", "filter", "input", BEFORE_OTHERS, "accept");
    nft_rule(t, "input", nft_all(from_guest_link(), nft_goto(from), NULL));
    nft_rule(t, "input", nft_all(is("meta", "iifname", nft_text(n->link_device)), is("udp", "dport", nft_number(VXLAN_PORT)),
                                 nft_match_not(nft_field("ip", "saddr"), nft_text("@peers")), nft_do("drop"), NULL));
    /* Flows between two guests leave by the device they came from: that is how it should be. */
    nft_base_chain(t, "output", "filter", "output", BEFORE_OTHERS, "accept");
    nft_rule(t, "output", nft_all(to_guest_link(), is("icmp", "type", nft_text("redirect")), nft_do("drop"), NULL));
}

/* Guests without a public address; they come with their VPC's uplink address. */
static void add_nat(const struct network *n, struct nft *t)
{
    const char *chain = "outwards";
    nft_base_chain(t, chain, "nat", "postrouting", 90, "accept");
    nft_rule(t, chain, nft_all(is("ip", "saddr", nft_prefix(UPLINK_RANGE, UPLINK_RANGE_LEN)),
                               is("meta", "oifname", nft_text(n->link_device)), nft_nat("snat", own_address(n)), NULL));
    nft_rule(t, chain, nft_all(is("ip", "saddr", nft_prefix(UPLINK_RANGE, UPLINK_RANGE_LEN)), to_guest_link(),
                               nft_nat("snat", own_address(n)), NULL));
    nft_rule(t, chain, nft_all(is("ip", "saddr", nft_prefix(UPLINK_RANGE, UPLINK_RANGE_LEN)),
                               nft_match_not(nft_field("meta", "oifname"), nft_text("lo")), nft_do("masquerade"), NULL));
}

static void add_peers(struct network *n, struct nft *t)
{
    struct map_cursor at = {0};
    void *value;
    struct map *seen = map_new();
    while (map_next(n->vpcs, &at, NULL, &value)) {
        array_each(&((struct vpc *)value)->segments, s) {
            array_each(&s->remotes, h) {
                char link[ADDRESS_TEXT];
                address_text(h->link, link);
                if (!map_set(seen, link, s))
                    nft_element(t, "add", "peers", nft_text(link));
            }
        }
    }
    map_free(seen, NULL);
}

static void add_elements(struct network *n, struct nft *t)
{
    struct map_cursor at = {0};
    void *value;
    array_each(&n->services, s) {
        char host[ADDRESS_TEXT];
        address_text(s->address, host);
        nft_element(t, "add", "services", nft_join(nft_text(host), nft_number(s->port)));
    }
    while (map_next(n->vpcs, &at, NULL, &value)) {
        const struct vpc *v = value;
        nft_element(t, "add", "uplinks", nft_text(v->link));
        array_each(&v->cards, c)
            if (c->public_set)
                nft_element(t, "add", "publics", nft_text(c->guest.public_address));
    }
    add_peers(n, t);
}

struct error *host_sync(struct network *n)
{
    _cleanup_nft_ struct nft t = nft_begin();
    nft_table(&t, "ip", n->table);
    nft_replace_table(&t);
    nft_set(&t, "uplinks", "ifname");
    nft_set(&t, "publics", "ipv4_addr");
    nft_set(&t, "peers", "ipv4_addr");
    nft_set(&t, "services", "ipv4_addr.inet_service");
    add_forward(n, &t);
    add_input(n, &t);
    add_nat(n, &t);
    add_elements(n, &t);
    n->host_ruled = false;
    RETURN_IF_ERROR(error_wrap(nft_run(n->host, &t), "the node's table %s", n->table));
    n->host_ruled = true;
    return NULL;
}

static struct error *change(struct network *n, const struct nft *t)
{
    struct error *e = n->host_ruled ? nft_run(n->host, t) : NULL;
    if (n->host_ruled && !e)
        return NULL;
    if (e)
        log_failure(LOG_WARNING, e, "a change of the node's rules did not fit: they are set anew");
    return host_sync(n);
}

struct error *host_drop_table(struct network *n)
{
    _cleanup_nft_ struct nft t = nft_begin();
    nft_table(&t, "ip", n->table);
    nft_drop_table(&t);
    n->host_ruled = false;
    return nft_run(n->host, &t);
}

struct error *host_add_link(struct network *n, const struct vpc *v)
{
    _cleanup_nft_ struct nft t = nft_begin();
    nft_table(&t, "ip", n->table);
    nft_element(&t, "add", "uplinks", nft_text(v->link));
    return change(n, &t);
}

struct error *host_set_peers(struct network *n)
{
    _cleanup_nft_ struct nft t = nft_begin();
    nft_table(&t, "ip", n->table);
    nft_flush_set(&t, "peers");
    add_peers(n, &t);
    return change(n, &t);
}

/* ---- public addresses ---- */

static struct error *route_public(struct network *n, const struct vpc *v, const struct card *c)
{
    char via[ADDRESS_TEXT];
    _cleanup_str_ struct str batch = STR_INIT;
    vpc_uplink_address(v, via);
    str_printf(&batch, "route replace %s/32 via %s dev %s onlink\n", c->guest.public_address, via, v->link);
    str_printf(&batch, "neighbour replace proxy %s dev %s\n", c->guest.public_address, n->link_device);
    return netns_batch(n->host, "ip", str_text(&batch));
}

struct error *host_set_public(struct network *n, const struct vpc *v, struct card *c)
{
    _cleanup_nft_ struct nft t = nft_begin();
    if (!c->guest.public_address[0])
        return NULL;
    RETURN_IF_ERROR(error_wrap(route_public(n, v, c), "the public address %s", c->guest.public_address));
    nft_table(&t, "ip", n->table);
    nft_element(&t, "add", "publics", nft_text(c->guest.public_address));
    c->public_set = true;
    RETURN_IF_ERROR(change(n, &t));
    return announce_address(n->host, n->link_device, c->guest.public_address);
}

struct error *host_drop_public(struct network *n, const struct vpc *v, struct card *c)
{
    _cleanup_str_ struct str batch = STR_INIT;
    _cleanup_nft_ struct nft t = nft_begin();
    if (!c->public_set)
        return NULL;
    c->public_set = false;
    nft_table(&t, "ip", n->table);
    nft_element(&t, "delete", "publics", nft_text(c->guest.public_address));
    RETURN_IF_ERROR(change(n, &t));
    /* The device may have vanished, and its route with it. */
    str_printf(&batch, "neighbour del proxy %s dev %s\n", c->guest.public_address, n->link_device);
    error_ignore(netns_batch(n->host, "ip", str_text(&batch)));
    str_clear(&batch);
    str_printf(&batch, "route del %s/32 dev %s\n", c->guest.public_address, v->link);
    error_ignore(netns_batch(n->host, "ip", str_text(&batch)));
    return NULL;
}

/* ---- after a restart ---- */

static bool is_ours(struct network *n, const char *public)
{
    struct map_cursor at = {0};
    void *value;
    while (map_next(n->vpcs, &at, NULL, &value)) {
        array_each(&((struct vpc *)value)->cards, c)
            if (streq(c->guest.public_address, public))
                return true;
    }
    return false;
}

static struct error *read_list(int ns, const char *const *argv, json_t **ret)
{
    _cleanup_str_ struct str text = STR_INIT;
    json_error_t why;
    RETURN_IF_ERROR(netns_ask(ns, argv, &text));
    *ret = text.len ? json_loadb(text.data, text.len, 0, &why) : json_array();
    return *ret ? NULL : error_new(ERROR_INTERNAL, "what ip printed is no JSON: %s", why.text);
}

/* Proxy neighbours of the public network that belong to no guest. */
static struct error *remove_proxies(struct network *n)
{
    const char *const argv[] = {"neighbour", "show", "proxy", "dev", n->link_device, NULL};
    _cleanup_json_ json_t *list = NULL;
    _cleanup_str_ struct str batch = STR_INIT;
    RETURN_IF_ERROR(read_list(n->host, argv, &list));
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *text = json_get_string(json_array_get(list, k), "dst", "");
        uint32_t address;
        if (n->has_public && address_parse(text, &address) && cidr_has(&n->public_range, address) && !is_ours(n, text))
            str_printf(&batch, "neighbour del proxy %s dev %s\n", text, n->link_device);
    }
    return netns_batch(n->host, "ip", str_text(&batch));
}

static struct error *remove_routes(struct network *n, const struct vpc *v)
{
    const char *const argv[] = {"route", "show", "dev", v->link, NULL};
    _cleanup_json_ json_t *list = NULL;
    _cleanup_str_ struct str batch = STR_INIT;
    char own[ADDRESS_TEXT];
    vpc_uplink_address(v, own);
    RETURN_IF_ERROR(read_list(n->host, argv, &list));
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *to = json_get_string(json_array_get(list, k), "dst", "");
        if (!streq(to, own) && !is_ours(n, to))
            str_printf(&batch, "route del %s dev %s\n", to, v->link);
    }
    return netns_batch(n->host, "ip", str_text(&batch));
}

struct error *host_remove_strays(struct network *n)
{
    struct map_cursor at = {0};
    void *value;
    RETURN_IF_ERROR(remove_proxies(n));
    while (map_next(n->vpcs, &at, NULL, &value)) {
        if (((struct vpc *)value)->built)
            RETURN_IF_ERROR(remove_routes(n, value));
    }
    return NULL;
}

struct error *host_check(struct network *n)
{
    if (!n->host_ruled) /* a change failed */
        return host_sync(n);
    struct error *e = nft_look(n->host, "ip", n->table, "forward");
    if (!e)
        return NULL;
    log_failure(LOG_WARNING, e, "the node's rules for guests were gone: they are set anew");
    return host_sync(n);
}
