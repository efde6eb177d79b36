/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
#include "core/image/chunk.h"
#include "core/image/grant.h"
#include "node-controller/image-cache/image-cache.h"
#include "tests/lib/s3-memory.h"

#define DISK (17u << 20)
#define CHUNKS 5

struct world {
    struct s3_memory s3;
    char dir[40];
    char *paths[CHUNKS], *whole, *part;
    struct image_cache *cache;
    struct image_want want;
    unsigned char key[SEAL_KEY_SIZE];
    char *disk;
    unsigned steps, last;
};

static void put_image(struct world *w)
{
    struct image_manifest *m = NULL;
    unsigned char *box;
    size_t len;
    assert_null(image_manifest_new(&w->want.image, DISK, &m));
    for (uint64_t at = 0; at < CHUNKS; at++) {
        assert_null(image_chunk_add(m, w->disk + at * IMAGE_CHUNK, image_chunk_len(m, at), &box, &len));
        _cleanup_free_ char *key = image_chunk_key(m, at);
        w->paths[at] = xasprintf("/mallee-images/%s", key);
        if (box)
            s3_memory_put(&w->s3, w->paths[at], box, len);
        free(box);
    }
    assert_null(image_manifest_seal(m, w->key, &box, &len));
    s3_memory_put(&w->s3, "/mallee-images/manifests/ami-0123456789abcdef0", box, len);
    free(box);
    image_manifest_free(m);
}

static void note_step(void *arg, unsigned percent)
{
    struct world *w = arg;
    assert_true(percent <= 100);
    assert_true(!w->steps || percent > w->last);
    w->last = percent;
    w->steps++;
}

static void open_cache(struct world *w)
{
    static const char keys[] = "# keys\naccess_key_id = AKIANODE\nsecret_access_key = secret\n";
    _cleanup_free_ char *file = xasprintf("%s/keys", w->dir);
    assert_null(file_write_durable(file, keys, strlen(keys), 0600));
    struct image_cache_options o = {w->dir, w->s3.url, file, "us-east-1", NULL};
    assert_null(image_cache_open(&o, &w->cache));
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    memcpy(w->dir, "/tmp/test-image-cache-XXXXXX", 29);
    assert_non_null(mkdtemp(w->dir));
    s3_memory_start(&w->s3);
    w->disk = xcalloc(1, DISK);
    random_bytes(w->disk, 5u << 20);
    memset(w->disk + (13u << 20), 'z', 4u << 20); /* the third chunk is zeros */
    seal_key_random(w->key);
    w->want = (struct image_want){id_of("ami-0123456789abcdef0"), w->key, note_step, w};
    w->whole = xasprintf("%s/ami-0123456789abcdef0/disk.raw", w->dir);
    w->part = xasprintf("%s/ami-0123456789abcdef0/disk.part", w->dir);
    put_image(w);
    open_cache(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    const char *const argv[] = {"rm", "-r", w->dir, NULL};
    struct spawn s = {.argv = argv};
    error_ignore(spawn_check(&s));
    image_cache_close(w->cache);
    s3_memory_stop(&w->s3);
    for (size_t i = 0; i < CHUNKS; i++)
        free(w->paths[i]);
    free(w->whole);
    free(w->part);
    free(w->disk);
    free(w);
    return 0;
}

static void check_whole(struct world *w)
{
    _cleanup_free_ char *data = NULL;
    size_t len = 0;
    struct stat st;
    assert_null(file_read(w->whole, DISK, &data, &len));
    assert_int_equal(len, DISK);
    assert_memory_equal(data, w->disk, DISK);
    assert_int_equal(access(w->part, F_OK), -1);
    assert_int_equal(stat(w->whole, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0444);
    assert_int_equal(stat(w->dir, &st), 0);
    assert_int_equal(st.st_mode & 0077, 0); /* nobody else gets to it */
}

static unsigned fetched(struct world *w)
{
    unsigned all = 0;
    array_each(&w->s3.objects, o)
        all += o->gets;
    return all;
}

static void test_fetch(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *path = NULL, *again = NULL;
    assert_null(image_cache_get(w->cache, &w->want, &path));
    assert_string_equal(path, w->whole);
    check_whole(w);
    assert_true(w->steps >= 4);
    assert_int_equal(fetched(w), 5); /* the manifest, four chunks */
    assert_null(image_cache_get(w->cache, &w->want, &again));
    assert_int_equal(fetched(w), 5);
}

static void *fetch_thread(void *arg)
{
    struct world *w = arg;
    struct image_want want = w->want;
    char *path = NULL;
    want.step = NULL;
    struct error *e = image_cache_get(w->cache, &want, &path);
    free(path);
    return e;
}

static void test_single_flight(void **state)
{
    struct world *w = *state;
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_thread, w), 0);
    for (size_t i = 0; i < 8; i++) {
        void *e = NULL;
        pthread_join(threads[i], &e);
        assert_null(e);
    }
    assert_int_equal(fetched(w), 5);
    check_whole(w);
}

static void expect(struct world *w, const struct error_code *code, const char *why)
{
    char *path = NULL;
    struct error *e = image_cache_get(w->cache, &w->want, &path);
    assert_true(error_is(e, code));
    if (!strstr(error_message(e), why))
        fail_msg("'%s' does not say '%s'", error_message(e), why);
    error_free(e);
    assert_int_equal(access(w->whole, F_OK), -1);
}

static void test_flipped(void **state)
{
    struct world *w = *state;
    struct s3_object *o = s3_memory_find(&w->s3, w->paths[1]);
    o->data[o->len / 2] ^= 1;
    expect(w, &ERROR_DENIED, "chunk 1 of ami-0123456789abcdef0");
    o->data[o->len / 2] ^= 1;
    o = s3_memory_find(&w->s3, "/mallee-images/manifests/ami-0123456789abcdef0");
    o->data[o->len / 2] ^= 1;
    expect(w, &ERROR_DENIED, "manifest");
    o->data[o->len / 2] ^= 1;
    w->steps = 0;
    _cleanup_free_ char *path = NULL;
    assert_null(image_cache_get(w->cache, &w->want, &path)); /* what was good of it serves */
    check_whole(w);
}

static void test_wrong_key(void **state)
{
    struct world *w = *state;
    w->key[0] ^= 1;
    expect(w, &ERROR_DENIED, "manifest");
}

static void test_resumed(void **state)
{
    struct world *w = *state;
    w->s3.fail_gets_after = 3; /* the manifest, two chunks, then nothing */
    expect(w, &ERROR_UNAVAILABLE, "503");
    w->s3.fail_gets_after = -1;
    image_cache_close(w->cache);
    open_cache(w);
    /* A byte of what lies there went bad meanwhile: only that chunk and what lacks is fetched again. */
    _cleanup_close_ int fd = open(w->part, O_RDWR);
    assert_int_equal(pwrite(fd, &(char){(char)(w->disk[100] ^ 1)}, 1, 100), 1);
    assert_int_equal(pwrite(fd, "stray", 5, 9 << 20), 5); /* in what must be zeros */
    w->steps = 0;
    _cleanup_free_ char *path = NULL;
    assert_null(image_cache_get(w->cache, &w->want, &path));
    check_whole(w);
    assert_int_equal(s3_memory_find(&w->s3, w->paths[0])->gets, 2);
    assert_int_equal(s3_memory_find(&w->s3, w->paths[1])->gets, 1);
    assert_int_equal(s3_memory_find(&w->s3, w->paths[3])->gets, 1);
}

static void test_missing(void **state)
{
    struct world *w = *state;
    w->want.image = id_of("ami-0123456789abcdef1");
    expect(w, &ERROR_NOT_FOUND, "404");
}

static void test_interrupted(void **state)
{
    struct world *w = *state;
    image_cache_interrupt(w->cache);
    expect(w, &ERROR_UNAVAILABLE, "stops");
}

static void test_grant(void **state)
{
    (void)state;
    struct wrap_pair node, other;
    unsigned char key[SEAL_KEY_SIZE], got[SEAL_KEY_SIZE];
    wrap_pair_random(&node);
    wrap_pair_random(&other);
    seal_key_random(key);
    struct image_grant g = {id_of("ami-1"), "i-1", "n-1"};
    const struct image_grant wrong[] = {
        {id_of("ami-2"), "i-1", "n-1"}, {id_of("ami-1"), "i-2", "n-1"}, {id_of("ami-1"), "i-1", "n-2"},
        {id_of("ami-1"), NULL, NULL},
    };
    _cleanup_free_ char *text = NULL;
    assert_null(image_grant_seal(&g, node.public, key, &text));
    assert_null(image_grant_open(&g, &node, text, got));
    assert_memory_equal(key, got, sizeof key);
    struct error *e = image_grant_open(&g, &other, text, got);
    assert_true(error_is(e, &ERROR_DENIED));
    error_free(e);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        e = image_grant_open(&wrong[i], &node, text, got);
        assert_true(error_is(e, &ERROR_DENIED));
        error_free(e);
    }
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_fetch),     IN_WORLD(test_single_flight), IN_WORLD(test_flipped), IN_WORLD(test_wrong_key),
        IN_WORLD(test_resumed),   IN_WORLD(test_missing),       IN_WORLD(test_interrupted),
        cmocka_unit_test(test_grant),
    };
    return cmocka_run_group_tests_name("image-cache", tests, NULL, NULL);
}
