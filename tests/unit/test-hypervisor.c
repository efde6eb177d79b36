/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "node-controller/hypervisor/bounded.h"
#include "node-controller/hypervisor/hypervisor.h"
#include "node-controller/hypervisor/xml.h"

struct heard {
    atomic_int connects, started, ended;
};

static void on_connected(void *arg, bool connected)
{
    if (connected)
        atomic_fetch_add(&((struct heard *)arg)->connects, 1);
}

static void on_event(void *arg, const struct id *instance, enum domain_end what)
{
    struct heard *heard = arg;
    if (id_is(instance, "i-0123456789abcdef0"))
        atomic_fetch_add(what == DOMAIN_STARTED ? &heard->started : &heard->ended, 1);
}

#define WAIT(condition)                                                                            \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + 10000;                                                  \
        while (!(condition) && clock_mono_ms() < until_)                                           \
            usleep(2000);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static struct domain_spec sample(const char *cloud)
{
    return (struct domain_spec){.instance = id_of("i-0123456789abcdef0"), .cloud = id_of(cloud), .generation = 7,
                                .vcpus = 1, .memory_mib = 8, .disk = "/x/d'<.qcow2", .base = "/x/b&", .console = "/x/c",
                                .uid = 20001, .gid = 20002};
}

static const struct domain_info *find(const struct domain_list *l, const char *name)
{
    for (size_t i = 0; i < l->domains.len; i++)
        if (streq(l->domains.data[i].name, name))
            return &l->domains.data[i];
    return NULL;
}

static void test_life_on_the_test_driver(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct hypervisor_options o = {.uri = "test:///default", .kind = "test", .arg = &heard,
                                   .on_connected = on_connected, .on_event = on_event};
    struct hypervisor *h = NULL;
    assert_null(libvirt_open(&o, &h));
    WAIT(atomic_load(&heard.connects) == 1);
    struct domain_spec spec = sample("cloud-1");
    assert_null(hypervisor_start(h, &spec));
    assert_null(hypervisor_start(h, &spec)); /* adopted */
    _cleanup_(domain_list_free) struct domain_list l = {0};
    assert_null(hypervisor_list(h, &l));
    const struct domain_info *d = find(&l, "mallee-i-0123456789abcdef0");
    assert_non_null(d);
    assert_true(id_is(&d->instance, "i-0123456789abcdef0") && id_is(&d->cloud, "cloud-1"));
    assert_true(d->generation == 7 && d->state == DOMAIN_RUNNING);
    assert_string_equal(d->uuid, "ec200000-0000-0000-1234-56789abcdef0");
    const struct domain_info *foreign = find(&l, "test");
    assert_non_null(foreign);
    assert_true(id_none(&foreign->cloud) && id_none(&foreign->instance));
    /* another cloud's hands off */
    struct id other = id_of("cloud-2");
    _cleanup_error_ struct error *denied = hypervisor_destroy(h, &spec.instance, &other);
    assert_true(error_is(denied, &ERROR_DENIED));
    struct domain_spec stolen = sample("cloud-2");
    _cleanup_error_ struct error *taken = hypervisor_start(h, &stolen);
    assert_true(error_is(taken, &ERROR_DENIED));
    struct hypervisor_capacity room = {0};
    assert_null(hypervisor_capacity(h, &room));
    assert_true(room.cpus > 0 && room.memory_mib > 0);
    WAIT(atomic_load(&heard.started) == 1);
    assert_null(hypervisor_destroy(h, &spec.instance, &spec.cloud));
    assert_null(hypervisor_destroy(h, &spec.instance, &spec.cloud));
    WAIT(atomic_load(&heard.ended) == 1);
    _cleanup_error_ struct error *none = hypervisor_shutdown(h, &spec.instance, &spec.cloud);
    assert_true(error_is(none, &ERROR_NOT_FOUND));
    _cleanup_(domain_list_free) struct domain_list after = {0};
    assert_null(hypervisor_list(h, &after));
    assert_null(find(&after, "mallee-i-0123456789abcdef0"));
    assert_non_null(find(&after, "test"));
    hypervisor_close(h);
}

static void test_no_connection(void **state)
{
    (void)state;
    struct hypervisor_options o = {.uri = "qemu+unix:///system?socket=/nowhere/sock", .kind = "qemu"};
    struct hypervisor *h = NULL;
    assert_null(libvirt_open(&o, &h));
    struct domain_list l = {0};
    _cleanup_error_ struct error *e = hypervisor_list(h, &l);
    assert_true(error_is(e, &ERROR_UNAVAILABLE));
    assert_int_equal(l.domains.len, 0);
    hypervisor_close(h);
    o.kind = "abacus";
    _cleanup_error_ struct error *kind = libvirt_open(&o, &h);
    assert_true(error_is(kind, &ERROR_INVALID));
}

static void test_qemu_xml(void **state)
{
    (void)state;
    struct hypervisor_options o = {.kind = "qemu", .emulator = "/opt/q & co"};
    struct domain_spec spec = sample("cloud-1");
    spec.card = (struct domain_card){"tap0", "02:00:00:00:00:01", 1400};
    _cleanup_str_ struct str xml = STR_INIT;
    xml_build_qemu(&o, &spec, &xml);
    const char *const wanted[] = {
        "<domain type='qemu'>",
        "<source file='/x/d&apos;&lt;.qcow2'/>",
        "<backingStore type='file'><format type='raw'/><source file='/x/b&amp;'>",
        "<label>+20001:+20002</label>",
        "<entry name='serial'>i-0123456789abcdef0</entry>",
        "<entry name='manufacturer'>Mallee</entry>",
        "<emulator>/opt/q &amp; co</emulator>",
        "<on_crash>destroy</on_crash>",
        "<source path='/x/c' append='on'/>",
        "<target dev='tap0'/>",
        "<mtu size='1400'/>",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (!strstr(xml.data, wanted[i]))
            fail_msg("no %s in %s", wanted[i], xml.data);
    str_clear(&xml);
    spec.card.tap = NULL;
    xml_build_qemu(&o, &spec, &xml);
    assert_null(strstr(xml.data, "<interface"));
}

static void test_metadata(void **state)
{
    (void)state;
    struct id i, c;
    uint64_t g;
    assert_true(xml_read_metadata("<instance xmlns=\"u\" cloud=\"c\" id=\"i-1\" generation=\"9\"/>", &i, &c, &g));
    assert_true(id_is(&i, "i-1") && id_is(&c, "c") && g == 9);
    const char *const bad[] = {"",
                               "<x cloud='c' id='i-1'/>",
                               "<x cloud='c' id='i-1' generation='x'/>",
                               "<x cloud='c&amp;' id='i-1' generation='1'/>",
                               "<x cloud='' id='i-1' generation='1'/>",
                               "<x cloud='c' id='iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii' generation='1'/>",
                               "<x cloud='c' grid='i-1' generation='1'/>",
                               "<x cloud='c' generation='1' id='i-1/>"};
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++)
        assert_false(xml_read_metadata(bad[n], &i, &c, &g));
}

static void test_uuids(void **state)
{
    (void)state;
    char a[HYPERVISOR_UUID_LEN + 1], b[HYPERVISOR_UUID_LEN + 1];
    struct id one = id_of("i-0fffffffffffffff1"), odd = id_of("i-strange"), odd2 = id_of("i-stranger");
    hypervisor_uuid(&one, a);
    assert_string_equal(a, "ec200000-0000-0000-ffff-fffffffffff1");
    hypervisor_uuid(&odd, a);
    hypervisor_uuid(&odd2, b);
    assert_true(str_starts(a, "ec2f") && strlen(a) == 36);
    assert_string_not_equal(a, b);
}

struct slow {
    atomic_int *freed;
    pthread_mutex_t *gate;
    int value;
};

static struct error *slow_call(void *arg)
{
    struct slow *s = arg;
    pthread_mutex_lock(s->gate);
    pthread_mutex_unlock(s->gate);
    s->value = 42;
    return NULL;
}
static void use_slow(void *arg, void *to)
{
    *(int *)to = ((struct slow *)arg)->value;
}
static void free_slow(void *arg)
{
    struct slow *s = arg;
    atomic_fetch_add(s->freed, 1);
    free(s);
}

static struct error *try_slow(struct bounded *b, const char *subject, pthread_mutex_t *gate, atomic_int *freed, int ms,
                              int *ret)
{
    struct slow *s = xnew0(struct slow);
    *s = (struct slow){freed, gate, 0};
    return bounded_run(b, subject, ms, slow_call, use_slow, ret, s, free_slow);
}

static void test_bounded_calls(void **state)
{
    (void)state;
    struct bounded *b = bounded_new();
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    atomic_int freed = 0;
    int value = 0;
    assert_null(try_slow(b, "a", &gate, &freed, 5000, &value));
    assert_int_equal(value, 42);
    assert_int_equal(atomic_load(&freed), 1);
    value = 0;
    pthread_mutex_lock(&gate);
    _cleanup_error_ struct error *late = try_slow(b, "a", &gate, &freed, 50, &value);
    assert_true(error_is(late, &ERROR_TIMEOUT));
    _cleanup_error_ struct error *second = try_slow(b, "a", &gate, &freed, 5000, &value); /* at once */
    assert_true(error_is(second, &ERROR_TIMEOUT));
    assert_non_null(strstr(error_message(second), "on its way"));
    _cleanup_error_ struct error *other = try_slow(b, "b", &gate, &freed, 50, &value);
    assert_null(strstr(error_message(other), "on its way"));
    pthread_mutex_unlock(&gate);
    WAIT(atomic_load(&freed) == 4);
    assert_int_equal(value, 0);
    assert_null(try_slow(b, "a", &gate, &freed, 5000, &value));
    assert_int_equal(value, 42);
    assert_true(bounded_free(b));
}

static void *cancel_soon(void *arg)
{
    usleep(50 * 1000);
    bounded_cancel(arg);
    return NULL;
}

static void test_cancelled_calls(void **state)
{
    (void)state;
    struct bounded *b = bounded_new();
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    atomic_int freed = 0;
    int value = 0;
    pthread_t thread;
    pthread_mutex_lock(&gate);
    pthread_create(&thread, NULL, cancel_soon, b);
    int64_t before = clock_mono_ms();
    _cleanup_error_ struct error *e = try_slow(b, "a", &gate, &freed, 60000, &value);
    assert_true(error_is(e, &ERROR_TIMEOUT) && clock_mono_ms() - before < 10000);
    _cleanup_error_ struct error *later = try_slow(b, "b", &gate, &freed, 60000, &value);
    assert_true(error_is(later, &ERROR_TIMEOUT));
    pthread_join(thread, NULL);
    assert_false(bounded_free(b)); /* the call is still there; it frees what is left */
    pthread_mutex_unlock(&gate);
    WAIT(atomic_load(&freed) == 2);
}

int main(void)
{
    log_setup("test-hypervisor", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_on_the_test_driver),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_qemu_xml),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_bounded_calls),
        cmocka_unit_test(test_cancelled_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
