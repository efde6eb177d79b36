/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define COLUMNS                                                                                    \
    "SELECT id, account_id, name, description, architecture, state, public, created_ms, " \
    "source_bucket, source_key, sealed_key, disk_bytes, progress, reason FROM image "

void store_image_free(struct store_image *i)
{
    free(i->name);
    free(i->description);
    free(i->architecture);
    free(i->state);
    free(i->source_bucket);
    free(i->source_key);
    free(i->reason);
}

static struct error *read_image(struct db_stmt *s, struct store_image *ret)
{
    size_t sealed_len = 0;
    const void *sealed = db_col_blob(s, 10, &sealed_len);
    if (sealed_len > sizeof ret->sealed_key)
        return error_new(ERROR_INTERNAL, "sealed key of %zu bytes", sealed_len);
    *ret = (struct store_image){
        .id = db_col_id(s, 0),
        .account = db_col_id(s, 1),
        .name = db_col_dup(s, 2),
        .description = db_col_dup(s, 3),
        .architecture = db_col_dup(s, 4),
        .state = db_col_dup(s, 5),
        .public = db_col_i64(s, 6) != 0,
        .created_ms = db_col_i64(s, 7),
        .source_bucket = db_col_dup(s, 8),
        .source_key = db_col_dup(s, 9),
        .sealed_len = sealed_len,
        .disk_bytes = db_col_u64(s, 11),
        .progress = db_col_u64(s, 12),
        .reason = db_col_dup(s, 13),
    };
    if (sealed_len)
        memcpy(ret->sealed_key, sealed, sealed_len);
    return NULL;
}

static struct error *read_one(struct db_stmt *s, const char *id, struct store_image *ret)
{
    bool row;
    RETURN_IF_ERROR(db_step(s, &row));
    return row ? read_image(s, ret) : error_new(ERROR_NOT_FOUND, "image %s", id);
}

struct error *store_image_get(struct db_tx *tx, const char *account, const char *id, struct store_image *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(
        tx, &s, COLUMNS "WHERE id = ?1 AND (account_id = ?2 OR public) AND state <> 'deregistered'", "tt", id, account));
    return read_one(s, id, ret);
}

struct error *store_image_find(struct db_tx *tx, const char *id, struct store_image *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, COLUMNS "WHERE id = ?", "t", id));
    return read_one(s, id, ret);
}

struct error *store_image_list(struct db_tx *tx, const char *account, store_images *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(
        tx, &s, COLUMNS "WHERE (account_id = ?1 OR public) AND state <> 'deregistered' ORDER BY id", "t", account));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        RETURN_IF_ERROR(read_image(s, array_add(ret)));
    }
}

struct error *store_image_insert(struct db_tx *tx, const struct store_image *i, int64_t now)
{
    return db_exec(tx,
                   "INSERT INTO image (id, account_id, name, description, architecture, state, public, "
                   "created_ms, source_bucket, source_key, sealed_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   "ttttttuittb", i->id.text, i->account.text, i->name, i->description, i->architecture, i->state,
                   (uint64_t)i->public, now, i->source_bucket, i->source_key, i->sealed_key,
                   i->sealed_len);
}

struct error *store_image_deregister(struct db_tx *tx, const char *account, const char *id)
{
    RETURN_IF_ERROR(db_exec(tx,
                            "UPDATE image SET state = 'deregistered', name = id, taken_by = NULL WHERE id = ?1 AND "
                            "account_id = ?2 AND state <> 'deregistered'",
                            "tt", id, account));
    return db_changes(tx) ? NULL : error_new(ERROR_NOT_FOUND, "image %s", id);
}

struct error *store_image_publish(struct db_tx *tx, const char *id)
{
    RETURN_IF_ERROR(db_exec(tx, "UPDATE image SET public = 1 WHERE id = ?1 AND state <> 'deregistered'", "t", id));
    return db_changes(tx) ? NULL : error_new(ERROR_NOT_FOUND, "image %s", id);
}
