/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"
#include "common/base/str.h"

/* The default VPC of every account, and a /20 of it for each zone. */
#define VPC_CIDR "172.31.0.0/16"
#define COLUMNS  "SELECT id, account_id, vpc_id, zone, first_address, prefix, vni, is_default FROM subnet "
#define VNI_FIRST 1001
#define VNI_MAX ((1u << 24) - 1)
#define VPC_FIRST ((172u << 24) | (31u << 16))
#define SUBNET_PREFIX 20
#define REST_MS 60000
#define RESERVED_LOW 4 /* network, gateway, two for services: as EC2 keeps them */

static struct error *ensure_vpc(struct db_tx *tx, const char *account, struct id *ret)
{
    struct id fresh = id_random("vpc-");
    RETURN_IF_ERROR(db_exec(tx,
                            "INSERT INTO vpc (id, account_id, cidr, is_default) SELECT ?1, ?2, ?3, 1 "
                            "WHERE NOT EXISTS (SELECT 1 FROM vpc WHERE account_id = ?2 AND is_default)",
                            "ttt", fresh.text, account, VPC_CIDR));
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT id FROM vpc WHERE account_id = ? AND is_default", "t", account));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_INTERNAL, "account %s has no default VPC", account);
    *ret = db_col_id(s, 0);
    return NULL;
}

static struct error *ensure_subnet(struct db_tx *tx, const char *account, const struct id *vpc,
                                   const char *zone, uint64_t ordinal)
{
    struct id fresh = id_random("subnet-");
    uint64_t vni = 0;
    RETURN_IF_ERROR(db_query_u64(tx, &vni, "SELECT max(ifnull(max(vni) + 1, 0), ?) FROM subnet", "u",
                                 (uint64_t)VNI_FIRST));
    if (vni > VNI_MAX)
        return error_new(ERROR_INTERNAL, "there is no number for another subnet");
    uint64_t first = VPC_FIRST + (ordinal << (32 - SUBNET_PREFIX));
    return db_exec(tx,
                   "INSERT INTO subnet (id, account_id, vpc_id, zone, first_address, prefix, vni, is_default) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING",
                   "ttttuuu", fresh.text, account, vpc->text, zone, first, (uint64_t)SUBNET_PREFIX, vni);
}

struct error *store_network_ensure(struct db_tx *tx, const char *account)
{
    struct id vpc;
    RETURN_IF_ERROR(ensure_vpc(tx, account, &vpc));
    RETURN_IF_ERROR(store_group_default_ensure(tx, account, vpc.text));
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT id, ordinal FROM zone WHERE NOT EXISTS (SELECT 1 FROM subnet WHERE "
                             "account_id = ?1 AND subnet.zone = zone.id AND is_default) LIMIT 16",
                             "t", account));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        RETURN_IF_ERROR(ensure_subnet(tx, account, &vpc, db_col_text(s, 0), db_col_u64(s, 1)));
    }
}

static void subnet_of_row(struct db_stmt *s, struct store_subnet *ret)
{
    ret->id = db_col_id(s, 0);
    ret->account = db_col_id(s, 1);
    ret->vpc = db_col_id(s, 2);
    ret->zone = db_col_id(s, 3);
    ret->first = (uint32_t)db_col_u64(s, 4);
    ret->prefix = (unsigned)db_col_u64(s, 5);
    ret->vni = db_col_u64(s, 6);
    ret->is_default = db_col_i64(s, 7) != 0;
}

static struct error *read_subnet(struct db_stmt *s, const char *what, struct store_subnet *ret)
{
    bool row;
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "subnet %s", what);
    subnet_of_row(s, ret);
    return NULL;
}

struct error *store_subnet_list(struct db_tx *tx, const char *account, store_subnets *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             COLUMNS "WHERE account_id = ? ORDER BY zone, id LIMIT 1000",
                             "t", account));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        subnet_of_row(s, array_add(ret));
    }
}

void store_vpc_free(struct store_vpc *v)
{
    free(v->cidr);
}

struct error *store_vpc_list(struct db_tx *tx, const char *account, store_vpcs *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(
        tx, &s, "SELECT id, cidr, is_default FROM vpc WHERE account_id = ? ORDER BY id LIMIT 1000", "t", account));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        struct store_vpc *v = array_add(ret);
        v->id = db_col_id(s, 0);
        v->cidr = db_col_dup(s, 1);
        v->is_default = db_col_i64(s, 2) != 0;
    }
}

struct error *store_vpc_get(struct db_tx *tx, const char *account, const char *id, struct store_vpc *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row;
    RETURN_IF_ERROR(db_query(tx, &s,
                             "SELECT id, cidr, is_default FROM vpc WHERE account_id = ?1 AND "
                             "CASE WHEN ?2 IS NULL THEN is_default ELSE id = ?2 END",
                             "tt", account, id));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return error_new(ERROR_NOT_FOUND, "VPC %s", id ? id : "that is the default");
    *ret = (struct store_vpc){db_col_id(s, 0), db_col_dup(s, 1), db_col_i64(s, 2) != 0};
    return NULL;
}

struct error *store_address_count(struct db_tx *tx, const char *subnet, uint64_t *ret)
{
    return db_query_u64(tx, ret, "SELECT count(*) FROM address WHERE subnet_id = ?", "t", subnet);
}

struct error *store_subnet_default(struct db_tx *tx, const char *account, const char *zone,
                                   struct store_subnet *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             COLUMNS "WHERE account_id = ? AND zone = ? AND is_default",
                             "tt", account, zone));
    return read_subnet(s, zone, ret);
}

struct error *store_subnet_get(struct db_tx *tx, const char *account, const char *id, struct store_subnet *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s,
                             COLUMNS "WHERE account_id = ? AND id = ?",
                             "tt", account, id));
    return read_subnet(s, id, ret);
}

struct error *store_subnet_find(struct db_tx *tx, const char *id, struct store_subnet *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, COLUMNS "WHERE id = ?", "t", id));
    return read_subnet(s, id, ret);
}

/* The first address that has no row, or whose row has rested: a gap between neighbours in the primary key. */
static struct error *find_free(struct db_tx *tx, const struct store_subnet *s, int64_t now, uint64_t *ret)
{
    uint64_t low = s->first + RESERVED_LOW, high = s->first + (1ull << (32 - s->prefix)) - 2;
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM address WHERE subnet_id = ? AND instance_id IS NULL AND freed_ms <= ?",
                            "ti", s->id.text, now - REST_MS));
    struct error *e = db_query_u64(tx, ret,
                                   "SELECT ?2 WHERE NOT EXISTS (SELECT 1 FROM address WHERE subnet_id = ?1 AND "
                                   "address = ?2) UNION ALL SELECT min(a.address) + 1 FROM address a WHERE "
                                   "a.subnet_id = ?1 AND a.address >= ?2 AND a.address < ?3 AND NOT EXISTS (SELECT "
                                   "1 FROM address b WHERE b.subnet_id = ?1 AND b.address = a.address + 1) LIMIT 1",
                                   "tuu", s->id.text, low, high);
    if (!e && (*ret < low || *ret > high))
        e = error_new(ERROR_UNAVAILABLE, "subnet %s has no free address", s->id.text);
    return e;
}

struct error *store_address_take(struct db_tx *tx, const struct store_subnet *s, const char *account,
                                 const char *instance, int64_t now, uint32_t *ret)
{
    uint64_t address = 0;
    RETURN_IF_ERROR(find_free(tx, s, now, &address));
    RETURN_IF_ERROR(db_exec(tx,
                            "INSERT INTO address (subnet_id, address, account_id, instance_id) "
                            "VALUES (?, ?, ?, ?)",
                            "tutt", s->id.text, address, account, instance));
    *ret = (uint32_t)address;
    return NULL;
}

struct error *store_address_release(struct db_tx *tx, const char *instance, int64_t now)
{
    return db_exec(tx, "UPDATE address SET instance_id = NULL, freed_ms = ?2 WHERE instance_id = ?1", "ti",
                   instance, now);
}

struct error *store_address_hold(struct db_tx *tx, const char *subnet, uint32_t address, const char *instance, bool *ret)
{
    uint64_t held = 0;
    RETURN_IF_ERROR(db_exec(tx,
                            "INSERT INTO address (subnet_id, address, account_id, instance_id) SELECT id, ?2, account_id, ?3 "
                            "FROM subnet WHERE id = ?1 AND ?2 >= first_address AND ?2 < first_address + (1 << (32 - prefix)) "
                            "ON CONFLICT (subnet_id, address) DO UPDATE SET instance_id = ?3, freed_ms = NULL WHERE "
                            "instance_id IS NULL",
                            "tut", subnet, (uint64_t)address, instance));
    RETURN_IF_ERROR(db_query_u64(tx, &held,
                                 "SELECT count(*) FROM address WHERE subnet_id = ? AND address = ? AND instance_id = ?", "tut",
                                 subnet, (uint64_t)address, instance));
    *ret = held != 0;
    return NULL;
}
