/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define COLUMNS                                                                                    \
    "instance.id, reservation, instance.account_id, zone, node, state, reason_code, reason_text, " \
    "image_id, type, key_name, launch_index, launch_ms, vpc_id, subnet_id, private_ip, mac, "      \
    "client_token, architecture, eni_id, public_ip, user_data, metadata_tokens, metadata_endpoint, " \
    "metadata_hops FROM instance JOIN instance_attribute USING (id) "

void store_instance_free(struct store_instance *i)
{
    free(i->reason_code);
    free(i->reason_text);
    free(i->key_name);
    free(i->private_ip);
    free(i->mac);
    free(i->client_token);
    free(i->architecture);
    free(i->public_ip);
    free(i->user_data);
    free(i->metadata_tokens);
    free(i->metadata_endpoint);
}

void store_members_free(store_members *members)
{
    array_each(members, m) {
        free(m->private_ip);
        free(m->mac);
    }
    array_free(members);
}

struct error *store_instance_insert(struct db_tx *tx, const struct store_instance *i)
{
    return db_exec(tx,
                   "INSERT INTO instance_attribute (id, account_id, image_id, type, key_name, launch_index, "
                   "launch_ms, vpc_id, subnet_id, private_ip, mac, client_token, architecture, eni_id, public_ip, "
                   "user_data, metadata_tokens, metadata_endpoint, metadata_hops) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   "tttttuitttttttttttu", i->id.text, i->account.text, i->image.text, i->type.text, i->key_name,
                   i->launch_index, i->launch_ms, i->vpc.text, i->subnet.text, i->private_ip, i->mac,
                   i->client_token, i->architecture, i->eni.text, i->public_ip, i->user_data, i->metadata_tokens,
                   i->metadata_endpoint, i->metadata_hops);
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
    i->eni = db_col_id(s, 19);
    i->public_ip = db_col_dup(s, 20);
    i->user_data = db_col_dup(s, 21);
    i->metadata_tokens = db_col_dup(s, 22);
    i->metadata_endpoint = db_col_dup(s, 23);
    i->metadata_hops = db_col_u64(s, 24);
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

static struct error *read_members(struct db_stmt *s, store_members *ret)
{
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        array_push(ret, ((struct store_member){db_col_id(s, 0), db_col_dup(s, 1), db_col_dup(s, 2)}));
    }
}

struct error *store_instance_of_group(struct db_tx *tx, const char *group, store_members *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT a.id, a.private_ip, a.mac FROM instance_group AS g JOIN instance_attribute AS a ON "
                             "a.id = g.instance_id WHERE g.group_id = ? ORDER BY a.id",
                             "t", group));
    return read_members(s, ret);
}

struct error *store_instance_of_subnet(struct db_tx *tx, const char *subnet, store_members *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT a.id, a.private_ip, a.mac FROM address AS d JOIN instance_attribute AS a ON "
                             "a.id = d.instance_id WHERE d.subnet_id = ? ORDER BY a.id",
                             "t", subnet));
    return read_members(s, ret);
}
