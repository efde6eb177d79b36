/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DB_MIGRATE_H
#define COMMON_DB_MIGRATE_H
/* Between the files of common/db only. */
#include "common/db/conn.h"
#include "common/db/db.h"

/* Applies what lacks, each migration in one transaction; the number applied is the file's user_version. */
struct error *migrate(struct db_tx *c, const struct db_options *o) _must_check_;
/* The same for a file that is a copy itself: it must have a schema, and none is kept of before. */
struct error *migrate_present(struct db_tx *c, const struct db_options *o) _must_check_;
#endif
