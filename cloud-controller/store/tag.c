/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

void store_tag_free(struct store_tag *t)
{
    free(t->type);
    free(t->key);
    free(t->value);
}

struct error *store_tag_set(struct db_tx *tx, const char *account, const char *resource, const char *type,
                            const char *key, const char *value)
{
    return db_exec(tx,
                   "INSERT INTO tag (account_id, resource_id, resource_type, key, value) VALUES (?, ?, ?, ?, ?) "
                   "ON CONFLICT (account_id, resource_id, key) DO UPDATE SET value = excluded.value",
                   "ttttt", account, resource, type, key, value);
}

struct error *store_tag_delete(struct db_tx *tx, const char *account, const char *resource, const char *key,
                               const char *value)
{
    return db_exec(tx,
                   "DELETE FROM tag WHERE account_id = ?1 AND resource_id = ?2 AND key = ?3 "
                   "AND (?4 IS NULL OR value = ?4)",
                   "tttt", account, resource, key, value);
}

struct error *store_tag_delete_all(struct db_tx *tx, const char *account, const char *resource)
{
    return db_exec(tx, "DELETE FROM tag WHERE account_id = ? AND resource_id = ?", "tt", account, resource);
}

struct error *store_tag_count(struct db_tx *tx, const char *account, const char *resource, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM tag WHERE account_id = ? AND resource_id = ?", "tt",
                        account, resource);
}

struct error *store_tag_list(struct db_tx *tx, const char *account, const char *resource, const char *after,
                             const char *after_key, size_t limit, store_tags *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT resource_id, resource_type, key, value FROM tag WHERE account_id = ?1 "
                             "AND (?2 IS NULL OR resource_id = ?2) AND (resource_id, key) > (?3, ?4) "
                             "ORDER BY resource_id, key LIMIT ?5",
                             "ttttu", account, resource, after ? after : "", after_key ? after_key : "",
                             (uint64_t)limit));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        struct store_tag *t = array_add(ret);
        t->resource = db_col_id(s, 0);
        t->type = db_col_dup(s, 1);
        t->key = db_col_dup(s, 2);
        t->value = db_col_dup(s, 3);
    }
}

/* Where a resource of each prefix has its row. */
static const struct {
    const char *prefix, *type, *sql;
} targets[] = {
    {"i-", "instance", "SELECT 1 FROM instance WHERE account_id = ? AND id = ?"},
    {"r-", "reservation", "SELECT 1 FROM reservation WHERE account_id = ? AND id = ?"},
    {"ami-", "image", "SELECT 1 FROM image WHERE account_id = ? AND id = ?"},
    {"key-", "key-pair", "SELECT 1 FROM key_pair WHERE account_id = ? AND id = ?"},
    {"sg-", "security-group", "SELECT 1 FROM security_group WHERE account_id = ? AND id = ?"},
    {"vpc-", "vpc", "SELECT 1 FROM vpc WHERE account_id = ? AND id = ?"},
    {"subnet-", "subnet", "SELECT 1 FROM subnet WHERE account_id = ? AND id = ?"},
};

struct error *store_tag_target(struct db_tx *tx, const char *account, const char *resource,
                               const char **ret_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        uint64_t one;
        if (strncmp(resource, targets[i].prefix, strlen(targets[i].prefix)) != 0)
            continue;
        RETURN_IF_ERROR(db_query_u64(tx, &one, targets[i].sql, "tt", account, resource));
        *ret_type = targets[i].type;
        return NULL;
    }
    return error_new(ERROR_NOT_FOUND, "%s", resource);
}
