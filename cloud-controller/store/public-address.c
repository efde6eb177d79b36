/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

#define REST_MS 60000

/* The first address that has no row: the range's own first one, or a gap behind a neighbour in the primary key. */
static struct error *find_free(struct db_tx *tx, uint32_t first, uint32_t last, int64_t now, uint64_t *ret)
{
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM public_address WHERE instance_id IS NULL AND freed_ms <= ?", "i",
                            now - REST_MS));
    struct error *e = db_query_u64(tx, ret,
                                   "SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM public_address WHERE address = ?1) UNION "
                                   "ALL SELECT ifnull(min(a.address), ?2) + 1 FROM public_address a WHERE a.address >= "
                                   "?1 AND a.address < ?2 AND NOT EXISTS (SELECT 1 FROM public_address b WHERE "
                                   "b.address = a.address + 1) LIMIT 1",
                                   "uu", (uint64_t)first, (uint64_t)last);
    if (!e && (*ret < first || *ret > last))
        e = error_new(ERROR_UNAVAILABLE, "there is no free public address");
    return e;
}

struct error *store_public_address_take(struct db_tx *tx, uint32_t first, uint32_t last, const char *account,
                                        const char *instance, int64_t now, uint32_t *ret)
{
    uint64_t address = 0;
    RETURN_IF_ERROR(find_free(tx, first, last, now, &address));
    RETURN_IF_ERROR(db_exec(tx, "INSERT INTO public_address (address, account_id, instance_id) VALUES (?, ?, ?)", "utt",
                            address, account, instance));
    *ret = (uint32_t)address;
    return NULL;
}

struct error *store_public_address_release(struct db_tx *tx, const char *instance, int64_t now)
{
    return db_exec(tx, "UPDATE public_address SET instance_id = NULL, freed_ms = ?2 WHERE instance_id = ?1", "ti",
                   instance, now);
}

struct error *store_public_address_hold(struct db_tx *tx, uint32_t address, const char *subnet, const char *instance, bool *ret)
{
    uint64_t held = 0;
    RETURN_IF_ERROR(db_exec(tx,
                            "INSERT INTO public_address (address, account_id, instance_id) SELECT ?1, account_id, ?3 FROM "
                            "subnet WHERE id = ?2 ON CONFLICT (address) DO UPDATE SET instance_id = ?3, freed_ms = NULL WHERE "
                            "instance_id IS NULL",
                            "utt", (uint64_t)address, subnet, instance));
    RETURN_IF_ERROR(db_query_u64(tx, &held, "SELECT count(*) FROM public_address WHERE address = ? AND instance_id = ?", "ut",
                                 (uint64_t)address, instance));
    *ret = held != 0;
    return NULL;
}
