/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/make.h"
#include "core/image/chunk.h"

#define EDITION "x-amz-meta-edition"

static struct error *put_chunk(const struct image_make *m, struct image_manifest *manifest, uint64_t at, char *plain)
{
    size_t len = image_chunk_len(manifest, at), box_len = 0;
    unsigned char *box = NULL;
    RETURN_IF_ERROR(image_disk_read(m->disk, at * IMAGE_CHUNK, plain, len));
    RETURN_IF_ERROR(image_chunk_add(manifest, plain, len, &box, &box_len));
    if (!box)
        return NULL;
    _cleanup_free_ char *key = image_chunk_key(manifest, at);
    struct error *e = s3_put(m->store, IMAGE_BUCKET, key, box, box_len);
    free(box);
    return e;
}

static struct error *put_manifest(const struct image_make *m, const struct image_manifest *manifest)
{
    unsigned char *sealed = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(image_manifest_seal(manifest, m->key, &sealed, &len));
    _cleanup_free_ char *key = image_manifest_key(&m->image);
    _cleanup_free_ char *edition = hex_encode(manifest->edition, sizeof manifest->edition);
    struct http_header header = {EDITION, edition};
    struct error *e = s3_put_new(m->store, IMAGE_BUCKET, key, sealed, len, &header);
    free(sealed);
    return e;
}

struct error *image_make(const struct image_make *m)
{
    _cleanup_(image_manifest_freep) struct image_manifest *manifest = NULL;
    RETURN_IF_ERROR(image_manifest_new(&m->image, image_disk_size(m->disk), &manifest));
    uint64_t chunks = image_chunks(manifest);
    char *plain = xmalloc(IMAGE_CHUNK);
    struct error *e = s3_make_bucket(m->store, IMAGE_BUCKET);
    for (uint64_t at = 0; !e && at < chunks; at++) {
        e = put_chunk(m, manifest, at, plain);
        if (!e && m->progress)
            e = m->progress(m->arg, at + 1, chunks);
    }
    if (!e)
        e = put_manifest(m, manifest);
    wipe(plain, IMAGE_CHUNK);
    free(plain);
    return e;
}

static struct error *well_if_gone(struct error *e)
{
    return error_is(e, &ERROR_NOT_FOUND) ? error_free(e) : e;
}

static struct error *get_manifest(struct aws_caller *store, const struct id *image, const unsigned char *key,
                                  struct image_manifest **ret)
{
    _cleanup_free_ char *name = image_manifest_key(image), *sealed = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(s3_get(store, IMAGE_BUCKET, name, IMAGE_MANIFEST_MAX, &sealed, &len));
    return image_manifest_open(image, key, sealed, len, ret);
}

struct error *image_made(struct aws_caller *store, const struct id *image, const unsigned char *key, bool *ret,
                         uint64_t *ret_bytes)
{
    _cleanup_(image_manifest_freep) struct image_manifest *m = NULL;
    struct error *e = get_manifest(store, image, key, &m);
    *ret = !error_is(e, &ERROR_NOT_FOUND);
    if (!*ret)
        return error_free(e);
    RETURN_IF_ERROR(e);
    *ret_bytes = m->disk_bytes;
    return NULL;
}

struct error *image_edition(struct aws_caller *store, const struct id *image, char **ret)
{
    _cleanup_free_ char *name = image_manifest_key(image);
    return s3_head(store, IMAGE_BUCKET, name, EDITION, ret);
}

struct error *image_unmake(struct aws_caller *store, const struct id *image, const unsigned char *key)
{
    _cleanup_(image_manifest_freep) struct image_manifest *m = NULL;
    _cleanup_free_ char *name = image_manifest_key(image);
    struct error *e = get_manifest(store, image, key, &m);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_free(e);
    RETURN_IF_ERROR(e);
    for (uint64_t at = 0; at < image_chunks(m); at++) {
        _cleanup_free_ char *chunk = image_chunk_key(m, at);
        if (m->entries.data[at].box_len)
            RETURN_IF_ERROR(well_if_gone(s3_delete(store, IMAGE_BUCKET, chunk)));
    }
    return well_if_gone(s3_delete(store, IMAGE_BUCKET, name));
}
