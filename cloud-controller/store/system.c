/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

struct error *store_node_key_get(struct db_tx *tx, const char *node, unsigned char ret[32])
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    size_t len = 0;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT public_key FROM node_key WHERE node = ?", "t", node));
    RETURN_IF_ERROR(db_step(s, &row));
    const void *key = row ? db_col_blob(s, 0, &len) : NULL;
    if (len != 32)
        return error_new(ERROR_NOT_FOUND, "key of node %s", node);
    memcpy(ret, key, 32);
    return NULL;
}

struct error *store_node_key_put(struct db_tx *tx, const char *node, const unsigned char key[32])
{
    return db_exec(tx, "INSERT INTO node_key (node, public_key) VALUES (?, ?)", "tb", node, key, (size_t)32);
}

struct error *store_system_key_is(struct db_tx *tx, const char *role, const char *key_id, bool *ret)
{
    uint64_t count = 0;
    RETURN_IF_ERROR(db_query_u64(tx, &count, "SELECT count(*) FROM system_key WHERE role = ? AND key_id = ?", "tt", role,
                                 key_id));
    *ret = count != 0;
    return NULL;
}

struct error *store_system_key_count(struct db_tx *tx, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM system_key", "");
}

struct error *store_system_key_put(struct db_tx *tx, const char *role, const char *key_id)
{
    return db_exec(tx, "INSERT INTO system_key (role, key_id) VALUES (?, ?)", "tt", role, key_id);
}

struct error *store_key_of(struct db_tx *tx, const char *account, struct id *ret_id, struct store_key *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT access_key.id FROM access_key JOIN account ON account.id = account_id WHERE "
                             "account_id = ? AND access_key.enabled AND account.enabled ORDER BY access_key.id LIMIT 1",
                             "t", account));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "access key of account %s", account);
    *ret_id = db_col_id(s, 0);
    return store_key_get(tx, ret_id->text, ret);
}
