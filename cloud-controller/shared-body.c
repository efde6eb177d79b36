/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/shared-body.h"
#include "common/base/ipv4.h"
#include "common/base/str.h"
#include "common/json/json.h"

/* A rule's protocol as nodes know it: tcp, udp, icmp, all, or the number. */
static void set_protocol(json_t *rule, const struct store_rule *r)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{-1, "all"}, {1, "icmp"}, {6, "tcp"}, {17, "udp"}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].number != r->protocol)
            continue;
        json_set_string(rule, "protocol", names[i].name);
        if (r->protocol >= 0) {
            json_set(rule, "from", json_integer(r->from));
            json_set(rule, "to", json_integer(r->to));
        }
        return;
    }
    _cleanup_free_ char *number = xasprintf("%d", r->protocol);
    json_set_string(rule, "protocol", number);
}

static const struct cloud_instance *member_of(const struct cloud_model *c, const struct store_member *m,
                                              const struct id *shared)
{
    const struct cloud_instance *i = cloud_find_instance(c, m->instance.text);
    return i && cloud_member(i, shared) ? i : NULL;
}

static struct error *add_members(struct db_tx *tx, const struct cloud_model *c, const char *group, json_t *rule)
{
    store_members members = {0};
    struct id id = id_of(group);
    struct error *e = store_instance_of_group(tx, group, &members);
    json_t *list = json_array();
    array_each(&members, m) {
        if (member_of(c, m, &id))
            json_push(list, json_string(m->private_ip));
    }
    json_set(rule, "members", list);
    store_members_free(&members);
    return e;
}

static struct error *add_rule(struct db_tx *tx, const struct cloud_model *c, const struct store_rule *r, json_t *rules)
{
    json_t *rule = json_object();
    json_push(rules, rule);
    json_set_string(rule, "direction", r->egress ? "out" : "in");
    set_protocol(rule, r);
    if (str_starts(r->peer, "sg-"))
        return add_members(tx, c, r->peer, rule);
    json_set_string(rule, "cidr", r->peer);
    return NULL;
}

static struct error *group_body(struct db_tx *tx, const struct cloud_model *c, struct message *m)
{
    _cleanup_json_ json_t *body = json_object();
    struct store_group g = {0};
    store_rules list = {0};
    RETURN_IF_ERROR(store_group_find(tx, m->id.text, &g));
    json_set_string(body, "vpc", g.vpc.text);
    store_group_free(&g);
    json_t *rules = json_array();
    json_set(body, "rules", rules);
    struct error *e = store_rule_list(tx, m->id.text, &list);
    array_each(&list, r) {
        if (!e)
            e = add_rule(tx, c, r, rules);
    }
    store_rules_free(&list);
    RETURN_IF_ERROR(e);
    m->body = json_text(body);
    return NULL;
}

static void add_host(const struct cloud_model *c, const struct store_member *m, const struct cloud_instance *i,
                     json_t *hosts)
{
    const struct cloud_node *n = cloud_find_node(c, i->node.text);
    json_t *host = json_object();
    json_push(hosts, host);
    json_set_string(host, "address", m->private_ip);
    json_set_string(host, "mac", m->mac);
    json_set_string(host, "node", i->node.text);
    if (n && !id_none(&n->link))
        json_set_string(host, "link", n->link.text);
}

static struct error *subnet_body(struct db_tx *tx, const struct cloud_model *c, struct message *m)
{
    _cleanup_json_ json_t *body = json_object();
    struct store_subnet s = {0};
    store_members members = {0};
    RETURN_IF_ERROR(store_subnet_find(tx, m->id.text, &s));
    _cleanup_free_ char *cidr = cidr_text((struct cidr){s.first, s.prefix});
    json_set_string(body, "vpc", s.vpc.text);
    json_set_string(body, "cidr", cidr);
    json_set_u64(body, "vni", s.vni);
    json_t *hosts = json_array();
    json_set(body, "hosts", hosts);
    struct error *e = store_instance_of_subnet(tx, m->id.text, &members);
    array_each(&members, member) {
        const struct cloud_instance *i = e ? NULL : member_of(c, member, &m->id);
        if (i)
            add_host(c, member, i, hosts);
    }
    store_members_free(&members);
    RETURN_IF_ERROR(e);
    m->body = json_text(body);
    return NULL;
}

struct error *shared_body(struct db_tx *tx, const struct cloud_model *c, struct message *m)
{
    if (m->type != MESSAGE_OBJECT || !m->present || m->body)
        return NULL;
    if (m->kind == KIND_GROUP)
        return error_wrap(group_body(tx, c, m), "body of %s", m->id.text);
    if (m->kind == KIND_SUBNET)
        return error_wrap(subnet_body(tx, c, m), "body of %s", m->id.text);
    return NULL;
}
