/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

void store_account_free(struct store_account *a)
{
    free(a->name);
    free(a->email);
    free(a->canonical_id);
}

struct error *store_account_insert(struct db_tx *tx, const struct store_account *a, int64_t now)
{
    return db_exec(tx,
                   "INSERT INTO account (id, name, email, canonical_id, administrator, created_ms) "
                   "VALUES (?, ?, ?, ?, ?, ?)",
                   "ttttui", a->id.text, a->name, a->email, a->canonical_id, (uint64_t)a->administrator, now);
}

static void read_account(struct db_stmt *s, struct store_account *ret)
{
    ret->id = db_col_id(s, 0);
    ret->name = db_col_dup(s, 1);
    ret->email = db_col_dup(s, 2);
    ret->canonical_id = db_col_dup(s, 3);
    ret->administrator = db_col_i64(s, 4) != 0;
    ret->enabled = db_col_i64(s, 5) != 0;
}

struct error *store_account_get(struct db_tx *tx, const char *id, struct store_account *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(
        tx, &s, "SELECT id, name, email, canonical_id, administrator, enabled FROM account WHERE id = ?", "t", id));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "account %s", id);
    memset(ret, 0, sizeof *ret);
    read_account(s, ret);
    return NULL;
}

struct error *store_account_list(struct db_tx *tx, store_accounts *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(
        tx, &s,
        "SELECT id, name, email, canonical_id, administrator, enabled FROM account ORDER BY created_ms LIMIT 10000",
        ""));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        read_account(s, array_add(ret));
    }
}

struct error *store_account_count(struct db_tx *tx, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM account", "");
}

struct error *store_account_disable(struct db_tx *tx, const char *id)
{
    RETURN_IF_ERROR(db_exec(tx, "UPDATE account SET enabled = 0 WHERE id = ? AND NOT administrator", "t", id));
    return db_changes(tx) ? NULL : error_new(ERROR_NOT_FOUND, "account %s", id);
}

struct error *store_key_insert(struct db_tx *tx, const char *id, const struct store_key *k, int64_t now)
{
    return db_exec(tx, "INSERT INTO access_key (id, account_id, sealed_secret, created_ms) VALUES (?, ?, ?, ?)",
                   "ttbi", id, k->account.text, k->sealed, k->sealed_len, now);
}

static struct error *read_sealed(struct db_stmt *s, int column, struct store_key *ret)
{
    const void *sealed = db_col_blob(s, column, &ret->sealed_len);
    if (ret->sealed_len > sizeof ret->sealed)
        return error_new(ERROR_INTERNAL, "sealed secret of %zu bytes", ret->sealed_len);
    memcpy(ret->sealed, sealed, ret->sealed_len);
    return NULL;
}

struct error *store_key_get(struct db_tx *tx, const char *id, struct store_key *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT account_id, sealed_secret, access_key.enabled AND account.enabled, "
                             "administrator FROM access_key JOIN account ON account.id = account_id "
                             "WHERE access_key.id = ?",
                             "t", id));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "access key");
    RETURN_IF_ERROR(read_sealed(s, 1, ret));
    ret->account = db_col_id(s, 0);
    ret->enabled = db_col_i64(s, 2) != 0;
    ret->administrator = db_col_i64(s, 3) != 0;
    return NULL;
}

struct error *store_key_each(struct db_tx *tx, store_key_fn *fn, void *arg)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT account.id, name, email, canonical_id, administrator, account.enabled, "
                             "access_key.id, sealed_secret, role FROM access_key JOIN account ON account.id = "
                             "account_id LEFT JOIN system_key ON system_key.key_id = access_key.id "
                             "WHERE access_key.enabled AND account.enabled ORDER BY access_key.id",
                             ""));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        struct store_account account = {0};
        struct store_key key = {.enabled = true};
        read_account(s, &account);
        key.account = account.id;
        key.role = db_col_id(s, 8);
        struct error *e = read_sealed(s, 7, &key);
        if (!e)
            e = fn(arg, db_col_text(s, 6), &key, &account);
        store_account_free(&account);
        RETURN_IF_ERROR(e);
    }
}

struct error *store_quota(struct db_tx *tx, const char *account, const char *name, uint64_t otherwise,
                          uint64_t *ret)
{
    struct error *e = db_query_u64(tx, ret, "SELECT value FROM quota WHERE account_id = ? AND name = ?", "tt",
                                   account, name);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        *ret = otherwise;
        return error_free(e);
    }
    return e;
}
