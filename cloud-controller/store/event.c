/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

void store_event_free(struct store_event *e)
{
    free(e->source);
    free(e->message);
}

struct error *store_event_add(struct db_tx *tx, const char *instance, int64_t now, const char *source,
                              const char *message)
{
    return db_exec(tx,
                   "INSERT INTO instance_event (instance_id, time_ms, source, message) VALUES (?, ?, ?, ?)",
                   "titt", instance, now, source, message);
}

struct error *store_event_list(struct db_tx *tx, const char *instance, store_events *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT time_ms, source, message FROM instance_event WHERE instance_id = ? "
                             "ORDER BY seq LIMIT 1000",
                             "t", instance));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        struct store_event *e = array_add(ret);
        e->time_ms = db_col_i64(s, 0);
        e->source = db_col_dup(s, 1);
        e->message = db_col_dup(s, 2);
    }
}
