/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define COLUMNS "SELECT id, account_id, name, type, public_key, fingerprint, created_ms FROM key_pair "

void store_key_pair_free(struct store_key_pair *k)
{
    free(k->name);
    free(k->type);
    free(k->public_key);
    free(k->fingerprint);
}

static void read_row(struct db_stmt *s, struct store_key_pair *ret)
{
    *ret = (struct store_key_pair){
        .id = db_col_id(s, 0),
        .account = db_col_id(s, 1),
        .name = db_col_dup(s, 2),
        .type = db_col_dup(s, 3),
        .public_key = db_col_dup(s, 4),
        .fingerprint = db_col_dup(s, 5),
        .created_ms = db_col_i64(s, 6),
    };
}

struct error *store_key_pair_insert(struct db_tx *tx, const struct store_key_pair *k)
{
    return db_exec(tx,
                   "INSERT INTO key_pair (id, account_id, name, type, public_key, fingerprint, created_ms) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "tttttti", k->id.text, k->account.text, k->name, k->type, k->public_key, k->fingerprint,
                   k->created_ms);
}

struct error *store_key_pair_get(struct db_tx *tx, const char *account, const char *name, struct store_key_pair *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s, COLUMNS "WHERE account_id = ? AND name = ?", "tt", account, name));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "key pair %s", name);
    read_row(s, ret);
    return NULL;
}

struct error *store_key_pair_list(struct db_tx *tx, const char *account, store_key_pairs *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, COLUMNS "WHERE account_id = ? ORDER BY name", "t", account));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        read_row(s, array_add(ret));
    }
}

struct error *store_key_pair_count(struct db_tx *tx, const char *account, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM key_pair WHERE account_id = ?", "t", account);
}

struct error *store_key_pair_delete(struct db_tx *tx, const char *account, const char *id)
{
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM key_pair WHERE account_id = ? AND id = ?", "tt", account, id));
    return db_changes(tx) ? NULL : error_new(ERROR_NOT_FOUND, "key pair %s", id);
}
