/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/image/qcow2.h"
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include "common/base/mem.h"
#include "core/image/manifest.h"

#define L1_BYTES_MAX (4u << 20)
#define OFFSET_MASK  0x00fffffffffffe00ull
#define L2_PACKED    (1ull << 62)
#define L2_ZERO      1ull

enum {
    FEATURE_DIRTY = 1, /* its reference counts may be off; nobody reads them here */
    FEATURE_CORRUPT = 2,
    FEATURE_EXTERNAL_DATA = 4,
    FEATURE_COMPRESSION = 8,
};

enum {
    COMPRESSION_DEFLATE,
    COMPRESSION_ZSTD,
};

struct qcow2 {
    struct image_source source;
    unsigned version, bits, compression;
    uint64_t size;
    uint64_t *l1, *l2;      /* host order */
    uint64_t l1_len, l2_at; /* where the table in l2 lies; 0: none */
    unsigned char *cluster; /* the last one that was unpacked */
    uint64_t cluster_entry; /* its L2 entry; 0: none */
};

static uint64_t be(const unsigned char *p, unsigned bytes)
{
    uint64_t value = 0;
    while (bytes--)
        value = value << 8 | *p++;
    return value;
}

bool qcow2_is(const void *head, size_t len)
{
    return len >= 4 && memcmp(head, "QFI\xfb", 4) == 0;
}

static struct error *bad(const char *what)
{
    return error_new(ERROR_INVALID, "the qcow2 file %s", what);
}

static struct error *read_file(struct qcow2 *q, uint64_t at, void *to, size_t len)
{
    if (at > q->source.size || len > q->source.size - at)
        return bad("points past its own end");
    return q->source.read(q->source.arg, at, to, len);
}

/* ---- the header ---- */

static struct error *check_features(struct qcow2 *q, const unsigned char *h)
{
    uint64_t features = q->version > 2 ? be(h + 72, 8) : 0, head_len = q->version > 2 ? be(h + 100, 4) : 72;
    if (be(h + 8, 8) || be(h + 16, 4))
        return bad("has a backing file");
    if (be(h + 32, 4))
        return bad("is encrypted");
    if (features & FEATURE_EXTERNAL_DATA)
        return bad("keeps its data in another file");
    if (features & FEATURE_CORRUPT)
        return bad("is marked as corrupt");
    if (features & ~(uint64_t)(FEATURE_DIRTY | FEATURE_COMPRESSION))
        return bad("has features that are not known here");
    q->compression = features & FEATURE_COMPRESSION && head_len > 104 ? h[104] : COMPRESSION_DEFLATE;
    return q->compression > COMPRESSION_ZSTD ? bad("has a compression that is not known here") : NULL;
}

static struct error *read_head(struct qcow2 *q, uint64_t *ret_l1_at)
{
    unsigned char h[QCOW2_HEAD] = {0};
    size_t have = q->source.size < sizeof h ? (size_t)q->source.size : sizeof h;
    if (have < 72)
        return bad("is cut short");
    RETURN_IF_ERROR(read_file(q, 0, h, have));
    q->version = (unsigned)be(h + 4, 4);
    if (!qcow2_is(h, have) || (q->version != 2 && q->version != 3))
        return bad("is of a version that is not known here");
    if (q->version > 2 && have < 104)
        return bad("is cut short");
    RETURN_IF_ERROR(check_features(q, h));
    uint64_t bits = be(h + 20, 4);
    if (bits < 9 || bits > 21)
        return bad("has clusters of an impossible size");
    q->bits = (unsigned)bits;
    q->size = be(h + 24, 8);
    q->l1_len = be(h + 36, 4);
    *ret_l1_at = be(h + 40, 8);
    if (!q->size || q->size > IMAGE_DISK_MAX)
        return bad("has a disk of an impossible size");
    unsigned span = 2 * q->bits - 3; /* what one L2 table maps, as a power of 2 */
    uint64_t need = (q->size + (1ull << span) - 1) >> span;
    if (q->l1_len < need)
        return bad("has too short a table");
    q->l1_len = need;
    return need * 8 > L1_BYTES_MAX ? bad("has clusters too small for its size") : NULL;
}

static struct error *read_table(struct qcow2 *q, uint64_t at, uint64_t *table, size_t len)
{
    RETURN_IF_ERROR(read_file(q, at, table, len * 8));
    for (size_t i = 0; i < len; i++)
        table[i] = be((const unsigned char *)&table[i], 8);
    return NULL;
}

struct error *qcow2_open(const struct image_source *s, struct qcow2 **ret)
{
    _cleanup_(qcow2_freep) struct qcow2 *q = xnew0(struct qcow2);
    uint64_t l1_at = 0;
    q->source = *s;
    RETURN_IF_ERROR(read_head(q, &l1_at));
    q->l1 = xcalloc(q->l1_len, 8);
    q->l2 = xmalloc((size_t)1 << q->bits);
    q->cluster = xmalloc((size_t)1 << q->bits);
    RETURN_IF_ERROR(read_table(q, l1_at, q->l1, q->l1_len));
    *ret = TAKE_PTR(q);
    return NULL;
}

void qcow2_free(struct qcow2 *q)
{
    if (!q)
        return;
    if (q->cluster)
        wipe(q->cluster, (size_t)1 << q->bits);
    free(q->l1);
    free(q->l2);
    free(q->cluster);
    free(q);
}

uint64_t qcow2_size(const struct qcow2 *q)
{
    return q->size;
}

/* ---- clusters ---- */

/* The L2 entry of the guest's byte `at`; 0: nothing was ever written there. */
static struct error *look_up(struct qcow2 *q, uint64_t at, uint64_t *ret)
{
    size_t entries = (size_t)1 << (q->bits - 3);
    uint64_t table = q->l1[at >> (2 * q->bits - 3)] & OFFSET_MASK;
    *ret = 0;
    if (!table)
        return NULL;
    if (table != q->l2_at) {
        q->l2_at = 0;
        RETURN_IF_ERROR(read_table(q, table, q->l2, entries));
        q->l2_at = table;
    }
    *ret = q->l2[at >> q->bits & (entries - 1)];
    return NULL;
}

/* QEMU writes raw deflate with a window of 4 KiB. */
static bool inflate_into(void *to, size_t to_len, const void *from, size_t from_len)
{
    z_stream z = {.next_in = (void *)(uintptr_t)from, .avail_in = (uInt)from_len, .next_out = to,
                  .avail_out = (uInt)to_len};
    if (inflateInit2(&z, -12) != Z_OK)
        abort();
    int rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (rc == Z_STREAM_END || rc == Z_BUF_ERROR) && z.avail_out == 0;
}

/* What follows the frame in its sectors is padding. */
static bool unzstd_into(void *to, size_t to_len, const void *from, size_t from_len)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer in = {from, from_len, 0};
    ZSTD_outBuffer out = {to, to_len, 0};
    bool ok = ctx != NULL;
    while (ok && out.pos < out.size) {
        size_t before = in.pos + out.pos, rc = ZSTD_decompressStream(ctx, &out, &in);
        ok = !ZSTD_isError(rc) && in.pos + out.pos != before;
    }
    ZSTD_freeDCtx(ctx);
    return ok;
}

static struct error *unpack(struct qcow2 *q, uint64_t entry)
{
    size_t cluster = (size_t)1 << q->bits;
    unsigned shift = 62 - (q->bits - 8);
    uint64_t at = entry & ((1ull << shift) - 1), sectors = (entry >> shift & ((1ull << (q->bits - 8)) - 1)) + 1;
    size_t len = (size_t)(sectors * 512 - (at & 511)); /* at most a cluster and a sector */
    if (entry == q->cluster_entry)
        return NULL;
    q->cluster_entry = 0;
    if (at >= q->source.size)
        return bad("points past its own end");
    if (len > q->source.size - at)
        len = (size_t)(q->source.size - at); /* the last sector may be short */
    _cleanup_free_ unsigned char *packed = xmalloc(len);
    RETURN_IF_ERROR(read_file(q, at, packed, len));
    bool ok = q->compression == COMPRESSION_ZSTD ? unzstd_into(q->cluster, cluster, packed, len)
                                                 : inflate_into(q->cluster, cluster, packed, len);
    if (!ok)
        return bad("has a cluster that does not unpack");
    q->cluster_entry = entry;
    return NULL;
}

/* `len` bytes that lie in one cluster. */
static struct error *read_piece(struct qcow2 *q, uint64_t at, void *to, size_t len)
{
    uint64_t entry, in = at & ((1ull << q->bits) - 1);
    RETURN_IF_ERROR(look_up(q, at, &entry));
    if (entry & L2_PACKED) {
        RETURN_IF_ERROR(unpack(q, entry & (L2_PACKED - 1)));
        memcpy(to, q->cluster + in, len);
        return NULL;
    }
    if (!(entry & OFFSET_MASK) || (q->version > 2 && entry & L2_ZERO)) {
        memset(to, 0, len);
        return NULL;
    }
    return read_file(q, (entry & OFFSET_MASK) + in, to, len);
}

struct error *qcow2_read(struct qcow2 *q, uint64_t at, void *to, size_t len)
{
    char *out = to;
    if (at > q->size || len > q->size - at)
        return error_new(ERROR_INVALID, "read past the disk's end");
    while (len) {
        uint64_t left = (1ull << q->bits) - (at & ((1ull << q->bits) - 1));
        size_t piece = len < left ? len : (size_t)left;
        RETURN_IF_ERROR(read_piece(q, at, out, piece));
        out += piece;
        at += piece;
        len -= piece;
    }
    return NULL;
}
