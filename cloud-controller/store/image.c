/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

void store_image_free(struct store_image *i)
{
    free(i->name);
    free(i->description);
    free(i->architecture);
    free(i->state);
    free(i->disk_name);
}

struct error *store_image_get(struct db_tx *tx, const char *account, const char *id, struct store_image *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT id, account_id, name, description, architecture, state, disk_name, public, "
                             "created_ms FROM image WHERE id = ?1 AND (account_id = ?2 OR public)",
                             "tt", id, account));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "image %s", id);
    *ret = (struct store_image){
        .id = db_col_id(s, 0),
        .account = db_col_id(s, 1),
        .name = db_col_dup(s, 2),
        .description = db_col_dup(s, 3),
        .architecture = db_col_dup(s, 4),
        .state = db_col_dup(s, 5),
        .disk_name = db_col_dup(s, 6),
        .public = db_col_i64(s, 7) != 0,
        .created_ms = db_col_i64(s, 8),
    };
    return NULL;
}

struct error *store_image_seed(struct db_tx *tx, const struct store_image *i, int64_t now)
{
    return db_exec(tx,
                   "INSERT INTO image (id, account_id, name, description, architecture, state, public, "
                   "disk_name, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                   "ttttttuti", i->id.text, i->account.text, i->name, i->description, i->architecture,
                   i->state, (uint64_t)i->public, i->disk_name, now);
}
