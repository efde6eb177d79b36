/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/base/str.h"
#include "core/image/chunk.h"
#include "image-service/collect.h"
#include "image-service/make.h"
#include "image-service/s3-source.h"
#include "tests/lib/s3-memory.h"

#define DISK (13u << 20)

struct world {
    struct s3_memory s3;
    struct aws_caller *caller;
    struct http_client *http;
    struct id image;
    unsigned char key[SEAL_KEY_SIZE];
    char *disk;
};

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    s3_memory_start(&w->s3);
    struct aws_caller_options o = {w->s3.url, "AKIAEXAMPLE", "secret", "us-east-1", "s3", NULL};
    struct http_client_options http = {0};
    assert_null(aws_caller_new(&o, &w->caller));
    assert_null(http_client_new(&http, &w->http));
    w->image = id_of("ami-0123456789abcdef0");
    seal_key_random(w->key);
    w->disk = xcalloc(1, DISK);
    random_bytes(w->disk, 5u << 20);
    memset(w->disk + (12u << 20), 'z', 1u << 20);
    s3_memory_put(&w->s3, "/mine/my%20disk.raw", w->disk, DISK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    aws_caller_free(w->caller);
    http_client_free(w->http);
    s3_memory_stop(&w->s3);
    free(w->disk);
    free(w);
    return 0;
}

static struct error *note_progress(void *arg, uint64_t done, uint64_t all)
{
    uint64_t *last = arg;
    assert_int_equal(done, *last + 1);
    assert_int_equal(all, 4);
    *last = done;
    return NULL;
}

static struct error *make(struct world *w, const char *name, uint64_t *progress)
{
    _cleanup_free_ char *url = xasprintf("%s/mine/%s?X-Amz-Signature=abc", w->s3.url, name);
    _cleanup_(s3_source_freep) struct s3_source *source = NULL;
    _cleanup_(image_disk_freep) struct image_disk *disk = NULL;
    RETURN_IF_ERROR(s3_source_open(w->http, url, &source));
    struct image_source face = s3_source_face(source);
    RETURN_IF_ERROR(image_disk_open(&face, &disk));
    struct image_make m = {w->caller, w->image, w->key, disk, progress ? note_progress : NULL, progress};
    return image_make(&m);
}

static void test_make(void **state)
{
    struct world *w = *state;
    uint64_t progress = 0;
    assert_null(make(w, "my%20disk.raw", &progress));
    assert_int_equal(progress, 4);
    struct s3_object *sealed = s3_memory_find(&w->s3, "/mallee-images/manifests/ami-0123456789abcdef0");
    assert_non_null(sealed);
    _cleanup_(image_manifest_freep) struct image_manifest *m = NULL;
    assert_null(image_manifest_open(&w->image, w->key, sealed->data, sealed->len, &m));
    assert_int_equal(m->disk_bytes, DISK);
    _cleanup_free_ char *plain = xmalloc(IMAGE_CHUNK);
    for (uint64_t at = 0; at < 4; at++) {
        _cleanup_free_ char *key = image_chunk_key(m, at), *path = xasprintf("/mallee-images/%s", key);
        struct s3_object *box = s3_memory_find(&w->s3, path);
        assert_true(!box == (at == 2)); /* zeros have no object */
        assert_null(image_chunk_open(m, at, box ? box->data : NULL, box ? box->len : 0, plain));
        assert_memory_equal(plain, w->disk + at * IMAGE_CHUNK, image_chunk_len(m, at));
        /* Nothing of the plain bytes is in what is stored. */
        for (size_t k = 0; box && k < box->len; k += 4096)
            assert_null(memmem(box->data, box->len, w->disk + k, 32));
    }
    size_t objects = w->s3.objects.len;
    assert_null(image_unmake(w->caller, &w->image, w->key));
    assert_int_equal(w->s3.objects.len, objects - 4);
    assert_null(image_unmake(w->caller, &w->image, w->key));
}

static void expect(struct world *w, const char *name, const struct error_code *code)
{
    struct error *e = make(w, name, NULL);
    assert_true(error_is(e, code));
    error_free(e);
}

static void test_refused(void **state)
{
    struct world *w = *state;
    expect(w, "none", &ERROR_NOT_FOUND);
    s3_memory_put(&w->s3, "/mine/empty", "", 0);
    expect(w, "empty", &ERROR_INVALID);
    s3_memory_put(&w->s3, "/mine/gzip", "\x1f\x8b_", 3);
    expect(w, "gzip", &ERROR_INVALID);
}

static struct error *change_object(void *arg, uint64_t done, uint64_t all)
{
    (void)all;
    _cleanup_free_ char *another = xcalloc(1, DISK); /* of the same size */
    if (done == 1)
        s3_memory_put(arg, "/mine/my%20disk.raw", another, DISK);
    return NULL;
}

/* An object that is replaced under way makes no image of halves. */
static void test_changed(void **state)
{
    struct world *w = *state;
    _cleanup_(s3_source_freep) struct s3_source *source = NULL;
    _cleanup_(image_disk_freep) struct image_disk *disk = NULL;
    _cleanup_free_ char *url = xasprintf("%s/mine/my%%20disk.raw?X-Amz-Signature=abc", w->s3.url);
    assert_null(s3_source_open(w->http, url, &source));
    struct image_source face = s3_source_face(source);
    assert_null(image_disk_open(&face, &disk));
    struct image_make m = {w->caller, w->image, w->key, disk, change_object, &w->s3};
    struct error *e = image_make(&m);
    assert_true(error_is(e, &ERROR_INVALID));
    error_free(e);
    assert_null(s3_memory_find(&w->s3, "/mallee-images/manifests/ami-0123456789abcdef0"));
}

/* ---- one manifest, once and for all ---- */

static struct error *make_other(void *arg, uint64_t done, uint64_t all)
{
    struct world *w = arg;
    return done == all ? make(w, "my%20disk.raw", NULL) : NULL; /* another process, which is done first */
}

static unsigned editions(struct world *w)
{
    unsigned count = 0;
    const char *before = "";
    struct s3_page page = {0}; /* sorts the objects, too */
    assert_null(s3_list(w->caller, IMAGE_BUCKET, "chunks/", NULL, NULL, &page));
    array_each(&page.objects, o) {
        size_t len = (size_t)(strrchr(o->key, '/') - o->key);
        count += strncmp(o->key, before, len) != 0;
        before = o->key;
    }
    s3_page_free(&page);
    return count;
}

static void test_first_manifest_counts(void **state)
{
    struct world *w = *state;
    _cleanup_(s3_source_freep) struct s3_source *source = NULL;
    _cleanup_(image_disk_freep) struct image_disk *disk = NULL;
    _cleanup_free_ char *url = xasprintf("%s/mine/my%%20disk.raw?X-Amz-Signature=abc", w->s3.url), *edition = NULL;
    bool made = true;
    uint64_t bytes = 0;
    assert_null(image_made(w->caller, &w->image, w->key, &made, &bytes));
    assert_false(made);
    assert_null(s3_source_open(w->http, url, &source));
    struct image_source face = s3_source_face(source);
    assert_null(image_disk_open(&face, &disk));
    struct image_make m = {w->caller, w->image, w->key, disk, make_other, w};
    struct error *e = image_make(&m);
    assert_true(error_is(e, &ERROR_EXISTS));
    error_free(e);
    assert_int_equal(editions(w), 2);
    assert_null(image_made(w->caller, &w->image, w->key, &made, &bytes));
    assert_true(made && bytes == DISK);
    assert_null(image_edition(w->caller, &w->image, &edition));
    assert_int_equal(strlen(edition), 2 * IMAGE_EDITION);
}

/* ---- what no manifest names ---- */

struct gathering {
    struct world *w;
    struct id runs;     /* the image that has a job */
    bool silent;        /* the cloud does not answer */
    bool put_meanwhile; /* the job is over once it is asked for, with its manifest */
    unsigned asked;
};

static void put_chunks(struct world *w, const char *image, const char *edition, unsigned count, time_t seconds)
{
    for (unsigned i = 0; i < count; i++) {
        _cleanup_free_ char *path = xasprintf("/mallee-images/chunks/%s/%s/%08x", image, edition, i);
        s3_memory_put(&w->s3, path, "x", 1);
        s3_memory_find(&w->s3, path)->changed -= seconds;
    }
}

static void put_manifest_of(struct world *w, const char *image, const char *edition)
{
    _cleanup_free_ char *path = xasprintf("/mallee-images/manifests/%s", image);
    s3_memory_put(&w->s3, path, "sealed", 6);
    s3_memory_find(&w->s3, path)->edition = xstrdup(edition);
}

static unsigned count_chunks(struct world *w, const char *folder)
{
    unsigned count = 0;
    _cleanup_free_ char *prefix = xasprintf("/mallee-images/chunks/%s/", folder);
    array_each(&w->s3.objects, o)
        count += str_starts(o->path, prefix);
    return count;
}

static struct error *may_run(void *arg, const struct id *image, bool *ret)
{
    struct gathering *g = arg;
    g->asked++;
    if (g->silent)
        return error_new(ERROR_UNAVAILABLE, "the cloud is away");
    if (g->put_meanwhile)
        put_manifest_of(g->w, image->text, "e2");
    *ret = id_eq(image, &g->runs);
    return NULL;
}

static uint64_t collect(struct gathering *g, const struct error_code *code)
{
    atomic_bool stop = false;
    metric removed = 0;
    struct collection c = {g->w->caller, 86400000, may_run, g, &stop, &removed};
    struct error *e = collect_chunks(&c);
    assert_true(code ? error_is(e, code) : e == NULL);
    error_free(e);
    return metric_get(&removed);
}

static void test_collect(void **state)
{
    struct world *w = *state;
    struct gathering g = {.w = w, .runs = id_of("ami-runs")};
    w->s3.page = 3;
    put_chunks(w, "ami-old", "e1", 10, 90000); /* nothing knows of it */
    put_chunks(w, "ami-young", "e1", 5, 80000);
    put_chunks(w, "ami-runs", "e1", 5, 900000); /* since days */
    put_chunks(w, "ami-made", "e1", 7, 90000);  /* a making that came to nothing */
    put_chunks(w, "ami-made", "e2", 7, 90000);
    put_manifest_of(w, "ami-made", "e2");
    put_chunks(w, "ami-before", "e1", 4, 90000); /* its manifest does not say which */
    put_manifest_of(w, "ami-before", NULL);
    put_chunks(w, "ami-mixed", "e1", 4, 90000);
    s3_memory_find(&w->s3, "/mallee-images/chunks/ami-mixed/e1/00000002")->changed = time(NULL);
    s3_memory_put(&w->s3, "/mallee-images/chunks/stray", "x", 1);
    assert_int_equal(collect(&g, NULL), 10 + 7 + 3);
    assert_int_equal(count_chunks(w, "ami-old"), 0);
    assert_int_equal(count_chunks(w, "ami-young"), 5);
    assert_int_equal(count_chunks(w, "ami-runs"), 5);
    assert_int_equal(count_chunks(w, "ami-made/e1"), 0);
    assert_int_equal(count_chunks(w, "ami-made/e2"), 7);
    assert_int_equal(count_chunks(w, "ami-before"), 4);
    assert_int_equal(count_chunks(w, "ami-mixed"), 1);
    assert_non_null(s3_memory_find(&w->s3, "/mallee-images/manifests/ami-made"));
    assert_non_null(s3_memory_find(&w->s3, "/mallee-images/manifests/ami-before"));
    assert_int_equal(g.asked, 4); /* only for what no manifest names and is old */
    g.runs = (struct id){""};
    assert_int_equal(collect(&g, NULL), 5);
}

static void test_collect_doubts(void **state)
{
    struct world *w = *state;
    struct gathering g = {.w = w, .silent = true};
    assert_int_equal(collect(&g, NULL), 0); /* no bucket yet */
    put_chunks(w, "ami-one", "e2", 5, 90000);
    assert_int_equal(collect(&g, &ERROR_UNAVAILABLE), 0);
    g = (struct gathering){.w = w, .put_meanwhile = true};
    assert_int_equal(collect(&g, NULL), 0);
    assert_int_equal(g.asked, 1);
    w->s3.refuse = true;
    assert_int_equal(collect(&g, &ERROR_UNAVAILABLE), 0);
    w->s3.refuse = false;
    assert_int_equal(count_chunks(w, "ami-one"), 5);
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_make),
        IN_WORLD(test_changed),
        IN_WORLD(test_refused),
        IN_WORLD(test_first_manifest_counts),
        IN_WORLD(test_collect),
        IN_WORLD(test_collect_doubts),
    };
    return cmocka_run_group_tests_name("image-make", tests, NULL, NULL);
}
