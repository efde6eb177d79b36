/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define SILENCE_MS 60000

static struct error *find_job(struct db_tx *tx, const char *service, int64_t now, struct id *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT id FROM image WHERE (state = 'pending' OR (state = 'deregistered' AND NOT EXISTS "
                             "(SELECT 1 FROM instance_attribute AS a JOIN instance AS i ON i.id = a.id WHERE "
                             "a.image_id = image.id AND (i.wanted OR i.held)))) AND sealed_key IS NOT NULL AND "
                             "(taken_by IS NULL OR taken_by = ?1 OR taken_ms < ?2) ORDER BY created_ms, id LIMIT 1",
                             "ti", service, now - SILENCE_MS));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "image job");
    *ret = db_col_id(s, 0);
    return NULL;
}

struct error *store_image_job_take(struct db_tx *tx, const char *service, int64_t now, struct store_image *ret)
{
    struct id id;
    RETURN_IF_ERROR(find_job(tx, service, now, &id));
    RETURN_IF_ERROR(
        db_exec(tx, "UPDATE image SET taken_by = ?2, taken_ms = ?3 WHERE id = ?1", "tti", id.text, service, now));
    return store_image_find(tx, id.text, ret);
}

struct error *store_image_job_progress(struct db_tx *tx, const char *service, const char *id, uint64_t percent,
                                       int64_t now, bool *ret_go_on)
{
    RETURN_IF_ERROR(db_exec(tx, "UPDATE image SET progress = ?3, taken_ms = ?4 WHERE id = ?1 AND taken_by = ?2",
                            "ttui", id, service, percent, now));
    *ret_go_on = db_changes(tx) != 0;
    return NULL;
}

struct error *store_image_job_done(struct db_tx *tx, const char *service, const char *id, uint64_t disk_bytes)
{
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM image WHERE id = ?1 AND taken_by = ?2 AND state = 'deregistered'", "tt", id,
                            service));
    return db_exec(tx,
                   "UPDATE image SET state = 'available', progress = 100, disk_bytes = ?3, taken_by = NULL WHERE "
                   "id = ?1 AND taken_by = ?2 AND state = 'pending'",
                   "ttu", id, service, disk_bytes);
}

struct error *store_image_job_failed(struct db_tx *tx, const char *service, const char *id, const char *reason)
{
    return db_exec(tx,
                   "UPDATE image SET state = 'failed', reason = ?3, taken_by = NULL WHERE id = ?1 AND taken_by = ?2 "
                   "AND state = 'pending'",
                   "ttt", id, service, reason);
}

struct error *store_image_job_may_run(struct db_tx *tx, const char *id, bool *ret)
{
    uint64_t count = 0;
    RETURN_IF_ERROR(db_query_u64(
        tx, &count, "SELECT count(*) FROM image WHERE id = ? AND state IN ('pending', 'deregistered')", "t", id));
    *ret = count != 0;
    return NULL;
}

struct error *store_image_there(struct db_tx *tx, const char *id, bool *ret)
{
    uint64_t count = 0;
    RETURN_IF_ERROR(db_query_u64(tx, &count, "SELECT count(*) FROM image WHERE id = ?", "t", id));
    *ret = count != 0;
    return NULL;
}
