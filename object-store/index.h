/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_INDEX_H
#define OBJECT_STORE_INDEX_H
/* All SQL of the store.  Every function runs inside a transaction (db_read() or db_write()) and says S3's own errors for
 * what it does not find. */
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/db/db.h"
#include "object-store/receiver.h"

struct key {
    const char *data;
    size_t len;
};

struct bucket {
    int64_t id, created;
    char account[40];
    char name[64];
};

struct error *index_bucket(struct db_tx *tx, const char *name, struct bucket *ret) _must_check_;
/* Fails with S3_BUCKET_EXISTS or S3_BUCKET_YOURS. */
struct error *index_bucket_make(struct db_tx *tx, const char *name, const char *account, int64_t now) _must_check_;
struct error *index_bucket_remove(struct db_tx *tx, const struct bucket *b) _must_check_;
struct error *index_buckets(struct db_tx *tx, const char *account,
                            void (*each)(void *arg, const struct bucket *b), void *arg) _must_check_;

struct segment {
    int64_t data_id;
    uint64_t size;
    unsigned char *crcs;
    size_t crcs_len;
    char *file;           /* NULL: in `bytes` */
    unsigned char *bytes;
};

struct object {
    int64_t id, modified;
    uint64_t size;
    char etag[64];  /* without quotes */
    char *detail;   /* JSON */
    ARRAY(struct segment) segments;
};
void object_free(struct object *o);
/* Without `segments` and `detail` where not asked for. S3_NO_KEY. */
struct error *index_object(struct db_tx *tx, int64_t bucket, struct key key, bool whole,
                           struct object *ret) _must_check_;

/* A row for received bytes; they get their owner with index_object_put() or index_part_put(). */
struct error *index_data_add(struct db_tx *tx, const struct received *d, int64_t *ret_id) _must_check_;
/* One more owner of the same bytes. */
struct error *index_data_share(struct db_tx *tx, int64_t id) _must_check_;

struct new_object {
    uint64_t size;
    const char *etag, *detail;
    int64_t modified;
    const int64_t *data;
    size_t data_len;
};
/* Puts the object in place of what is there; data rows change hands. */
struct error *index_object_put(struct db_tx *tx, int64_t bucket, struct key key,
                               const struct new_object *o) _must_check_;
/* No object of that key is well, too. */
struct error *index_object_remove(struct db_tx *tx, int64_t bucket, struct key key) _must_check_;

struct listed {
    struct key key;
    uint64_t size;
    const char *etag;
    int64_t modified;
};
/* Keys > `after` (or >= with `from`), < `end` (len 0: no end) in order; stops when `each` returns false. */
struct error *index_list(struct db_tx *tx, int64_t bucket, struct key after, bool from, struct key end,
                         bool (*each)(void *arg, const struct listed *l), void *arg) _must_check_;

struct upload {
    int64_t bucket, started;
    char id[40];
    char *key;
    size_t key_len;
    char *detail;
};
void upload_free(struct upload *u);
struct error *index_upload_make(struct db_tx *tx, int64_t bucket, struct key key, const char *id,
                                const char *account, int64_t now, const char *detail) _must_check_;
/* S3_NO_UPLOAD also where bucket or key differ. */
struct error *index_upload(struct db_tx *tx, int64_t bucket, struct key key, const char *id,
                           struct upload *ret) _must_check_;
struct error *index_uploads(struct db_tx *tx, int64_t bucket, struct key after, const char *after_id,
                            bool (*each)(void *arg, const struct upload *u), void *arg) _must_check_;

struct part {
    int64_t number, data_id, modified;
    uint64_t size;
    char etag[64];
    const char *checksum; /* JSON; borrowed */
};
struct error *index_part_put(struct db_tx *tx, const char *upload, const struct part *p) _must_check_;
/* Parts numbered above `after`, in order. */
struct error *index_parts(struct db_tx *tx, const char *upload, int64_t after,
                          bool (*each)(void *arg, const struct part *p), void *arg) _must_check_;
/* Removes the upload; its parts' data goes, but for those that were handed over (`keep`: part numbers, sorted). */
struct error *index_upload_remove(struct db_tx *tx, const char *id, const int64_t *keep, size_t keep_len) _must_check_;

/* True where a data row names the file. */
struct error *index_has_file(struct db_tx *tx, const char *file, bool *ret) _must_check_;
struct error *index_garbage(struct db_tx *tx, int64_t before, size_t max,
                            void (*each)(void *arg, const char *file), void *arg) _must_check_;
struct error *index_garbage_forget(struct db_tx *tx, const char *file) _must_check_;
#endif
