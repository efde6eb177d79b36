/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/index.h"
#include "common/base/clock.h"
#include "object-store/s3-error.h"

static struct error *not_there(const struct error_code *code)
{
    return error_new_code(code, "%s", code->message);
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from ? from : "", size - 1);
    memcpy(to, from ? from : "", len);
    to[len] = 0;
}

static void bucket_of_row(struct db_stmt *s, struct bucket *ret)
{
    ret->id = db_col_i64(s, 0);
    copy_text(ret->name, sizeof ret->name, db_col_text(s, 1));
    copy_text(ret->account, sizeof ret->account, db_col_text(s, 2));
    ret->created = db_col_i64(s, 3);
}

struct error *index_bucket(struct db_tx *tx, const char *name, struct bucket *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT id, name, account_id, created FROM bucket WHERE name = ?", "t", name));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return not_there(&S3_NO_BUCKET);
    bucket_of_row(s, ret);
    return NULL;
}

struct error *index_bucket_make(struct db_tx *tx, const char *name, const char *account, int64_t now)
{
    struct bucket old;
    struct error *e = index_bucket(tx, name, &old);
    if (!e)
        return not_there(streq(old.account, account) ? &S3_BUCKET_YOURS : &S3_BUCKET_EXISTS);
    if (!error_is(e, &S3_NO_BUCKET))
        return e;
    error_free(e);
    return db_exec(tx, "INSERT INTO bucket (name, account_id, created) VALUES (?, ?, ?)", "tti", name, account, now);
}

static struct error *any_row(struct db_tx *tx, const char *sql, int64_t id, bool *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, sql, "i", id));
    return db_step(s, ret);
}

struct error *index_bucket_remove(struct db_tx *tx, const struct bucket *b)
{
    bool object = false, upload = false;
    RETURN_IF_ERROR(any_row(tx, "SELECT 1 FROM object WHERE bucket_id = ? LIMIT 1", b->id, &object));
    RETURN_IF_ERROR(any_row(tx, "SELECT 1 FROM upload WHERE bucket_id = ? LIMIT 1", b->id, &upload));
    if (object || upload)
        return not_there(&S3_BUCKET_NOT_EMPTY);
    return db_exec(tx, "DELETE FROM bucket WHERE id = ?", "i", b->id);
}

struct error *index_buckets(struct db_tx *tx, const char *account,
                            void (*each)(void *arg, const struct bucket *b), void *arg)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT id, name, account_id, created FROM bucket WHERE account_id = ? ORDER BY name",
                             "t", account));
    for (;;) {
        struct bucket b;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        bucket_of_row(s, &b);
        each(arg, &b);
    }
}

void object_free(struct object *o)
{
    array_each (&o->segments, s) {
        free(s->crcs);
        free(s->file);
        free(s->bytes);
    }
    array_free(&o->segments);
    free(o->detail);
    memset(o, 0, sizeof *o);
}

static unsigned char *dup_blob(struct db_stmt *s, int column, size_t *ret_len)
{
    const void *data = db_col_blob(s, column, ret_len);
    unsigned char *own = xcalloc(1, *ret_len + 1);
    if (*ret_len)
        memcpy(own, data, *ret_len);
    return own;
}

static struct error *load_segments(struct db_tx *tx, struct object *o)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT d.id, d.size, d.crcs, d.file, d.bytes FROM object_segment g "
                                     "JOIN data d ON d.id = g.data_id WHERE g.object_id = ? ORDER BY g.seq",
                             "i", o->id));
    for (;;) {
        size_t len = 0;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        struct segment *g = array_add(&o->segments);
        g->data_id = db_col_i64(s, 0);
        g->size = db_col_u64(s, 1);
        g->crcs = dup_blob(s, 2, &g->crcs_len);
        g->file = db_col_dup(s, 3);
        g->bytes = g->file ? NULL : dup_blob(s, 4, &len);
    }
}

struct error *index_object(struct db_tx *tx, int64_t bucket, struct key key, bool whole,
                           struct object *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT o.id, o.size, o.etag, o.modified, d.detail FROM object o "
                                     "JOIN object_detail d ON d.id = o.id WHERE o.bucket_id = ? AND o.key = ?",
                             "ib", bucket, (const void *)key.data, key.len));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return not_there(&S3_NO_KEY);
    ret->id = db_col_i64(s, 0);
    ret->size = db_col_u64(s, 1);
    copy_text(ret->etag, sizeof ret->etag, db_col_text(s, 2));
    ret->modified = db_col_i64(s, 3);
    free(ret->detail);
    ret->detail = db_col_dup(s, 4);
    return whole ? load_segments(tx, ret) : NULL;
}

struct error *index_data_add(struct db_tx *tx, const struct received *d, int64_t *ret_id)
{
    if (d->file)
        RETURN_IF_ERROR(db_exec(tx, "INSERT INTO data (size, crcs, file) VALUES (?, ?, ?)", "ubt", d->size,
                                (const void *)d->crcs, d->crcs_len, d->file));
    else
        RETURN_IF_ERROR(db_exec(tx, "INSERT INTO data (size, crcs, bytes) VALUES (?, ?, ?)", "ubb", d->size,
                                (const void *)d->crcs, d->crcs_len, (const void *)d->bytes, (size_t)d->size));
    *ret_id = db_last_id(tx);
    return NULL;
}

struct error *index_data_share(struct db_tx *tx, int64_t id)
{
    return db_exec(tx, "UPDATE data SET refs = refs + 1 WHERE id = ?", "i", id);
}

/* One owner less; the last one takes the row along, and its file becomes garbage. */
static struct error *drop_data(struct db_tx *tx, int64_t id)
{
    RETURN_IF_ERROR(db_exec(tx, "UPDATE data SET refs = refs - 1 WHERE id = ?", "i", id));
    RETURN_IF_ERROR(db_exec(tx, "INSERT OR IGNORE INTO garbage (file, since) SELECT file, ? FROM data "
                                "WHERE id = ? AND refs = 0 AND file IS NOT NULL",
                            "ii", clock_wall_ms(), id));
    return db_exec(tx, "DELETE FROM data WHERE id = ? AND refs = 0", "i", id);
}

typedef ARRAY(int64_t) ids;

static struct error *ids_of(struct db_tx *tx, const char *sql, const char *format, const char *text,
                            int64_t number, void *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    struct {
        int64_t *data;
        size_t len, cap;
    } *list = ret;
    bool row = false;
    if (streq(format, "t"))
        RETURN_IF_ERROR(db_query(tx, &s, sql, "t", text));
    else
        RETURN_IF_ERROR(db_query(tx, &s, sql, "i", number));
    for (;;) {
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        array_push(list, db_col_i64(s, 0));
    }
}

static struct error *drop_all(struct db_tx *tx, const int64_t *list, size_t len)
{
    for (size_t i = 0; i < len; i++)
        RETURN_IF_ERROR(drop_data(tx, list[i]));
    return NULL;
}

static void ids_free(ids *list)
{
    array_free(list);
}

static struct error *drop_object(struct db_tx *tx, int64_t id)
{
    _cleanup_(ids_free) ids data = {0};
    RETURN_IF_ERROR(ids_of(tx, "SELECT data_id FROM object_segment WHERE object_id = ?", "i", NULL, id, &data));
    RETURN_IF_ERROR(drop_all(tx, data.data, data.len));
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM object_segment WHERE object_id = ?", "i", id));
    return db_exec(tx, "DELETE FROM object_detail WHERE id = ?", "i", id);
}

struct error *index_object_remove(struct db_tx *tx, int64_t bucket, struct key key)
{
    uint64_t id = 0;
    struct error *e = db_query_u64(tx, &id, "SELECT id FROM object WHERE bucket_id = ? AND key = ?", "ib",
                                   bucket, (const void *)key.data, key.len);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        return NULL;
    }
    if (e)
        return e;
    RETURN_IF_ERROR(drop_object(tx, (int64_t)id));
    return db_exec(tx, "DELETE FROM object WHERE bucket_id = ? AND key = ?", "ib", bucket,
                   (const void *)key.data, key.len);
}

struct error *index_object_put(struct db_tx *tx, int64_t bucket, struct key key,
                               const struct new_object *o)
{
    RETURN_IF_ERROR(index_object_remove(tx, bucket, key));
    RETURN_IF_ERROR(db_exec(tx, "INSERT INTO object_detail (detail) VALUES (?)", "t", o->detail));
    int64_t id = db_last_id(tx);
    for (size_t i = 0; i < o->data_len; i++)
        RETURN_IF_ERROR(db_exec(tx, "INSERT INTO object_segment (object_id, seq, data_id) VALUES (?, ?, ?)",
                                "iii", id, (int64_t)i, o->data[i]));
    return db_exec(tx, "INSERT INTO object (bucket_id, key, id, size, etag, modified) VALUES (?, ?, ?, ?, ?, ?)",
                   "ibiuti", bucket, (const void *)key.data, key.len, id, o->size, o->etag, o->modified);
}

struct error *index_list(struct db_tx *tx, int64_t bucket, struct key after, bool from, struct key end,
                         bool (*each)(void *arg, const struct listed *l), void *arg)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    const void *a = after.len ? after.data : "", *b = end.len ? end.data : "";
    bool row = false;
    if (from)
        RETURN_IF_ERROR(db_query(tx, &s, "SELECT key, size, etag, modified FROM object WHERE bucket_id = ? AND key >= ? "
                                         "AND (? = 0 OR key < ?) ORDER BY key",
                                 "ibib", bucket, a, after.len, (int64_t)end.len, b, end.len));
    else
        RETURN_IF_ERROR(db_query(tx, &s, "SELECT key, size, etag, modified FROM object WHERE bucket_id = ? AND key > ? "
                                         "AND (? = 0 OR key < ?) ORDER BY key",
                                 "ibib", bucket, a, after.len, (int64_t)end.len, b, end.len));
    for (;;) {
        struct listed l;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        l.key.data = db_col_blob(s, 0, &l.key.len);
        l.size = db_col_u64(s, 1);
        l.etag = db_col_text(s, 2);
        l.modified = db_col_i64(s, 3);
        if (!each(arg, &l))
            return NULL;
    }
}

void upload_free(struct upload *u)
{
    free(u->key);
    free(u->detail);
    memset(u, 0, sizeof *u);
}

struct error *index_upload_make(struct db_tx *tx, int64_t bucket, struct key key, const char *id,
                                const char *account, int64_t now, const char *detail)
{
    return db_exec(tx, "INSERT INTO upload (id, bucket_id, key, account_id, started, detail) VALUES (?, ?, ?, ?, ?, ?)",
                   "tibtit", id, bucket, (const void *)key.data, key.len, account, now, detail);
}

struct error *index_upload(struct db_tx *tx, int64_t bucket, struct key key, const char *id,
                           struct upload *ret)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT started, detail FROM upload WHERE id = ? AND bucket_id = ? AND key = ?",
                             "tib", id, bucket, (const void *)key.data, key.len));
    RETURN_IF_ERROR(db_step(s, &row));
    if (!row)
        return not_there(&S3_NO_UPLOAD);
    upload_free(ret);
    ret->bucket = bucket;
    ret->started = db_col_i64(s, 0);
    ret->detail = db_col_dup(s, 1);
    copy_text(ret->id, sizeof ret->id, id);
    ret->key = xmemdup(key.data, key.len);
    ret->key_len = key.len;
    return NULL;
}

struct error *index_uploads(struct db_tx *tx, int64_t bucket, struct key after, const char *after_id,
                            bool (*each)(void *arg, const struct upload *u), void *arg)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT id, key, started FROM upload WHERE bucket_id = ? AND "
                                     "(key > ? OR (key = ? AND id > ?)) ORDER BY key, id",
                             "ibbt", bucket, (const void *)after.data, after.len, (const void *)after.data,
                             after.len, after_id));
    for (bool more = true; more;) {
        _cleanup_(upload_free) struct upload u = {.bucket = bucket};
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        copy_text(u.id, sizeof u.id, db_col_text(s, 0));
        u.key = (char *)dup_blob(s, 1, &u.key_len);
        u.started = db_col_i64(s, 2);
        more = each(arg, &u);
    }
    return NULL;
}

struct error *index_part_put(struct db_tx *tx, const char *upload, const struct part *p)
{
    uint64_t old = 0;
    struct error *e = db_query_u64(tx, &old, "SELECT data_id FROM part WHERE upload_id = ? AND number = ?", "ti",
                                   upload, p->number);
    if (!e)
        RETURN_IF_ERROR(drop_data(tx, (int64_t)old));
    else if (!error_is(e, &ERROR_NOT_FOUND))
        return e;
    error_free(e);
    return db_exec(tx, "INSERT OR REPLACE INTO part (upload_id, number, data_id, size, etag, modified, checksum) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "tiiutit", upload, p->number, p->data_id, p->size, p->etag, p->modified, p->checksum);
}

struct error *index_parts(struct db_tx *tx, const char *upload, int64_t after,
                          bool (*each)(void *arg, const struct part *p), void *arg)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT number, data_id, size, etag, modified, checksum FROM part "
                                     "WHERE upload_id = ? AND number > ? ORDER BY number",
                             "ti", upload, after));
    for (bool more = true; more;) {
        struct part p = {0};
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        p.number = db_col_i64(s, 0);
        p.data_id = db_col_i64(s, 1);
        p.size = db_col_u64(s, 2);
        copy_text(p.etag, sizeof p.etag, db_col_text(s, 3));
        p.modified = db_col_i64(s, 4);
        p.checksum = db_col_text(s, 5);
        more = each(arg, &p);
    }
    return NULL;
}

struct error *index_upload_remove(struct db_tx *tx, const char *id, const int64_t *keep, size_t keep_len)
{
    _cleanup_(ids_free) ids data = {0};
    for (size_t i = 0; i < keep_len; i++)
        RETURN_IF_ERROR(db_exec(tx, "DELETE FROM part WHERE upload_id = ? AND number = ?", "ti", id, keep[i]));
    RETURN_IF_ERROR(ids_of(tx, "SELECT data_id FROM part WHERE upload_id = ?", "t", id, 0, &data));
    RETURN_IF_ERROR(drop_all(tx, data.data, data.len));
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM part WHERE upload_id = ?", "t", id));
    return db_exec(tx, "DELETE FROM upload WHERE id = ?", "t", id);
}

struct error *index_has_file(struct db_tx *tx, const char *file, bool *ret)
{
    uint64_t one = 0;
    struct error *e = db_query_u64(tx, &one, "SELECT 1 FROM data WHERE file = ?", "t", file);
    *ret = e == NULL;
    if (e && !error_is(e, &ERROR_NOT_FOUND))
        return e;
    error_free(e);
    return NULL;
}

struct error *index_garbage(struct db_tx *tx, int64_t before, size_t max,
                            void (*each)(void *arg, const char *file), void *arg)
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    bool row = false;
    RETURN_IF_ERROR(db_query(tx, &s, "SELECT file FROM garbage WHERE since < ? LIMIT ?", "iu", before, (uint64_t)max));
    for (;;) {
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        each(arg, db_col_text(s, 0));
    }
}

struct error *index_garbage_forget(struct db_tx *tx, const char *file)
{
    return db_exec(tx, "DELETE FROM garbage WHERE file = ?", "t", file);
}
