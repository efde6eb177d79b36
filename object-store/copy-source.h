/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_COPY_SOURCE_H
#define OBJECT_STORE_COPY_SOURCE_H
/* What x-amz-copy-source names.  It is judged like a read of its own: its bucket must be the caller's. */
#include "object-store/call.h"

struct copy_source {
    char *bucket, *key;
    size_t key_len;
};
struct error *copy_source_parse(struct call *c, struct copy_source *ret) _must_check_;
void copy_source_free(struct copy_source *s);
struct error *copy_source_object(struct call *c, struct db_tx *tx, const struct copy_source *s, struct object *ret)
    _must_check_;

/* Content-MD5 and x-amz-checksum-* of a kept body (body.c). */
struct error *kept_body_digests(struct call *c) _must_check_;
#endif
