/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/db/migrate.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/file/file.h"

static struct error *copy_before(struct db_tx *c, const char *path, size_t number)
{
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        return conn_error(c, rc, "checkpoint");
    _cleanup_free_ char *to = xasprintf("%s.before-%zu", path, number);
    _cleanup_free_ char *part = xasprintf("%s.tmp", to);
    unlink(part);
    RETURN_IF_ERROR(file_copy_durable(path, part));
    if (rename(part, to) < 0)
        return error_errno(errno, "renaming %s", part);
    log_info("database %s: copied to %s before its migration", path, to);
    return NULL;
}

static struct error *apply(struct db_tx *c, const struct db_migration *m, size_t number)
{
    _cleanup_free_ char *version = xasprintf("PRAGMA user_version=%zu", number);
    RETURN_IF_ERROR(conn_run(c, "BEGIN IMMEDIATE"));
    struct error *e = conn_run(c, m->sql);
    if (!e)
        e = conn_run(c, version);
    if (!e)
        e = conn_run(c, "COMMIT");
    if (e && !sqlite3_get_autocommit(c->db))
        error_ignore(conn_run(c, "ROLLBACK"));
    return error_wrap(e, "migration %s", m->name);
}

static struct error *schema_of(struct db_tx *c, const struct db_options *o, uint64_t *ret)
{
    RETURN_IF_ERROR(db_query_u64(c, ret, "PRAGMA user_version", ""));
    if (*ret > o->migrations_len)
        return error_new(ERROR_INVALID, "%s has schema %llu, this program knows %zu: it is of a newer version",
                         o->path, (unsigned long long)*ret, o->migrations_len);
    return NULL;
}

static struct error *apply_from(struct db_tx *c, const struct db_options *o, uint64_t have)
{
    for (size_t i = (size_t)have; i < o->migrations_len; i++)
        RETURN_IF_ERROR(apply(c, &o->migrations[i], i + 1));
    return NULL;
}

struct error *migrate(struct db_tx *c, const struct db_options *o)
{
    uint64_t have = 0;
    RETURN_IF_ERROR(schema_of(c, o, &have));
    if (have && have < o->migrations_len)
        RETURN_IF_ERROR(copy_before(c, o->path, (size_t)have + 1));
    return apply_from(c, o, have);
}

struct error *migrate_present(struct db_tx *c, const struct db_options *o)
{
    uint64_t have = 0;
    RETURN_IF_ERROR(schema_of(c, o, &have));
    if (!have)
        return error_new(ERROR_INVALID, "it has no schema");
    return apply_from(c, o, have);
}
