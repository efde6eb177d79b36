/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/id.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
#include "core/image/disk.h"

#define DISK (9u << 20)
#define FILE_MAX (64u << 20)

static char dir[] = "/tmp/test-image-disk-XXXXXX";
static char *disk; /* text, holes, noise */

struct memory {
    char *data;
    size_t len;
};

static struct error *read_memory(void *arg, uint64_t at, void *to, size_t len)
{
    const struct memory *m = arg;
    assert_true(at <= m->len && len <= m->len - at); /* the promise of every caller */
    memcpy(to, m->data + at, len);
    return NULL;
}

static struct error *open_memory(struct memory *m, struct image_disk **ret)
{
    struct image_source s = {m->len, read_memory, m};
    return image_disk_open(&s, ret);
}

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    disk = xcalloc(1, DISK);
    for (size_t i = 0; i < (2u << 20); i++)
        disk[(1u << 20) + i] = "many stems from one root "[i % 25];
    random_bytes(disk + (5u << 20), 300000);
    disk[DISK - 1] = 'x';
    _cleanup_free_ char *path = path_of("raw");
    error_ignore(file_write_durable(path, disk, DISK, 0600));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    const char *const argv[] = {"rm", "-r", dir, NULL};
    struct spawn s = {.argv = argv};
    error_ignore(spawn_check(&s));
    free(disk);
    return 0;
}

/* The disk in another form, made by QEMU's own tool. */
static struct memory convert(const char *options, bool packed)
{
    struct memory m = {NULL, 0};
    _cleanup_free_ char *from = path_of("raw"), *to = path_of("converted");
    const char *const argv[] = {"qemu-img", "convert", "-q", "-f", "raw",  "-O", "qcow2", "-o", options,
                                from,       to,        packed ? "-c" : NULL, NULL};
    struct spawn s = {.argv = argv, .deadline_ms = 60000};
    struct error *e = spawn_check(&s);
    if (e)
        fail_msg("%s", error_message(e));
    assert_null(file_read(to, FILE_MAX, &m.data, &m.len));
    return m;
}

static void check_same(struct memory *m, const char *format)
{
    _cleanup_(image_disk_freep) struct image_disk *d = NULL;
    struct error *e = open_memory(m, &d);
    if (e)
        fail_msg("%s", error_message(e));
    assert_string_equal(image_disk_format(d), format);
    assert_int_equal(image_disk_size(d), DISK);
    _cleanup_free_ char *read = xmalloc(DISK);
    memset(read, 0x5a, DISK);
    for (size_t at = 0; at < DISK;) { /* pieces that fit no cluster */
        size_t len = DISK - at < 777777 ? DISK - at : 777777;
        assert_null(image_disk_read(d, at, read + at, len));
        at += len;
    }
    assert_memory_equal(read, disk, DISK);
    e = image_disk_read(d, DISK - 1, read, 2);
    assert_true(error_is(e, &ERROR_INVALID));
    error_free(e);
}

static void test_raw(void **state)
{
    (void)state;
    struct memory m = {disk, DISK};
    check_same(&m, "raw");
}

static void test_raw_rounded(void **state)
{
    (void)state;
    char text[] = "five!";
    struct memory m = {text, 5};
    _cleanup_(image_disk_freep) struct image_disk *d = NULL;
    char sector[512];
    assert_null(open_memory(&m, &d));
    assert_int_equal(image_disk_size(d), 512);
    assert_null(image_disk_read(d, 0, sector, 512));
    assert_memory_equal(sector, "five!\0\0\0", 8);
    assert_int_equal(sector[511], 0);
}

static void test_qcow2(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        bool packed;
    } forms[] = {
        {"compat=1.1", false},
        {"compat=0.10", false},
        {"compat=0.10", true},
        {"cluster_size=512", false},
        {"cluster_size=2M", true},
        {"cluster_size=4k,lazy_refcounts=on", true},
        {"compression_type=zstd", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct memory m = convert(forms[i].options, forms[i].packed);
        check_same(&m, "qcow2");
        free(m.data);
    }
}

static void expect_refusal(struct memory *m, const char *why)
{
    struct image_disk *d = NULL;
    struct error *e = open_memory(m, &d);
    assert_true(error_is(e, &ERROR_INVALID));
    if (!strstr(error_message(e), why))
        fail_msg("'%s' does not say '%s'", error_message(e), why);
    error_free(e);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char to;
        const char *why;
    } sins[] = {
        {7, 4, "version"},      {15, 1, "backing"},      {19, 9, "backing"},    {35, 1, "encrypted"},
        {79, 4, "another file"}, {79, 2, "corrupt"},      {79, 16, "features"},  {72, 1, "features"},
        {23, 8, "clusters"},    {23, 22, "clusters"},    {24, 1, "size"},       {39, 0, "too short"},
        {40, 1, "past its own end"},
    };
    struct memory m = convert("compat=1.1", false);
    for (size_t i = 0; i < ARRAY_SIZE(sins); i++) {
        char was = m.data[sins[i].at];
        m.data[sins[i].at] = (char)sins[i].to;
        expect_refusal(&m, sins[i].why);
        m.data[sins[i].at] = was;
    }
    m.data[79] = 8;
    m.data[104] = 7;
    expect_refusal(&m, "compression");
    struct memory cut = {m.data, 71};
    expect_refusal(&cut, "cut short");
    cut.len = 100;
    expect_refusal(&cut, "cut short");
    free(m.data);
    struct memory none = {NULL, 0};
    expect_refusal(&none, "empty");
    char gzip[] = "\x1f\x8b....";
    struct memory other = {gzip, 6};
    expect_refusal(&other, "gzip");
}

/* Whatever bits flip in the tables, reading ends, within the file. */
static void test_flips(void **state)
{
    (void)state;
    struct memory m = convert("compat=1.1", true);
    _cleanup_free_ char *read = xmalloc(DISK);
    size_t failed = 0;
    for (size_t k = 0; k < 4000; k++) {
        uint32_t random;
        random_bytes(&random, sizeof random);
        size_t at = k < 112 * 8 ? k / 8 : random % (5u << 16); /* header, then the tables behind it */
        struct image_disk *d = NULL;
        at %= m.len;
        m.data[at] ^= (char)(1u << k % 8);
        struct error *e = open_memory(&m, &d);
        if (!e && image_disk_size(d) <= DISK && k % 8 == 0)
            e = image_disk_read(d, 0, read, image_disk_size(d));
        failed += e != NULL;
        error_free(e);
        image_disk_free(d);
        m.data[at] ^= (char)(1u << k % 8);
    }
    assert_true(failed > 100);
    check_same(&m, "qcow2");
    free(m.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),     cmocka_unit_test(test_raw_rounded), cmocka_unit_test(test_qcow2),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_flips),
    };
    return cmocka_run_group_tests_name("image-disk", tests, setup, teardown);
}
