/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/group/permission.h"
#include <ctype.h>
#include <strings.h>
#include "cloud-controller/ec2/common.h"

enum {
    ALL = -1,
    ICMP = 1,
    TCP = 6,
    UDP = 17,
    ICMPV6 = 58,
};

/* In one request: more than a group could hold in both directions together. */
#define RULES_MAX 1000

static const struct {
    const char *name;
    int number;
} protocols[] = {{"tcp", TCP}, {"udp", UDP}, {"icmp", ICMP}, {"-1", ALL}, {"all", ALL}};

void permission_rules_free(permission_rules *rules)
{
    array_each(rules, r) {
        store_rule_free(&r->rule);
        free(r->group_id);
        free(r->group_name);
        free(r->user_id);
    }
    array_free(rules);
}

bool permission_protocol(const char *text, int *ret)
{
    uint64_t number = 0;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcasecmp(text, protocols[i].name) == 0) {
            *ret = protocols[i].number;
            return true;
        }
    }
    struct error *e = parse_u64(text, 255, &number);
    bool good = !e && number != ICMPV6;
    error_free(e);
    if (good)
        *ret = (int)number;
    return good;
}

char *permission_protocol_text(int protocol)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (protocols[i].number == protocol)
            return xstrdup(protocols[i].name);
    }
    return xasprintf("%d", protocol);
}

bool permission_peer_is_group(const struct store_rule *rule)
{
    return str_starts(rule->peer, "sg-");
}

/* ---- reading ---- */

struct ports {
    bool has_from, has_to;
    int64_t from, to;
};

static struct error *read_protocol(const char *text, int *ret)
{
    if (!text || !*text)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter ipProtocol");
    if (strcasecmp(text, "icmpv6") == 0 || streq(text, "58"))
        return error_new(API_UNSUPPORTED_OPERATION, "IPv6 is not supported here.");
    if (!permission_protocol(text, ret))
        return error_new(API_INVALID_PARAMETER_VALUE, "Invalid value '%.40s' for IP protocol. Unknown protocol.", text);
    return NULL;
}

static struct error *read_icmp(const struct ports *p)
{
    if (p->from < -1 || p->from > 255)
        return error_new(API_INVALID_PARAMETER_VALUE, "ICMP type (%jd) out of range", (intmax_t)p->from);
    if (p->to < -1 || p->to > 255)
        return error_new(API_INVALID_PARAMETER_VALUE, "ICMP code (%jd) out of range", (intmax_t)p->to);
    if (p->from == -1 && p->to != -1)
        return error_new(API_INVALID_PARAMETER_VALUE, "ICMP code (%jd) must be -1 (all) where the type is.",
                         (intmax_t)p->to);
    return NULL;
}

static struct error *read_ports(int protocol, const struct ports *p, struct store_rule *ret)
{
    bool tcp = protocol == TCP || protocol == UDP;
    ret->protocol = protocol;
    ret->from = ret->to = -1;
    if (!tcp && protocol != ICMP)
        return NULL; /* what is told there means nothing */
    if (!p->has_from || !p->has_to)
        return error_new(API_INVALID_PARAMETER_VALUE, tcp ? "Invalid value 'Must specify both from and to ports with TCP/UDP.' "
                                                            "for portRange."
                                                          : "Invalid value 'Must specify both type and code with ICMP.' for portRange.");
    if (tcp && (p->from < 0 || p->to > 65535 || p->from > p->to))
        return error_new(API_INVALID_PARAMETER_VALUE, "Invalid TCP/UDP port range (%jd:%jd)", (intmax_t)p->from,
                         (intmax_t)p->to);
    if (!tcp)
        RETURN_IF_ERROR(read_icmp(p));
    ret->from = (int)p->from;
    ret->to = (int)p->to;
    return NULL;
}

static struct error *read_description(const char *text, struct store_rule *ret)
{
    if (text && !vpc_text_ok(text))
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Invalid rule description. Valid descriptions are strings less than 256 characters from the "
                         "following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*");
    ret->description = text && *text ? xstrdup(text) : NULL;
    return NULL;
}

static struct error *read_range(const char *text, struct store_rule *ret)
{
    struct cidr range;
    if (!text)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter cidrIp");
    if (!cidr_parse(text, &range))
        return error_new(API_INVALID_PARAMETER_VALUE, "CIDR block %.60s is malformed", text);
    ret->peer = cidr_text(range);
    return NULL;
}

static struct permission_rule *add_rule(permission_rules *to, const struct store_rule *ports)
{
    struct permission_rule *r = array_add(to);
    r->rule.protocol = ports->protocol;
    r->rule.from = ports->from;
    r->rule.to = ports->to;
    return r;
}

static struct error *read_group(const struct ec2_group_pair *pair, struct permission_rule *ret)
{
    if (!pair->group_id && !pair->group_name)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter groupId or groupName");
    if (pair->group_id && !ec2_id_ok(pair->group_id, "sg-"))
        return error_new(EC2_INVALID_GROUP_ID_MALFORMED, "Invalid id: \"%.80s\" (expecting \"sg-...\")", pair->group_id);
    ret->group_id = xstrdup(pair->group_id);
    ret->group_name = pair->group_id ? NULL : xstrdup(pair->group_name);
    ret->user_id = xstrdup(pair->user_id);
    return read_description(pair->description, &ret->rule);
}

static bool same_rule(const struct permission_rule *a, const struct permission_rule *b)
{
    return a->rule.protocol == b->rule.protocol && a->rule.from == b->rule.from && a->rule.to == b->rule.to &&
           streq_null(a->rule.peer, b->rule.peer) && streq_null(a->group_id, b->group_id) &&
           streq_null(a->group_name, b->group_name);
}

static struct error *check_doubles(const permission_rules *rules)
{
    if (rules->len > RULES_MAX)
        return error_new(EC2_RULES_PER_SECURITY_GROUP_LIMIT_EXCEEDED,
                         "The maximum number of rules per security group has been reached.");
    array_each(rules, a) {
        for (const struct permission_rule *b = rules->data; b < a; b++) {
            if (same_rule(a, b))
                return error_new(API_INVALID_PARAMETER_VALUE, "The same permission must not appear multiple times");
        }
    }
    return NULL;
}

static struct error *read_permission(const struct ec2_ip_permission *p, permission_rules *ret)
{
    struct store_rule ports = {0};
    struct ports told = {p->has_from_port, p->has_to_port, p->from_port, p->to_port};
    int protocol = ALL;
    RETURN_IF_ERROR(read_protocol(p->ip_protocol, &protocol));
    RETURN_IF_ERROR(read_ports(protocol, &told, &ports));
    if (!p->ip_ranges.len && !p->groups.len)
        return error_new(API_MISSING_PARAMETER, "The permission must contain an IP range or a security group");
    array_each(&p->ip_ranges, range) {
        struct permission_rule *r = add_rule(ret, &ports);
        RETURN_IF_ERROR(read_range(range->cidr_ip, &r->rule));
        RETURN_IF_ERROR(read_description(range->description, &r->rule));
    }
    array_each(&p->groups, pair)
        RETURN_IF_ERROR(read_group(pair, add_rule(ret, &ports)));
    return NULL;
}

struct error *permissions_read(const struct ec2_ip_permission *list, size_t len, permission_rules *ret)
{
    for (size_t i = 0; i < len; i++) {
        RETURN_IF_ERROR(read_permission(&list[i], ret));
        if (ret->len > RULES_MAX)
            break;
    }
    return check_doubles(ret);
}

static void read_whole_group(const struct ec2_authorize_security_group_ingress_request *in, permission_rules *ret)
{
    static const struct store_rule parts[] = {
        {.protocol = TCP, .from = 0, .to = 65535}, {.protocol = UDP, .from = 0, .to = 65535},
        {.protocol = ICMP, .from = -1, .to = -1}};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        struct permission_rule *r = add_rule(ret, &parts[i]);
        r->group_name = xstrdup(in->source_security_group_name);
        r->user_id = xstrdup(in->source_security_group_owner_id);
    }
}

struct error *permission_read_flat(const struct ec2_authorize_security_group_ingress_request *in,
                                   permission_rules *ret)
{
    struct ports told = {in->has_from_port, in->has_to_port, in->from_port, in->to_port};
    struct store_rule ports = {0};
    int protocol = ALL;
    if (in->source_security_group_name) {
        if (in->cidr_ip || in->ip_protocol || told.has_from || told.has_to)
            return error_new(API_INVALID_PARAMETER_COMBINATION,
                             "The parameter 'sourceSecurityGroupName' may not be used in combination with 'cidrIp', "
                             "'ipProtocol', 'fromPort' or 'toPort'");
        read_whole_group(in, ret);
        return NULL;
    }
    RETURN_IF_ERROR(read_protocol(in->ip_protocol, &protocol));
    RETURN_IF_ERROR(read_ports(protocol, &told, &ports));
    return read_range(in->cidr_ip, &add_rule(ret, &ports)->rule);
}

/* ---- telling ---- */

static bool has_ports(const struct store_rule *r)
{
    return r->protocol == TCP || r->protocol == UDP || r->protocol == ICMP;
}

static void put_peer(const struct store_rule *rule, const char *account, struct ec2_permission_out *to)
{
    if (permission_peer_is_group(rule)) {
        struct ec2_pair_out *pair = array_add(&to->groups);
        pair->user_id = xstrdup(account);
        pair->group_id = xstrdup(rule->peer);
        pair->description = xstrdup(rule->description);
    } else {
        struct ec2_range_out *range = array_add(&to->ip_ranges);
        range->cidr_ip = xstrdup(rule->peer);
        range->description = xstrdup(rule->description);
    }
}

void permissions_put(const store_rules *rules, bool egress, const char *account, void *list)
{
    const struct store_rule *before = NULL;
    struct ec2_permission_out *to = NULL;
    array_each(rules, r) {
        if (r->egress != egress)
            continue;
        if (!before || before->protocol != r->protocol || before->from != r->from || before->to != r->to) {
            to = api_list_add(list, sizeof *to);
            to->ip_protocol = permission_protocol_text(r->protocol);
            to->has_from_port = to->has_to_port = has_ports(r);
            to->from_port = r->from;
            to->to_port = r->to;
        }
        put_peer(r, account, to);
        before = r;
    }
}

void permission_rule_fill(const struct store_rule *rule, const char *account, struct ec2_security_group_rule *ret)
{
    ret->security_group_rule_id = xstrdup(rule->id.text);
    ret->group_id = xstrdup(rule->group.text);
    ret->group_owner_id = xstrdup(account);
    ret->is_egress = rule->egress;
    ret->has_is_egress = ret->has_from_port = ret->has_to_port = true;
    ret->ip_protocol = permission_protocol_text(rule->protocol);
    ret->from_port = rule->from;
    ret->to_port = rule->to;
    ret->description = xstrdup(rule->description);
    if (permission_peer_is_group(rule)) {
        ret->referenced_group_info = xnew0(struct ec2_referenced_group);
        ret->referenced_group_info->group_id = xstrdup(rule->peer);
        ret->referenced_group_info->user_id = xstrdup(account);
    } else {
        ret->cidr_ipv4 = xstrdup(rule->peer);
    }
}

char *permission_rule_text(const struct store_rule *rule)
{
    _cleanup_free_ char *protocol = rule->protocol == ALL ? xstrdup("ALL") : permission_protocol_text(rule->protocol);
    for (char *p = protocol; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    if (rule->protocol == ICMP)
        return xasprintf("peer: %s, ICMP, type: %d, code: %d, ALLOW", rule->peer, rule->from, rule->to);
    if (!has_ports(rule))
        return xasprintf("peer: %s, %s, ALLOW", rule->peer, protocol);
    return xasprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", rule->peer, protocol, rule->from, rule->to);
}
