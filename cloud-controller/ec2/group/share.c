/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/group/group.h"
#include "cloud-controller/ec2/group/permission.h"

typedef ARRAY(struct id) ids;

/* The groups that the rules name: their members stand in the body. */
static struct error *read_mentions(struct db_tx *tx, const char *group, ids *ret)
{
    store_rules rules = {0};
    struct error *e = store_rule_list(tx, group, &rules);
    array_each(&rules, r) {
        bool known = !permission_peer_is_group(r);
        array_each(ret, id)
            known |= id_is(id, r->peer);
        if (!known)
            array_push(ret, id_of(r->peer));
    }
    store_rules_free(&rules);
    return e;
}

struct error *group_share(struct db_tx *tx, struct cloud_model *c, const char *group)
{
    ids mentions = {0};
    struct error *e = read_mentions(tx, group, &mentions);
    if (!e)
        cloud_share(c, KIND_GROUP, group, mentions.data, mentions.len);
    array_free(&mentions);
    return e;
}

void group_unshare(struct cloud_model *c, const char *group)
{
    struct cloud_shared *s = cloud_find_shared(c, group);
    if (s)
        cloud_unshare(c, s);
}

/* What is read before the model changes: after it nothing may fail. */
struct sharing {
    enum object_kind kind;
    struct id id;
    ids mentions;
};
typedef ARRAY(struct sharing) sharings;

static struct error *collect_groups(struct db_tx *tx, const struct cloud_model *c, const char *account, sharings *ret)
{
    store_groups rows = {0};
    struct error *e = store_group_page(tx, account, "", SIZE_MAX >> 1, &rows);
    array_each(&rows, row) {
        if (!e && !cloud_find_shared(c, row->id.text)) {
            struct sharing *s = array_add(ret);
            s->kind = KIND_GROUP;
            s->id = row->id;
            e = read_mentions(tx, row->id.text, &s->mentions);
        }
        store_group_free(row);
    }
    array_free(&rows);
    return e;
}

static struct error *collect_subnets(struct db_tx *tx, const struct cloud_model *c, const char *account, sharings *ret)
{
    store_subnets rows = {0};
    struct error *e = store_subnet_list(tx, account, &rows);
    array_each(&rows, row) {
        if (cloud_find_shared(c, row->id.text))
            continue;
        struct sharing *s = array_add(ret);
        s->kind = KIND_SUBNET;
        s->id = row->id;
        array_push(&s->mentions, row->id);
    }
    array_free(&rows);
    return e;
}

struct error *network_share(struct db_tx *tx, struct cloud_model *c, const char *account)
{
    sharings all = {0};
    struct error *e = collect_groups(tx, c, account, &all);
    if (!e)
        e = collect_subnets(tx, c, account, &all);
    array_each(&all, s) {
        if (!e)
            cloud_share(c, s->kind, s->id.text, s->mentions.data, s->mentions.len);
        array_free(&s->mentions);
    }
    array_free(&all);
    return e;
}
