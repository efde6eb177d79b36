/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "core/image/chunk.h"

#define TAIL 1536
#define DISK (3ull * IMAGE_CHUNK + TAIL)
#define CHUNKS 4

/* Text, zeros, noise, a short tail. */
static unsigned char *make_disk(void)
{
    unsigned char *disk = xcalloc(1, DISK);
    for (size_t i = 0; i < IMAGE_CHUNK; i++)
        disk[i] = "a eucalypt grows many stems "[i % 28];
    random_bytes(disk + 2 * IMAGE_CHUNK, IMAGE_CHUNK);
    memset(disk + 3 * IMAGE_CHUNK, 7, TAIL);
    return disk;
}

struct box {
    unsigned char *data;
    size_t len;
};

struct image {
    struct id id;
    unsigned char key[SEAL_KEY_SIZE];
    unsigned char *disk;
    struct image_manifest *manifest;
    struct box chunks[CHUNKS], sealed;
};

static void encode(struct image *i)
{
    i->id = id_of("ami-0123456789abcdef0");
    i->disk = make_disk();
    seal_key_random(i->key);
    assert_null(image_manifest_new(&i->id, DISK, &i->manifest));
    assert_int_equal(image_chunks(i->manifest), CHUNKS);
    for (uint64_t at = 0; at < CHUNKS; at++)
        assert_null(image_chunk_add(i->manifest, i->disk + at * IMAGE_CHUNK, image_chunk_len(i->manifest, at),
                                    &i->chunks[at].data, &i->chunks[at].len));
    assert_null(image_manifest_seal(i->manifest, i->key, &i->sealed.data, &i->sealed.len));
}

static int setup(void **state)
{
    struct image *i = xnew0(struct image);
    encode(i);
    *state = i;
    return 0;
}

static int teardown(void **state)
{
    struct image *i = *state;
    for (size_t at = 0; at < CHUNKS; at++)
        free(i->chunks[at].data);
    free(i->sealed.data);
    free(i->disk);
    image_manifest_free(i->manifest);
    free(i);
    return 0;
}

static struct error *open_at(struct image *i, uint64_t at, const struct box *box)
{
    _cleanup_free_ unsigned char *plain = xmalloc(IMAGE_CHUNK);
    return image_chunk_open(i->manifest, at, box->data, box->len, plain);
}

static void expect(struct error *e, const struct error_code *code)
{
    assert_non_null(e);
    if (!error_is(e, code))
        fail_msg("%s", error_message(e));
    error_free(e);
}

static void test_round_trip(void **state)
{
    struct image *i = *state;
    _cleanup_(image_manifest_freep) struct image_manifest *m = NULL;
    _cleanup_free_ unsigned char *plain = xmalloc(IMAGE_CHUNK);
    assert_null(image_manifest_open(&i->id, i->key, i->sealed.data, i->sealed.len, &m));
    assert_int_equal(m->disk_bytes, DISK);
    for (uint64_t at = CHUNKS; at-- > 0;) { /* in any order */
        memset(plain, 0xa5, IMAGE_CHUNK);
        assert_null(image_chunk_open(m, at, i->chunks[at].data, i->chunks[at].len, plain));
        assert_memory_equal(plain, i->disk + at * IMAGE_CHUNK, image_chunk_len(m, at));
        assert_true(image_chunk_is(m, at, plain));
        plain[image_chunk_len(m, at) - 1] ^= 1;
        assert_false(image_chunk_is(m, at, plain));
    }
    assert_int_equal(image_chunk_len(m, CHUNKS - 1), TAIL);
    assert_int_equal(image_chunk_len(m, CHUNKS), 0);
}

static void test_sizes(void **state)
{
    struct image *i = *state;
    assert_true(i->chunks[0].len < IMAGE_CHUNK / 100); /* text */
    assert_null(i->chunks[1].data);                    /* zeros */
    assert_int_equal(i->chunks[2].len, IMAGE_BOX_MAX); /* noise */
    for (size_t k = 0; k + 16 < i->chunks[0].len; k++)
        assert_memory_not_equal(i->chunks[0].data + k, "eucalypt", 8);
}

/* Every byte of the manifest and of a small chunk, and samples of a large one. */
static void test_flipped(void **state)
{
    struct image *i = *state;
    for (size_t k = 0; k < i->sealed.len; k++) {
        struct image_manifest *m = NULL;
        i->sealed.data[k] ^= 1;
        struct error *e = image_manifest_open(&i->id, i->key, i->sealed.data, i->sealed.len, &m);
        expect(e, k < IMAGE_MANIFEST_HEAD ? &ERROR_INVALID : &ERROR_DENIED);
        i->sealed.data[k] ^= 1;
    }
    for (size_t k = 0; k < i->chunks[3].len; k++) {
        i->chunks[3].data[k] ^= 0x80;
        expect(open_at(i, 3, &i->chunks[3]), &ERROR_DENIED);
        i->chunks[3].data[k] ^= 0x80;
    }
    for (size_t k = 0; k < i->chunks[2].len; k += 500009) {
        i->chunks[2].data[k] ^= 4;
        expect(open_at(i, 2, &i->chunks[2]), &ERROR_DENIED);
        i->chunks[2].data[k] ^= 4;
    }
    assert_null(open_at(i, 3, &i->chunks[3]));
    assert_null(open_at(i, 2, &i->chunks[2]));
}

static void test_cut(void **state)
{
    struct image *i = *state;
    for (size_t len = 0; len < i->sealed.len; len++) {
        struct image_manifest *m = NULL;
        struct error *e = image_manifest_open(&i->id, i->key, i->sealed.data, len, &m);
        assert_non_null(e);
        error_free(e);
    }
    for (size_t len = 0; len < i->chunks[3].len; len++) {
        struct box cut = {i->chunks[3].data, len};
        expect(open_at(i, 3, &cut), &ERROR_DENIED);
    }
}

static void test_swapped(void **state)
{
    struct image *i = *state;
    expect(open_at(i, 0, &i->chunks[3]), &ERROR_DENIED);
    expect(open_at(i, 1, &i->chunks[3]), &ERROR_DENIED); /* zeros have no object */
    struct box nothing = {NULL, 0};
    expect(open_at(i, 0, &nothing), &ERROR_DENIED); /* and data is not zeros */
    expect(open_at(i, CHUNKS, &i->chunks[3]), &ERROR_INVALID);

    /* The place is bound, not only the key. */
    i->manifest->entries.data[2] = i->manifest->entries.data[0];
    expect(open_at(i, 2, &i->chunks[0]), &ERROR_DENIED);
    /* So are image and edition. */
    i->manifest->edition[0] ^= 1;
    expect(open_at(i, 0, &i->chunks[0]), &ERROR_DENIED);
    i->manifest->edition[0] ^= 1;
    i->manifest->image = id_of("ami-0123456789abcdef1");
    expect(open_at(i, 0, &i->chunks[0]), &ERROR_DENIED);
    i->manifest->image = i->id;
    assert_null(open_at(i, 0, &i->chunks[0]));
}

static void test_wrong_key(void **state)
{
    struct image *i = *state;
    struct image_manifest *m = NULL;
    unsigned char other[SEAL_KEY_SIZE];
    seal_key_random(other);
    expect(image_manifest_open(&i->id, other, i->sealed.data, i->sealed.len, &m), &ERROR_DENIED);
    struct id image = id_of("ami-0123456789abcdef1");
    expect(image_manifest_open(&image, i->key, i->sealed.data, i->sealed.len, &m), &ERROR_DENIED);
    assert_null(m);
}

/* A chunk sealed rightly whose payload would unpack to more, or to less, than its place holds. */
static void test_bomb(void **state)
{
    struct image *i = *state;
    struct image_manifest *large = NULL, *small = NULL;
    struct box box;
    assert_null(image_manifest_new(&i->id, IMAGE_CHUNK, &large));
    assert_null(image_manifest_new(&i->id, 512, &small));
    memcpy(small->edition, large->edition, IMAGE_EDITION);
    assert_null(image_chunk_add(large, i->disk, IMAGE_CHUNK, &box.data, &box.len));
    unsigned char plain[512];
    *array_add(&small->entries) = large->entries.data[0];
    expect(image_chunk_open(small, 0, box.data, box.len, plain), &ERROR_DENIED); /* the length is bound */
    free(box.data);

    /* Made by one who holds the key: the frame of a whole chunk under the bound of a small one. */
    unsigned char inner[64 + 1] = {1};
    unsigned char bomb[] = {0x28, 0xb5, 0x2f, 0xfd, 0x84, 0x00, 0x00, 0x40, 0x00, /* 4 MiB window and size */
                            0x03, 0x00, 0x00 /* replaced below: RLE blocks */};
    size_t len = 1;
    memcpy(inner + len, bomb, 9);
    len += 9;
    for (int k = 0; k < 8; k++, len += 4) { /* RLE blocks of 128 KiB */
        uint32_t block = (128u << 10) << 3 | 1u << 1 | (k == 7);
        memcpy(inner + len, (unsigned char[]){(unsigned char)block, (unsigned char)(block >> 8),
                                              (unsigned char)(block >> 16), 'x'}, 4);
    }
    struct {
        char label[8], image[ID_MAX + 1];
        unsigned char edition[IMAGE_EDITION], at[8], plain[8];
    } bound = {.label = "mlchunk", .plain = {0, 0, 0, 0, 0, 0, 2, 0}};
    memcpy(bound.image, i->id.text, strlen(i->id.text));
    memcpy(bound.edition, small->edition, IMAGE_EDITION);
    unsigned char *sealed = seal(small->entries.data[0].key, inner, len, &bound, sizeof bound);
    small->entries.data[0].box_len = (uint32_t)(len + SEAL_OVERHEAD);
    expect(image_chunk_open(small, 0, sealed, len + SEAL_OVERHEAD, plain), &ERROR_INVALID);
    free(sealed);
    image_manifest_free(large);
    image_manifest_free(small);
}

static void test_refused(void **state)
{
    struct image *i = *state;
    struct image_manifest *m = NULL;
    unsigned char *data = NULL;
    size_t len = 0;
    expect(image_manifest_new(&i->id, 0, &m), &ERROR_INVALID);
    expect(image_manifest_new(&i->id, 513, &m), &ERROR_INVALID);
    expect(image_manifest_new(&i->id, IMAGE_DISK_MAX + 512, &m), &ERROR_INVALID);
    assert_null(image_manifest_new(&i->id, 2ull * IMAGE_CHUNK, &m));
    expect(image_chunk_add(m, i->disk, 512, &data, &len), &ERROR_INVALID);
    assert_null(image_chunk_add(m, i->disk, IMAGE_CHUNK, &data, &len));
    free(data);
    expect(image_manifest_seal(m, i->key, &data, &len), &ERROR_INVALID); /* one chunk is missing */
    image_manifest_free(m);
}

/* What was sealed with the right key and yet has no valid form. */
static struct error *open_plain(struct image *i, const unsigned char *plain, size_t len)
{
    _cleanup_free_ unsigned char *all = xmalloc(len + SEAL_OVERHEAD + IMAGE_MANIFEST_HEAD);
    unsigned char bound[IMAGE_MANIFEST_HEAD + ID_MAX];
    struct image_manifest *m = NULL;
    memcpy(bound, i->sealed.data, IMAGE_MANIFEST_HEAD);
    memcpy(bound + IMAGE_MANIFEST_HEAD, i->id.text, strlen(i->id.text));
    unsigned char *box = seal(i->key, plain, len, bound, IMAGE_MANIFEST_HEAD + strlen(i->id.text));
    memcpy(all, bound, IMAGE_MANIFEST_HEAD);
    memcpy(all + IMAGE_MANIFEST_HEAD, box, len + SEAL_OVERHEAD);
    free(box);
    struct error *e = image_manifest_open(&i->id, i->key, all, len + SEAL_OVERHEAD + IMAGE_MANIFEST_HEAD, &m);
    image_manifest_free(m);
    return e;
}

static void test_forms(void **state)
{
    struct image *i = *state;
    unsigned char plain[32 + 1 + 4 + SEAL_KEY_SIZE + 32 + 1] = {0, 0, 0, 0, 0, 0, 2, 0, 0, 0x40, 0, 0, 0, 0, 0, 1};
    assert_null(open_plain(i, plain, 33));
    expect(open_plain(i, plain, 32), &ERROR_INVALID); /* no entry */
    expect(open_plain(i, plain, 34), &ERROR_INVALID); /* one too many */
    for (size_t len = 0; len < 32; len++)
        expect(open_plain(i, plain, len), &ERROR_INVALID);
    plain[32] = 2; /* no such kind */
    expect(open_plain(i, plain, 33), &ERROR_INVALID);
    plain[32] = 1;
    expect(open_plain(i, plain, 33), &ERROR_INVALID);
    expect(open_plain(i, plain, sizeof plain - 1), &ERROR_INVALID); /* a box of 0 bytes */
    plain[36] = 40;
    assert_null(open_plain(i, plain, sizeof plain - 1));
    plain[33] = 1; /* a box of 16 MiB */
    expect(open_plain(i, plain, sizeof plain - 1), &ERROR_INVALID);
    plain[33] = 0;
    memset(plain, 0xff, 8); /* sizes past all bounds */
    memset(plain + 12, 0xff, 4);
    expect(open_plain(i, plain, sizeof plain - 1), &ERROR_INVALID);
}

#define WITH_IMAGE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_IMAGE(test_round_trip), WITH_IMAGE(test_sizes), WITH_IMAGE(test_flipped),   WITH_IMAGE(test_cut),
        WITH_IMAGE(test_swapped),    WITH_IMAGE(test_bomb),  WITH_IMAGE(test_wrong_key), WITH_IMAGE(test_refused),
        WITH_IMAGE(test_forms),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
