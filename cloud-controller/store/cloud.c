/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

struct error *store_cloud_identity(struct db_tx *tx, struct store_cloud *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT id, era FROM cloud WHERE one = 1", ""));
    RETURN_IF_ERROR(db_step(s, &row));
    if (row) {
        ret->id = db_col_id(s, 0);
        ret->era = db_col_u64(s, 1);
        return NULL;
    }
    ret->id = id_random("c-");
    ret->era = 1;
    return db_exec(tx, "INSERT INTO cloud (one, id, era) VALUES (1, ?, 1)", "t", ret->id.text);
}

struct error *store_cloud_restored(struct db_tx *tx, uint64_t eras, int64_t placing)
{
    static const char *const behind[] = {"DELETE FROM outbox", "DELETE FROM operation", "DELETE FROM reservation"};
    RETURN_IF_ERROR(db_exec(tx, "UPDATE cloud SET era = era + ? WHERE one = 1", "u", eras));
    if (db_changes(tx) != 1)
        return error_new(ERROR_INVALID, "it has no cloud's identity");
    for (size_t i = 0; i < ARRAY_SIZE(behind); i++)
        RETURN_IF_ERROR(db_exec(tx, behind[i], ""));
    return db_exec(tx, "UPDATE instance SET deadline_left = min(deadline_left, ?) WHERE state = ? AND wanted AND node IS NULL",
                   "iu", placing, (uint64_t)INSTANCE_PENDING);
}
