/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

struct error *store_type_list(struct db_tx *tx, store_types *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(
        tx, &s, "SELECT name, vcpus, memory_mib, disk_gib FROM instance_type ORDER BY ordinal", ""));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        struct store_type *t = array_add(ret);
        t->name = db_col_id(s, 0);
        t->size = (struct size){db_col_u64(s, 1), db_col_u64(s, 2), db_col_u64(s, 3)};
    }
}
