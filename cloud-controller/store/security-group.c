/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define GROUPS "SELECT id, account_id, vpc_id, name, description FROM security_group "
#define RULES                                                                                      \
    "SELECT r.id, r.group_id, r.egress, r.protocol, r.from_port, r.to_port, r.peer, r.description " \
    "FROM security_group_rule AS r "

void store_group_free(struct store_group *g)
{
    free(g->name);
    free(g->description);
    g->name = g->description = NULL;
}

void store_rule_free(struct store_rule *r)
{
    free(r->peer);
    free(r->description);
}

void store_rules_free(store_rules *rules)
{
    array_each(rules, r)
        store_rule_free(r);
    array_free(rules);
}

/* ---- groups ---- */

static void group_of_row(struct db_stmt *s, struct store_group *ret)
{
    *ret = (struct store_group){
        .id = db_col_id(s, 0),
        .account = db_col_id(s, 1),
        .vpc = db_col_id(s, 2),
        .name = db_col_dup(s, 3),
        .description = db_col_dup(s, 4),
    };
}

static struct error *read_group(struct db_stmt *s, const char *what, struct store_group *ret)
{
    bool row;
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "security group %s", what);
    group_of_row(s, ret);
    return NULL;
}

struct error *store_group_insert(struct db_tx *tx, const struct store_group *g)
{
    return db_exec(tx,
                   "INSERT INTO security_group (id, account_id, vpc_id, name, description) VALUES (?, ?, ?, ?, ?)",
                   "ttttt", g->id.text, g->account.text, g->vpc.text, g->name, g->description);
}

struct error *store_group_default_ensure(struct db_tx *tx, const char *account, const char *vpc)
{
    struct id id = id_random("sg-"), in = id_random("sgr-"), out = id_random("sgr-");
    RETURN_IF_ERROR(db_exec(tx,
                            "INSERT INTO security_group (id, account_id, vpc_id, name, description) VALUES "
                            "(?, ?, ?, '" STORE_GROUP_DEFAULT "', 'default VPC security group') ON CONFLICT DO NOTHING",
                            "ttt", id.text, account, vpc));
    if (!db_changes(tx))
        return NULL;
    struct store_rule within = {in, id, false, -1, -1, -1, id.text, NULL};
    struct store_rule outward = {out, id, true, -1, -1, -1, (char *)"0.0.0.0/0", NULL};
    RETURN_IF_ERROR(store_rule_insert(tx, &within));
    return store_rule_insert(tx, &outward);
}

struct error *store_group_get(struct db_tx *tx, const char *account, const char *id, struct store_group *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, GROUPS "WHERE account_id = ? AND id = ?", "tt", account, id));
    return read_group(s, id, ret);
}

struct error *store_group_find(struct db_tx *tx, const char *id, struct store_group *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, GROUPS "WHERE id = ?", "t", id));
    return read_group(s, id, ret);
}

struct error *store_group_by_name(struct db_tx *tx, const char *vpc, const char *name, struct store_group *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, GROUPS "WHERE vpc_id = ? AND name = ?", "tt", vpc, name));
    return read_group(s, name, ret);
}

struct error *store_group_page(struct db_tx *tx, const char *account, const char *after, size_t limit,
                               store_groups *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, GROUPS "WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?", "ttu", account, after,
                             (uint64_t)limit));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        group_of_row(s, array_add(ret));
    }
}

struct error *store_group_count(struct db_tx *tx, const char *account, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM security_group WHERE account_id = ?", "t", account);
}

struct error *store_group_used(struct db_tx *tx, const char *id, bool *ret)
{
    uint64_t used = 0;
    RETURN_IF_ERROR(db_query_u64(tx, &used,
                                 "SELECT EXISTS (SELECT 1 FROM instance_group WHERE group_id = ?1) OR EXISTS "
                                 "(SELECT 1 FROM security_group_rule WHERE peer = ?1 AND group_id <> ?1)",
                                 "t", id));
    *ret = used != 0;
    return NULL;
}

struct error *store_group_delete(struct db_tx *tx, const char *id)
{
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM security_group_rule WHERE group_id = ?", "t", id));
    return db_exec(tx, "DELETE FROM security_group WHERE id = ?", "t", id);
}

/* ---- rules ---- */

static struct error *read_rules(struct db_stmt *s, store_rules *ret)
{
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        *array_add(ret) = (struct store_rule){
            .id = db_col_id(s, 0),
            .group = db_col_id(s, 1),
            .egress = db_col_i64(s, 2) != 0,
            .protocol = (int)db_col_i64(s, 3),
            .from = (int)db_col_i64(s, 4),
            .to = (int)db_col_i64(s, 5),
            .peer = db_col_dup(s, 6),
            .description = db_col_dup(s, 7),
        };
    }
}

struct error *store_rule_insert(struct db_tx *tx, const struct store_rule *r)
{
    return db_exec(tx,
                   "INSERT INTO security_group_rule (id, group_id, egress, protocol, from_port, to_port, peer, "
                   "description) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   "ttuiiitt", r->id.text, r->group.text, (uint64_t)r->egress, (int64_t)r->protocol, (int64_t)r->from,
                   (int64_t)r->to, r->peer, r->description);
}

struct error *store_rule_list(struct db_tx *tx, const char *group, store_rules *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             RULES "WHERE r.group_id = ? ORDER BY r.egress, r.protocol, r.from_port, r.to_port, r.peer",
                             "t", group));
    return read_rules(s, ret);
}

struct error *store_rule_page(struct db_tx *tx, const char *account, const char *after, size_t limit, store_rules *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             RULES "JOIN security_group AS g ON g.id = r.group_id WHERE g.account_id = ? AND r.id > ? "
                                   "ORDER BY r.id LIMIT ?",
                             "ttu", account, after, (uint64_t)limit));
    return read_rules(s, ret);
}

struct error *store_rule_get(struct db_tx *tx, const char *account, const char *id, store_rules *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    size_t before = ret->len;
    RETURN_IF_ERROR(db_query(tx, &s,
                             RULES "JOIN security_group AS g ON g.id = r.group_id WHERE g.account_id = ? AND r.id = ?",
                             "tt", account, id));
    RETURN_IF_ERROR(read_rules(s, ret));
    return ret->len > before ? NULL : error_new(ERROR_NOT_FOUND, "rule %s", id);
}

struct error *store_rule_delete_same(struct db_tx *tx, const struct store_rule *r)
{
    RETURN_IF_ERROR(db_exec(tx,
                            "DELETE FROM security_group_rule WHERE group_id = ? AND egress = ? AND protocol = ? AND "
                            "from_port = ? AND to_port = ? AND peer = ?",
                            "tuiiit", r->group.text, (uint64_t)r->egress, (int64_t)r->protocol, (int64_t)r->from,
                            (int64_t)r->to, r->peer));
    return db_changes(tx) ? NULL : error_new(ERROR_NOT_FOUND, "rule of %s", r->group.text);
}

struct error *store_rule_delete(struct db_tx *tx, const char *group, const char *id, bool egress)
{
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM security_group_rule WHERE group_id = ? AND id = ? AND egress = ?", "ttu",
                            group, id, (uint64_t)egress));
    return db_changes(tx) ? NULL : error_new(ERROR_NOT_FOUND, "rule %s of %s", id, group);
}

struct error *store_rule_count(struct db_tx *tx, const char *group, bool egress, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM security_group_rule WHERE group_id = ? AND egress = ?", "tu",
                        group, (uint64_t)egress);
}

/* ---- instances in groups ---- */

struct error *store_instance_group_add(struct db_tx *tx, const char *instance, uint64_t ordinal, const char *group)
{
    return db_exec(tx, "INSERT INTO instance_group (instance_id, ordinal, group_id) VALUES (?, ?, ?)", "tut", instance,
                   ordinal, group);
}

struct error *store_instance_group_remove_all(struct db_tx *tx, const char *instance)
{
    return db_exec(tx, "DELETE FROM instance_group WHERE instance_id = ?", "t", instance);
}

struct error *store_instance_group_list(struct db_tx *tx, const char *instance, store_groups *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT g.id, g.account_id, g.vpc_id, g.name, g.description FROM instance_group AS i JOIN "
                             "security_group AS g ON g.id = i.group_id WHERE i.instance_id = ? ORDER BY i.ordinal",
                             "t", instance));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        group_of_row(s, array_add(ret));
    }
}
