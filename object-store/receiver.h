/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_RECEIVER_H
#define OBJECT_STORE_RECEIVER_H
/* Takes an object's bytes in: buffers them, and in turns of a worker digests, checksums and writes them.
 *
 * receiver_take() copies and never blocks; once receiver_full() the owner stops reading, has a worker call
 * receiver_flush(), and goes on.  receiver_finish() (worker) makes the bytes durable: small ones stay in memory for the index
 * row, larger ones are a kept file.  One owner at a time. */
#include "object-store/checksum.h"
#include "object-store/engine.h"

#define RECEIVER_INLINE (16 * 1024)

struct receiver;

/* `kind` NONE: only what the store itself needs. */
struct receiver *receiver_new(struct engine *e, enum checksum kind, bool sha256);
void receiver_free(struct receiver *r);
DEFINE_CLEANUP(struct receiver *, receiver_free)
void receiver_take(struct receiver *r, const void *data, size_t len);
bool receiver_full(const struct receiver *r);
struct error *receiver_flush(struct receiver *r) _must_check_;

struct received {
    uint64_t size;
    char md5[33];         /* hex */
    char md5_base64[25];
    char sha256[65];      /* hex; empty where not asked for */
    char *checksum;       /* base64 of `kind`, NULL for NONE */
    char *crc64nvme;      /* base64, always */
    unsigned char *crcs;  /* 4 bytes a block, little-endian */
    size_t crcs_len;
    char *file;           /* NULL: in `bytes` */
    unsigned char *bytes;
};
void received_free(struct received *d);
/* Digests what is left; `ret` is filled but for `file`: call receiver_keep() once the digests were compared. */
struct error *receiver_finish(struct receiver *r, struct received *ret) _must_check_;
struct error *receiver_keep(struct receiver *r, struct received *ret) _must_check_;
#endif
