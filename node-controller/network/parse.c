/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/network/parse.h"
#include "common/base/str.h"
#include "node-controller/network/network.h"

#define RULES_MAX 1000
#define PEERS_MAX 65536
#define HOSTS_MAX 65536
#define VNI_MAX   ((1u << 24) - 1)

struct error *parse_name(const json_t *o, const char *key, struct id *ret)
{
    RETURN_IF_ERROR(json_need_id(o, key, ret));
    if (ret->text[0] == '.' || ret->text[0] == '-')
        return error_new(ERROR_INVALID, "'%s' must not begin with '%c'", key, ret->text[0]);
    return NULL;
}

static struct error *need_address(const json_t *o, const char *key, uint32_t *ret)
{
    const char *text;
    RETURN_IF_ERROR(json_need_string(o, key, &text));
    if (!address_parse(text, ret))
        return error_new(ERROR_INVALID, "'%s' is no IPv4 address", key);
    return NULL;
}

static struct error *need_range(const json_t *o, const char *key, struct cidr *ret)
{
    const char *text;
    RETURN_IF_ERROR(json_need_string(o, key, &text));
    if (!cidr_parse(text, ret, NULL))
        return error_new(ERROR_INVALID, "'%s' is no range of IPv4 addresses", key);
    return NULL;
}

static struct error *need_mac(const json_t *o, const char *key, char ret[MAC_TEXT])
{
    const char *text;
    RETURN_IF_ERROR(json_need_string(o, key, &text));
    if (!mac_parse(text, ret))
        return error_new(ERROR_INVALID, "'%s' is no unicast MAC", key);
    return NULL;
}

static struct error *need_vni(const json_t *o, uint32_t *ret)
{
    uint64_t vni;
    RETURN_IF_ERROR(json_need_u64(o, "vni", &vni));
    if (vni < 1 || vni > VNI_MAX)
        return error_new(ERROR_INVALID, "'vni' must be from 1 to %u", VNI_MAX);
    *ret = (uint32_t)vni;
    return NULL;
}

/* ---- guests ---- */

/* The gateway, the network's and the broadcast address are nobody's. */
static bool usable(const struct cidr *c, uint32_t address)
{
    uint32_t last = c->base | (c->len ? ~(UINT32_MAX << (32 - c->len)) : UINT32_MAX);
    return cidr_has(c, address) && address > c->base + 1 && address < last;
}

static struct error *parse_ranges(const json_t *body, struct network_guest *g)
{
    struct cidr subnet, vpc;
    uint32_t address;
    RETURN_IF_ERROR(need_address(body, "address", &address));
    RETURN_IF_ERROR(need_range(body, "subnet_cidr", &subnet));
    RETURN_IF_ERROR(need_range(body, "vpc_cidr", &vpc));
    if (subnet.len < 8 || subnet.len > 30 || !cidr_holds(&vpc, &subnet))
        return error_new(ERROR_INVALID, "the subnet's range does not lie in its VPC's");
    if (!usable(&subnet, address))
        return error_new(ERROR_INVALID, "the address is none for an instance of the subnet");
    address_text(address, g->address);
    cidr_text(&subnet, g->subnet_cidr);
    cidr_text(&vpc, g->vpc_cidr);
    return NULL;
}

static struct error *parse_public(const json_t *body, struct network_guest *g)
{
    uint32_t address;
    if (!json_object_get(body, "public_address"))
        return NULL;
    RETURN_IF_ERROR(need_address(body, "public_address", &address));
    address_text(address, g->public_address);
    return NULL;
}

static struct error *parse_groups(const json_t *body, struct network_guest *g)
{
    json_t *list;
    RETURN_IF_ERROR(json_need_array(body, "groups", &list));
    if (json_array_size(list) > NETWORK_GROUPS_MAX)
        return error_new(ERROR_INVALID, "more than %d groups", NETWORK_GROUPS_MAX);
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *text = json_string_value(json_array_get(list, k));
        struct id *id = &g->groups[g->groups_len];
        if (!text || !id_parse(text, id) || text[0] == '.' || text[0] == '-')
            return error_new(ERROR_INVALID, "'groups' must be a list of ids");
        bool again = false;
        for (size_t j = 0; j < g->groups_len; j++)
            again |= id_eq(&g->groups[j], id);
        g->groups_len += !again;
    }
    return NULL;
}

struct error *network_guest_parse(const struct id *instance, const json_t *body, struct network_guest *ret)
{
    struct network_guest g = {.instance = *instance};
    RETURN_IF_ERROR(parse_name(body, "vpc", &g.vpc));
    if (!str_starts(g.vpc.text, "vpc-"))
        return error_new(ERROR_INVALID, "'vpc' is no VPC's id");
    RETURN_IF_ERROR(parse_name(body, "subnet", &g.subnet));
    RETURN_IF_ERROR(need_mac(body, "mac", g.mac));
    RETURN_IF_ERROR(need_vni(body, &g.vni));
    RETURN_IF_ERROR(parse_ranges(body, &g));
    RETURN_IF_ERROR(parse_public(body, &g));
    RETURN_IF_ERROR(parse_groups(body, &g));
    *ret = g;
    return NULL;
}

char *network_tap_name(const struct id *instance)
{
    char name[DEVICE_NAME];
    device_name("mt", instance->text, name);
    return xstrdup(name);
}

/* ---- groups ---- */

void group_free(struct group *g)
{
    if (!g)
        return;
    array_each(&g->rules, r)
        array_free(&r->peers);
    array_free(&g->rules);
    free(g);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct cidr *x = a, *y = b;
    if (x->base != y->base)
        return x->base < y->base ? -1 : 1;
    return (int)x->len - (int)y->len;
}

/* Ranges nest or are apart; what lies in another goes. */
static void drop_nested(struct group_rule *r)
{
    size_t kept = 0;
    if (r->peers.len)
        qsort(r->peers.data, r->peers.len, sizeof *r->peers.data, compare_ranges);
    for (size_t k = 0; k < r->peers.len; k++)
        if (!kept || !cidr_holds(&r->peers.data[kept - 1], &r->peers.data[k]))
            r->peers.data[kept++] = r->peers.data[k];
    r->peers.len = kept;
}

static struct error *parse_members(const json_t *members, struct group_rule *r)
{
    if (!json_is_array(members) || json_array_size(members) > PEERS_MAX)
        return error_new(ERROR_INVALID, "'members' must be a list of at most %d addresses", PEERS_MAX);
    for (size_t k = 0; k < json_array_size(members); k++) {
        const char *text = json_string_value(json_array_get(members, k));
        struct cidr one = {0, 32};
        if (!text || !address_parse(text, &one.base))
            return error_new(ERROR_INVALID, "'members' holds what is no IPv4 address");
        array_push(&r->peers, one);
    }
    return NULL;
}

static struct error *parse_peers(const json_t *o, struct group_rule *r)
{
    const json_t *members = json_object_get(o, "members");
    const bool has_range = json_object_get(o, "cidr") != NULL;
    if (has_range == (members != NULL))
        return error_new(ERROR_INVALID, "a rule has either 'cidr' or 'members'");
    if (has_range)
        RETURN_IF_ERROR(need_range(o, "cidr", array_add(&r->peers)));
    else
        RETURN_IF_ERROR(parse_members(members, r));
    drop_nested(r);
    return NULL;
}

static bool whole_number(const json_t *o, const char *key, int least, int most, int *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most)
        return false;
    *ret = (int)json_integer_value(v);
    return true;
}

static struct error *parse_protocol(const json_t *o, struct group_rule *r)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"all", PROTOCOL_ALL}, {"icmp", 1}, {"tcp", 6}, {"udp", 17}};
    const json_t *v = json_object_get(o, "protocol");
    const char *text = json_string_value(v);
    uint64_t number;
    if (json_is_integer(v) && whole_number(o, "protocol", 0, 255, &r->protocol))
        return NULL;
    for (size_t k = 0; text && k < ARRAY_SIZE(names); k++) {
        if (streq(text, names[k].name)) {
            r->protocol = names[k].number;
            return NULL;
        }
    }
    if (!text)
        return error_new(ERROR_INVALID, "'protocol' must be a name or a number up to 255");
    RETURN_IF_ERROR(error_wrap(parse_u64(text, 255, &number), "'protocol'"));
    r->protocol = (int)number;
    return NULL;
}

static struct error *parse_ports(const json_t *o, struct group_rule *r)
{
    bool icmp = r->protocol == 1;
    if (!icmp && r->protocol != 6 && r->protocol != 17)
        return NULL;
    if (!whole_number(o, "from", icmp ? -1 : 0, icmp ? 255 : 65535, &r->from) ||
        !whole_number(o, "to", icmp ? -1 : 0, icmp ? 255 : 65535, &r->to) || (!icmp && r->from > r->to))
        return error_new(ERROR_INVALID, "'from' and 'to' do not fit the protocol");
    return NULL;
}

static struct error *parse_rule(const json_t *o, struct group_rule *r)
{
    const char *direction;
    RETURN_IF_ERROR(json_need_string(o, "direction", &direction));
    r->in = streq(direction, "in");
    if (!r->in && !streq(direction, "out"))
        return error_new(ERROR_INVALID, "'direction' is neither 'in' nor 'out'");
    RETURN_IF_ERROR(parse_protocol(o, r));
    RETURN_IF_ERROR(parse_ports(o, r));
    return parse_peers(o, r);
}

struct error *group_parse(const struct id *id, const json_t *body, struct group **ret)
{
    _cleanup_(group_freep) struct group *g = xnew0(struct group);
    json_t *rules;
    size_t peers = 0;
    g->id = *id;
    RETURN_IF_ERROR(parse_name(body, "vpc", &g->vpc));
    RETURN_IF_ERROR(json_need_array(body, "rules", &rules));
    if (json_array_size(rules) > RULES_MAX)
        return error_new(ERROR_INVALID, "more than %d rules", RULES_MAX);
    for (size_t k = 0; k < json_array_size(rules); k++) {
        struct group_rule *r = array_add(&g->rules);
        RETURN_IF_ERROR(error_wrap(parse_rule(json_array_get(rules, k), r), "rule %zu of %s", k + 1, id->text));
        peers += r->peers.len;
    }
    if (peers > PEERS_MAX)
        return error_new(ERROR_INVALID, "%s names more than %d addresses", id->text, PEERS_MAX);
    *ret = TAKE_PTR(g);
    return NULL;
}

/* ---- subnets ---- */

void subnet_free(struct subnet *s)
{
    if (s)
        array_free(&s->hosts);
    free(s);
}

static struct error *parse_host(const struct subnet *s, const json_t *o, struct subnet_host *h)
{
    RETURN_IF_ERROR(need_address(o, "address", &h->address));
    RETURN_IF_ERROR(need_address(o, "link", &h->link));
    RETURN_IF_ERROR(need_mac(o, "mac", h->mac));
    if (!usable(&s->cidr, h->address))
        return error_new(ERROR_INVALID, "its address is none of the subnet's");
    return NULL;
}

struct error *subnet_parse(const struct id *id, const json_t *body, struct subnet **ret)
{
    _cleanup_(subnet_freep) struct subnet *s = xnew0(struct subnet);
    json_t *hosts;
    s->id = *id;
    RETURN_IF_ERROR(parse_name(body, "vpc", &s->vpc));
    RETURN_IF_ERROR(need_range(body, "cidr", &s->cidr));
    RETURN_IF_ERROR(need_vni(body, &s->vni));
    RETURN_IF_ERROR(json_need_array(body, "hosts", &hosts));
    if (json_array_size(hosts) > HOSTS_MAX)
        return error_new(ERROR_INVALID, "more than %d hosts", HOSTS_MAX);
    for (size_t k = 0; k < json_array_size(hosts); k++) {
        struct error *e = parse_host(s, json_array_get(hosts, k), array_add(&s->hosts));
        RETURN_IF_ERROR(error_wrap(e, "host %zu of %s", k + 1, id->text));
    }
    *ret = TAKE_PTR(s);
    return NULL;
}
