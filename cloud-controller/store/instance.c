/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define COLUMNS                                                                                    \
    "instance.id, reservation, instance.account_id, zone, node, state, reason_code, reason_text, " \
    "image_id, type, key_name, launch_index, launch_ms, vpc_id, subnet_id, private_ip, mac, "      \
    "client_token, architecture FROM instance JOIN instance_attribute USING (id) "

void store_instance_free(struct store_instance *i)
{
    free(i->reason_code);
    free(i->reason_text);
    free(i->key_name);
    free(i->private_ip);
    free(i->mac);
    free(i->client_token);
    free(i->architecture);
}

struct error *store_instance_insert(struct db_tx *tx, const struct store_instance *i)
{
    return db_exec(tx,
                   "INSERT INTO instance_attribute (id, account_id, image_id, type, key_name, launch_index, "
                   "launch_ms, vpc_id, subnet_id, private_ip, mac, client_token, architecture) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   "tttttuitttttt", i->id.text, i->account.text, i->image.text, i->type.text, i->key_name,
                   i->launch_index, i->launch_ms, i->vpc.text, i->subnet.text, i->private_ip, i->mac,
                   i->client_token, i->architecture);
}

static void read_row(struct db_stmt *s, struct store_instance *i)
{
    i->id = db_col_id(s, 0);
    i->reservation = db_col_id(s, 1);
    i->account = db_col_id(s, 2);
    i->zone = db_col_id(s, 3);
    i->node = db_col_id(s, 4);
    i->state = (int)db_col_i64(s, 5);
    i->reason_code = db_col_dup(s, 6);
    i->reason_text = db_col_dup(s, 7);
    i->image = db_col_id(s, 8);
    i->type = db_col_id(s, 9);
    i->key_name = db_col_dup(s, 10);
    i->launch_index = db_col_u64(s, 11);
    i->launch_ms = db_col_i64(s, 12);
    i->vpc = db_col_id(s, 13);
    i->subnet = db_col_id(s, 14);
    i->private_ip = db_col_dup(s, 15);
    i->mac = db_col_dup(s, 16);
    i->client_token = db_col_dup(s, 17);
    i->architecture = db_col_dup(s, 18);
}

static struct error *read_rows(struct db_stmt *s, store_instances *ret)
{
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        read_row(s, array_add(ret));
    }
}

struct error *store_instance_page(struct db_tx *tx, const char *account, const char *after, size_t limit,
                                  store_instances *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT " COLUMNS "WHERE instance.account_id = ? AND instance.id > ? "
                             "ORDER BY instance.id LIMIT ?",
                             "ttu", account, after, (uint64_t)limit));
    return read_rows(s, ret);
}

struct error *store_instance_get(struct db_tx *tx, const char *account, const char *id, store_instances *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    size_t before = ret->len;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT " COLUMNS "WHERE instance.id = ? AND instance.account_id = ?", "tt",
                             id, account));
    RETURN_IF_ERROR(read_rows(s, ret));
    return ret->len > before ? NULL : error_new(ERROR_NOT_FOUND, "instance %s", id);
}

struct error *store_instance_of_reservation(struct db_tx *tx, const char *account, const char *reservation,
                                            store_instances *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT " COLUMNS "WHERE instance.account_id = ? AND reservation = ? "
                             "ORDER BY launch_index",
                             "tt", account, reservation));
    return read_rows(s, ret);
}

struct error *store_instance_count(struct db_tx *tx, const char *account, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM instance WHERE account_id = ? AND wanted", "t", account);
}
