/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

struct error *store_token_get(struct db_tx *tx, const char *account, const char *token, const void *request,
                              size_t len, struct id *ret_reservation, bool *ret_same)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(
        tx, &s, "SELECT request, reservation_id FROM client_token WHERE account_id = ? AND token = ?", "tt",
        account, token));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "client token");
    size_t had;
    const void *before = db_col_blob(s, 0, &had);
    *ret_same = had == len && memcmp(before, request, len) == 0;
    *ret_reservation = db_col_id(s, 1);
    return NULL;
}

struct error *store_token_put(struct db_tx *tx, const char *account, const char *token, const void *request,
                              size_t len, const char *reservation, int64_t now)
{
    return db_exec(tx,
                   "INSERT INTO client_token (account_id, token, request, reservation_id, created_ms) "
                   "VALUES (?, ?, ?, ?, ?)",
                   "ttbti", account, token, request, len, reservation, now);
}
