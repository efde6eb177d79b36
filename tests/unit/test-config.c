/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/config/config.h"

struct sample {
    char *listen, *certificate, *url, *dir;
    uint64_t size, pause;
    bool on;
    struct config_list zones;
};

static const struct config_key keys[] = {
    {.name = "listen", .type = CONFIG_ADDRESS, .offset = offsetof(struct sample, listen), .value = "127.0.0.1:80",
     .doc = "Where.", .tls_key = "certificate"},
    {.name = "certificate", .type = CONFIG_PATH, .offset = offsetof(struct sample, certificate), .doc = "Which."},
    {.name = "broker", .type = CONFIG_STRING, .offset = offsetof(struct sample, url), .doc = "The broker.",
     .secret = true, .required = true},
    {.name = "state-dir", .type = CONFIG_PATH, .offset = offsetof(struct sample, dir), .value = "/tmp", .doc = "D."},
    {.name = "size", .type = CONFIG_U64, .offset = offsetof(struct sample, size), .value = "1GiB", .doc = "Size.",
     .min = 1024, .max = UINT64_C(1) << 40},
    {.name = "pause", .type = CONFIG_DURATION, .offset = offsetof(struct sample, pause), .value = "5s",
     .doc = "Pause."},
    {.name = "on", .type = CONFIG_BOOL, .offset = offsetof(struct sample, on), .value = "no", .doc = "On."},
    {.name = "zones", .type = CONFIG_LIST, .offset = offsetof(struct sample, zones), .value = "a, b", .doc = "Z."},
};
static const struct config_program program = {
    .name = "sample", .summary = "a sample", .keys = keys, .len = ARRAY_SIZE(keys)};

static enum config_outcome load(struct sample *c, struct str *out, const char *const *flags)
{
    char *argv[16] = {(char *)(uintptr_t) "sample"};
    int argc = 1;
    for (; *flags; flags++)
        argv[argc++] = (char *)(uintptr_t)*flags;
    return config_load(&program, argc, argv, c, out);
}
#define LOAD(c, out, ...) load((c), (out), (const char *const[]){__VA_ARGS__, NULL})

static void test_defaults_and_flags(void **state)
{
    (void)state;
    struct sample c = {0};
    _cleanup_str_ struct str out = STR_INIT;
    assert_int_equal(LOAD(&c, &out, "--broker=amqp://x", "--pause", "250", "--size", "2 KiB", "--on=yes"), CONFIG_RUN);
    assert_string_equal(c.listen, "127.0.0.1:80");
    assert_string_equal(c.url, "amqp://x");
    assert_true(c.pause == 250 && c.size == 2048 && c.on);
    assert_int_equal(c.zones.len, 2);
    assert_string_equal(c.zones.items[1], "b");
    assert_non_null(strstr(str_text(&out), "--broker is a secret"));
    assert_null(strstr(str_text(&out), "amqp://x"));
    config_free(&program, &c);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test-config-XXXXXX";
    int fd = mkstemp(path);
    dprintf(fd, "# comment\n\n broker = secret = yes \npause=1m\nlisten = [::1]:0\n");
    close(fd);
    struct sample c = {0};
    _cleanup_str_ struct str out = STR_INIT;
    assert_int_equal(LOAD(&c, &out, "--config", path, "--pause", "2s"), CONFIG_RUN);
    assert_string_equal(c.url, "secret = yes");
    assert_true(c.pause == 2000);
    assert_string_equal(str_text(&out), "");
    config_free(&program, &c);
    chmod(path, 0644);
    c = (struct sample){0};
    assert_int_equal(LOAD(&c, &out, "--config", path), CONFIG_RUN);
    assert_non_null(strstr(str_text(&out), "chmod 600"));
    assert_true(c.pause == 60000);
    config_free(&program, &c);
    unlink(path);
}

static void test_every_error_at_once(void **state)
{
    (void)state;
    char path[] = "/tmp/test-config-XXXXXX";
    int fd = mkstemp(path);
    dprintf(fd, "nonsense\nno-such = 1\nsize = 12 parsecs\n");
    close(fd);
    struct sample c = {0};
    _cleanup_str_ struct str out = STR_INIT;
    assert_int_equal(LOAD(&c, &out, "--check-config", "--config", path, "--listen", "0.0.0.0:80", "--state-dir", "tmp",
                          "--size=1", "--nope=2", "stray"),
                     CONFIG_EXIT_BAD);
    const char *const wanted[] = {":1: no '='",   "no key 'no-such'",      "12 parsecs",    "is not between",
                                  "broker must",  "'tmp' is not an absol", "flag '--nope",  "'stray' is not",
                                  "needs certificate"};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (!strstr(str_text(&out), wanted[i]))
            fail_msg("'%s' is not said in:\n%s", wanted[i], str_text(&out));
    config_free(&program, &c);
    unlink(path);
}

static void test_check_and_tls(void **state)
{
    (void)state;
    const char *const open[] = {"0.0.0.0:80", "10.0.0.1:80", "[::]:80", "127.evil.example:80", "example.org:80"};
    for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
        struct sample c = {0};
        _cleanup_str_ struct str out = STR_INIT;
        assert_int_equal(LOAD(&c, &out, "--broker=x", "--listen", open[i]), CONFIG_EXIT_BAD);
        str_clear(&out);
        config_free(&program, &c);
        assert_int_equal(LOAD(&c, &out, "--broker=x", "--check-config", "--certificate=/c", "--listen", open[i]),
                         CONFIG_EXIT_OK);
        assert_true(str_ends(out.data, "ok\n"));
        config_free(&program, &c);
    }
}

static void test_documents(void **state)
{
    (void)state;
    struct sample c = {0};
    _cleanup_str_ struct str out = STR_INIT;
    assert_int_equal(LOAD(&c, &out, "--help"), CONFIG_EXIT_OK);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_non_null(strstr(out.data, keys[i].name));
    str_clear(&out);
    assert_int_equal(LOAD(&c, &out, "--man"), CONFIG_EXIT_OK);
    assert_true(str_starts(out.data, ".TH SAMPLE 8"));
    assert_non_null(strstr(out.data, "state\\-dir = /PATH"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_flags), cmocka_unit_test(test_file),
        cmocka_unit_test(test_every_error_at_once), cmocka_unit_test(test_check_and_tls),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
