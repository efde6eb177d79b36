/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

struct error *store_zone_ensure(struct db_tx *tx, const char *id, uint64_t ordinal)
{
    return error_wrap(db_exec(tx,
                              "INSERT INTO zone (id, ordinal) VALUES (?1, ?2) "
                              "ON CONFLICT (id) DO UPDATE SET ordinal = excluded.ordinal",
                              "tu", id, ordinal),
                      "zone %s", id);
}
