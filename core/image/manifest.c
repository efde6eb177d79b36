/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/image/manifest.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define FORMAT 1

enum {
    KIND_ZERO,
    KIND_DATA,
};

static const unsigned char head[IMAGE_MANIFEST_HEAD] = {'M', 'L', 'I', 'M', 'G', 0, 0, FORMAT};

static bool size_ok(uint64_t bytes)
{
    return bytes && bytes <= IMAGE_DISK_MAX && bytes % 512 == 0;
}

struct error *image_manifest_new(const struct id *image, uint64_t disk_bytes, struct image_manifest **ret)
{
    if (!size_ok(disk_bytes))
        return error_new(ERROR_INVALID, "a disk of %ju bytes cannot be an image", (uintmax_t)disk_bytes);
    struct image_manifest *m = xnew0(struct image_manifest);
    m->image = *image;
    m->disk_bytes = disk_bytes;
    random_bytes(m->edition, sizeof m->edition);
    *ret = m;
    return NULL;
}

void image_manifest_free(struct image_manifest *m)
{
    if (!m)
        return;
    if (m->entries.data)
        wipe(m->entries.data, m->entries.len * sizeof *m->entries.data);
    array_free(&m->entries);
    free(m);
}

uint64_t image_chunks(const struct image_manifest *m)
{
    return (m->disk_bytes + IMAGE_CHUNK - 1) / IMAGE_CHUNK;
}

size_t image_chunk_len(const struct image_manifest *m, uint64_t at)
{
    if (at >= image_chunks(m))
        return 0;
    uint64_t left = m->disk_bytes - at * IMAGE_CHUNK;
    return left < IMAGE_CHUNK ? (size_t)left : IMAGE_CHUNK;
}

char *image_chunk_key(const struct image_manifest *m, uint64_t at)
{
    _cleanup_free_ char *edition = hex_encode(m->edition, sizeof m->edition);
    return xasprintf("chunks/%s/%s/%08jx", m->image.text, edition, (uintmax_t)at);
}

char *image_manifest_key(const struct id *image)
{
    return xasprintf("manifests/%s", image->text);
}

/* ---- the form ---- */

static void put(struct str *to, uint64_t value, unsigned bytes)
{
    while (bytes--)
        str_add_char(to, (char)(value >> 8 * bytes));
}

/* What the box is bound to. */
static void add_bound(struct str *to, const struct id *image)
{
    str_add_n(to, head, sizeof head);
    str_add(to, image->text);
}

struct error *image_manifest_seal(const struct image_manifest *m, const unsigned char key[SEAL_KEY_SIZE],
                                  unsigned char **ret, size_t *ret_len)
{
    _cleanup_str_ struct str plain = STR_INIT, bound = STR_INIT;
    if (m->entries.len != image_chunks(m))
        return error_new(ERROR_INVALID, "the manifest has %zu of %ju chunks", m->entries.len,
                         (uintmax_t)image_chunks(m));
    size_t each = 5 + SEAL_KEY_SIZE + sizeof m->entries.data->sum;
    str_reserve(&plain, 32 + m->entries.len * each); /* so that no copy with keys is left behind */
    put(&plain, m->disk_bytes, 8);
    put(&plain, IMAGE_CHUNK, 4);
    put(&plain, m->entries.len, 4);
    str_add_n(&plain, m->edition, sizeof m->edition);
    array_each(&m->entries, entry) {
        put(&plain, entry->box_len ? KIND_DATA : KIND_ZERO, 1);
        if (!entry->box_len)
            continue;
        put(&plain, entry->box_len, 4);
        str_add_n(&plain, entry->key, sizeof entry->key);
        str_add_n(&plain, entry->sum, sizeof entry->sum);
    }
    add_bound(&bound, &m->image);
    unsigned char *box = seal(key, plain.data, plain.len, bound.data, bound.len);
    size_t len = sizeof head + plain.len + SEAL_OVERHEAD;
    unsigned char *all = xmalloc(len);
    memcpy(all, head, sizeof head);
    memcpy(all + sizeof head, box, len - sizeof head);
    free(box);
    wipe(plain.data, plain.len);
    *ret = all;
    *ret_len = len;
    return NULL;
}

struct reader {
    const unsigned char *at;
    size_t left;
    bool short_; /* it asked for more than there was */
};

static const unsigned char *take(struct reader *r, size_t len)
{
    if (r->left < len) {
        r->short_ = true;
        return NULL;
    }
    const unsigned char *at = r->at;
    r->at += len;
    r->left -= len;
    return at;
}

static uint64_t get(struct reader *r, unsigned bytes)
{
    const unsigned char *at = take(r, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; at && i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static struct error *read_entry(struct reader *r, struct image_entry *ret)
{
    uint64_t kind = get(r, 1);
    if (r->short_ || kind > KIND_DATA)
        return error_new(ERROR_INVALID, "the manifest has no valid form");
    if (kind == KIND_ZERO)
        return NULL;
    uint64_t len = get(r, 4);
    const unsigned char *key = take(r, SEAL_KEY_SIZE), *sum = take(r, sizeof ret->sum);
    if (!sum || len <= SEAL_OVERHEAD + 1 || len > IMAGE_BOX_MAX)
        return error_new(ERROR_INVALID, "the manifest has no valid form");
    ret->box_len = (uint32_t)len;
    memcpy(ret->key, key, SEAL_KEY_SIZE);
    memcpy(ret->sum, sum, sizeof ret->sum);
    return NULL;
}

static struct error *read_plain(struct reader *r, struct image_manifest *m)
{
    m->disk_bytes = get(r, 8);
    uint64_t chunk = get(r, 4), count = get(r, 4);
    const unsigned char *edition = take(r, IMAGE_EDITION);
    if (!edition || chunk != IMAGE_CHUNK || !size_ok(m->disk_bytes) || count != image_chunks(m) || count > r->left)
        return error_new(ERROR_INVALID, "the manifest has no valid form");
    memcpy(m->edition, edition, IMAGE_EDITION);
    m->entries.data = xcalloc(count, sizeof *m->entries.data); /* at most 2^18, each with a byte in hand */
    m->entries.cap = m->entries.len = count;
    array_each(&m->entries, entry)
        RETURN_IF_ERROR(read_entry(r, entry));
    return r->left ? error_new(ERROR_INVALID, "the manifest goes on past its end") : NULL;
}

struct error *image_manifest_open(const struct id *image, const unsigned char key[SEAL_KEY_SIZE], const void *data,
                                  size_t len, struct image_manifest **ret)
{
    _cleanup_str_ struct str bound = STR_INIT;
    unsigned char *plain = NULL;
    size_t plain_len = 0;
    if (len < sizeof head || len > IMAGE_MANIFEST_MAX || memcmp(data, head, sizeof head - 2) != 0)
        return error_new(ERROR_INVALID, "this is no image's manifest");
    if (memcmp(data, head, sizeof head) != 0)
        return error_new(ERROR_INVALID, "the manifest is of a version that is not known here");
    add_bound(&bound, image);
    RETURN_IF_ERROR(error_wrap(seal_open(key, (const char *)data + sizeof head, len - sizeof head, bound.data,
                                         bound.len, &plain, &plain_len),
                               "the manifest of %s", image->text));
    _cleanup_(image_manifest_freep) struct image_manifest *m = xnew0(struct image_manifest);
    struct reader r = {plain, plain_len, false};
    m->image = *image;
    struct error *e = read_plain(&r, m);
    wipe(plain, plain_len);
    free(plain);
    if (!e)
        *ret = TAKE_PTR(m);
    return e;
}
