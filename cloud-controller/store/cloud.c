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
