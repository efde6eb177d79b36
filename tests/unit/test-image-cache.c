/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
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
    char dir[40], images[48];
    uint64_t max_bytes, min_free;
    struct id needed; /* by an instance's record */
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
        free(w->paths[at]);
        w->paths[at] = xasprintf("/mallee-images/%s", key);
        if (box)
            s3_memory_put(&w->s3, w->paths[at], box, len);
        free(box);
    }
    assert_null(image_manifest_seal(m, w->key, &box, &len));
    _cleanup_free_ char *manifest = xasprintf("/mallee-images/manifests/%s", w->want.image.text);
    s3_memory_put(&w->s3, manifest, box, len);
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

static void tell_needed(void *arg, image_ids *add)
{
    struct world *w = arg;
    if (!id_none(&w->needed))
        array_push(add, w->needed);
}

static void open_cache(struct world *w)
{
    static const char keys[] = "# keys\naccess_key_id = AKIANODE\nsecret_access_key = secret\n";
    _cleanup_free_ char *file = xasprintf("%s/keys", w->dir);
    assert_null(file_write_durable(file, keys, strlen(keys), 0600));
    struct image_cache_options o = {.dir = w->images,
                                    .store_url = w->s3.url,
                                    .credentials_file = file,
                                    .region = "us-east-1",
                                    .max_bytes = w->max_bytes,
                                    .min_free = w->min_free,
                                    .stood_on = tell_needed,
                                    .arg = w};
    assert_null(image_cache_open(&o, &w->cache));
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    memcpy(w->dir, "/tmp/test-image-cache-XXXXXX", 29);
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->images, sizeof w->images, "%s/images", w->dir);
    s3_memory_start(&w->s3);
    w->disk = xcalloc(1, DISK);
    random_bytes(w->disk, 5u << 20);
    memset(w->disk + (13u << 20), 'z', 4u << 20); /* the third chunk is zeros */
    seal_key_random(w->key);
    w->want = (struct image_want){id_of("ami-0123456789abcdef0"), w->key, note_step, w};
    w->whole = xasprintf("%s/ami-0123456789abcdef0/disk.raw", w->images);
    w->part = xasprintf("%s/ami-0123456789abcdef0/disk.part", w->images);
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
    assert_int_equal(stat(w->images, &st), 0);
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

/* ---- bounds ---- */

#define A "ami-0123456789abcdef0"
#define B "ami-0123456789abcdef1"
#define C "ami-0123456789abcdef2"

/* A cache of these bounds, and three images at the store. */
static void open_bounded(struct world *w, uint64_t max_bytes)
{
    image_cache_close(w->cache);
    w->max_bytes = max_bytes;
    w->want.step = NULL;
    for (const char *const *id = (const char *const[]){B, C, A, NULL}; *id; id++) {
        w->want.image = id_of(*id);
        put_image(w);
    }
    open_cache(w);
}

static void get(struct world *w, const char *id)
{
    _cleanup_free_ char *path = NULL;
    w->want.image = id_of(id);
    assert_null(image_cache_get(w->cache, &w->want, &path));
}

static void let_go(struct world *w, const char *id)
{
    struct id image = id_of(id);
    image_cache_release(w->cache, &image);
}

static void use(struct world *w, const char *id)
{
    get(w, id);
    let_go(w, id);
}

static bool here(struct world *w, const char *id)
{
    _cleanup_free_ char *path = xasprintf("%s/%s/disk.raw", w->images, id);
    return access(path, F_OK) == 0;
}

/* As if it had rested for that long. */
static void age(struct world *w, const char *id, const char *file, time_t seconds)
{
    _cleanup_free_ char *path = xasprintf("%s/%s%s", w->images, id, file);
    struct timespec at[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, at, 0), 0);
}

static uint64_t evictions(struct world *w)
{
    return metric_get(&image_cache_metrics(w->cache)->evictions);
}

static uint64_t bytes(struct world *w)
{
    return metric_get(&image_cache_metrics(w->cache)->bytes);
}

/* Two of the three have room: 13 MiB each, the chunk of zeros takes none. */
static void test_bound(void **state)
{
    struct world *w = *state;
    open_bounded(w, 30u << 20);
    use(w, A);
    use(w, B);
    assert_int_equal(evictions(w), 0);
    assert_in_range(bytes(w), 26u << 20, 27u << 20);
    age(w, A, "", 100);
    age(w, B, "", 200);
    use(w, C); /* room is made before it is fetched */
    assert_true(here(w, A) && !here(w, B) && here(w, C));
    assert_int_equal(evictions(w), 1);
    assert_in_range(bytes(w), 26u << 20, 27u << 20);
    unsigned before = fetched(w);
    use(w, B); /* what went is fetched again */
    assert_int_equal(fetched(w), before + 5);
    assert_true(!here(w, A) && here(w, B) && here(w, C));
}

static void test_use_is_remembered(void **state)
{
    struct world *w = *state;
    open_bounded(w, 30u << 20);
    use(w, A);
    use(w, B);
    age(w, A, "", 200);
    age(w, B, "", 100);
    use(w, A);
    image_cache_close(w->cache); /* by a daemon that started again, too */
    open_cache(w);
    use(w, C);
    assert_true(here(w, A) && !here(w, B) && here(w, C));
}

/* With a bound that nothing holds: whatever may go goes. */
static void test_what_is_needed_stays(void **state)
{
    struct world *w = *state;
    open_bounded(w, 1);
    _cleanup_free_ char *raw = xasprintf("%s/" A "/disk.raw", w->images), *own = xasprintf("%s/base.raw", w->dir);
    get(w, A);
    image_cache_tidy(w->cache);
    assert_true(here(w, A)); /* a launch is about to link it */
    get(w, A);
    let_go(w, A);
    image_cache_tidy(w->cache);
    assert_true(here(w, A)); /* another launch is */
    assert_int_equal(link(raw, own), 0);
    let_go(w, A);
    image_cache_tidy(w->cache);
    assert_true(here(w, A)); /* an instance stands on it */
    w->needed = id_of(A);
    assert_int_equal(unlink(own), 0);
    image_cache_tidy(w->cache);
    assert_true(here(w, A)); /* an instance will */
    assert_int_equal(evictions(w), 0);
    w->needed = (struct id){""};
    image_cache_tidy(w->cache);
    assert_false(here(w, A));
    assert_int_equal(evictions(w), 1);
    assert_int_equal(bytes(w), 0);
}

/* Launches of three images at once where not one has room, and somebody who tidies: each finds its disk. */
struct launcher {
    struct world *w;
    const char *id;
    unsigned linked;
};

static void *launch(void *arg)
{
    struct launcher *l = arg;
    _cleanup_free_ char *own = xasprintf("%s/%s.raw", l->w->dir, l->id);
    for (unsigned k = 0; k < 10; k++) {
        struct image_want want = {.image = id_of(l->id), .key = l->w->key};
        _cleanup_free_ char *path = NULL;
        if (image_cache_get(l->w->cache, &want, &path))
            break;
        l->linked += link(path, own) == 0;
        image_cache_release(l->w->cache, &want.image);
        unlink(own);
        image_cache_tidy(l->w->cache);
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    struct world *w = *state;
    static const char *const ids[] = {A, B, C};
    struct launcher launchers[3];
    pthread_t threads[3];
    open_bounded(w, 1);
    for (size_t i = 0; i < 3; i++) {
        launchers[i] = (struct launcher){w, ids[i], 0};
        assert_int_equal(pthread_create(&threads[i], NULL, launch, &launchers[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(launchers[i].linked, 10);
    }
    image_cache_tidy(w->cache);
    assert_true(!here(w, A) && !here(w, B) && !here(w, C));
    assert_in_range(evictions(w), 3, 30);
}

static void test_min_free(void **state)
{
    struct world *w = *state;
    uint64_t room = 0;
    open_bounded(w, 1u << 30);
    use(w, A);
    image_cache_close(w->cache);
    assert_null(file_free_space(w->images, &room));
    w->min_free = room * 2; /* which nothing that goes can make */
    open_cache(w);
    w->want.image = id_of(B);
    char *path = NULL;
    struct error *e = image_cache_get(w->cache, &w->want, &path);
    assert_true(error_is(e, &ERROR_NO_SPACE));
    assert_non_null(strstr(error_message(e), "min-free"));
    error_free(e);
    assert_false(here(w, A));
    assert_int_equal(evictions(w), 1);
    image_cache_close(w->cache);
    w->min_free = 0;
    open_cache(w);
    use(w, B);
}

static void test_leftovers(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *empty = xasprintf("%s/" C, w->images), *stray = xasprintf("%s/.keep", w->images);
    open_bounded(w, 1u << 30);
    w->want.image = id_of(A);
    w->s3.fail_gets_after = 3;
    expect(w, &ERROR_UNAVAILABLE, "503");
    w->s3.fail_gets_after = -1;
    assert_int_equal(mkdir(empty, 0700), 0); /* what a crash leaves of an image that was going */
    assert_int_equal(mkdir(stray, 0700), 0);
    image_cache_tidy(w->cache);
    assert_int_equal(access(w->part, F_OK), 0);
    assert_int_equal(access(empty, F_OK), -1);
    age(w, A, "/disk.part", 86300);
    image_cache_tidy(w->cache);
    assert_int_equal(access(w->part, F_OK), 0);
    age(w, A, "/disk.part", 86500);
    image_cache_tidy(w->cache);
    assert_int_equal(access(w->part, F_OK), -1);
    assert_int_equal(access(stray, F_OK), 0); /* not ours */
    use(w, A);
    age(w, A, "/disk.raw", 1000000);
    image_cache_tidy(w->cache);
    assert_true(here(w, A));
}

/* What the store has no more goes, unless something stands on it or the store does not say so. */
static void test_gone_from_the_store(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *raw = xasprintf("%s/" A "/disk.raw", w->images), *own = xasprintf("%s/base.raw", w->dir);
    open_bounded(w, 1u << 30);
    use(w, A);
    use(w, B);
    struct s3_object *o = s3_memory_find(&w->s3, "/mallee-images/manifests/" A);
    o->path[1] = 'M';
    assert_int_equal(link(raw, own), 0);
    image_cache_ask(w->cache);
    assert_true(here(w, A) && here(w, B));
    assert_int_equal(unlink(own), 0);
    get(w, A);
    image_cache_ask(w->cache);
    assert_true(here(w, A) && here(w, B));
    let_go(w, A);
    w->s3.refuse = true;
    image_cache_ask(w->cache);
    assert_true(here(w, A) && here(w, B));
    w->s3.refuse = false;
    image_cache_ask(w->cache);
    assert_true(!here(w, A) && here(w, B));
    assert_int_equal(evictions(w), 1);
    o->path[1] = 'm';
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
        IN_WORLD(test_bound),     IN_WORLD(test_use_is_remembered), IN_WORLD(test_what_is_needed_stays),
        IN_WORLD(test_many_at_once), IN_WORLD(test_min_free),   IN_WORLD(test_leftovers),
        IN_WORLD(test_gone_from_the_store),
        cmocka_unit_test(test_grant),
    };
    return cmocka_run_group_tests_name("image-cache", tests, NULL, NULL);
}
