/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/mq/ring.h"
#include "common/mq/url.h"

static void test_url(void **state)
{
    (void)state;
    _cleanup_(mq_url_free) struct mq_url u = {0};
    assert_null(mq_url_parse("amqp://us%40er:p%3a%2Fw:x@host.example:5673/v%2Fh", &u));
    assert_string_equal(u.user, "us@er");
    assert_string_equal(u.password, "p:/w:x");
    assert_string_equal(u.host, "host.example");
    assert_int_equal(u.port, 5673);
    assert_string_equal(u.vhost, "v/h");
    mq_url_free(&u);
    assert_null(mq_url_parse("amqp://a:@h", &u));
    assert_string_equal(u.password, "");
    assert_int_equal(u.port, 5672);
    assert_string_equal(u.vhost, "/");
}

static void test_bad_urls(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "http://a:sesame@h",
                               "amqp://h",
                               "amqp://a@h",
                               "amqp://:sesame@h",
                               "amqp://a:sesame@",
                               "amqp://a:sesame@h:0",
                               "amqp://a:sesame@h:65536",
                               "amqp://a:sesame@h:x",
                               "amqp://a:sesame%2@h",
                               "amqp://a:sesame%zz@h",
                               "amqp://a:sesame%00@h",
                               "amqp://a:sesame@h/%"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct mq_url u = {0};
        _cleanup_error_ struct error *e = mq_url_parse(bad[i], &u);
        if (!e)
            fail_msg("'%s' was taken", bad[i]);
        assert_null(strstr(error_message(e), "sesame"));
        assert_null(u.user);
    }
}

struct told {
    int n;
    enum mq_verdict verdict;
};

static void tell(void *arg, enum mq_verdict verdict)
{
    struct told *t = arg;
    t->n++;
    t->verdict = verdict;
}

static void test_ring_out_of_order(void **state)
{
    (void)state;
    struct ring r;
    struct told t[6] = {{0, MQ_LOST}};
    size_t returned;
    ring_init(&r);
    for (int i = 1; i <= 5; i++)
        assert_true(ring_add(&r, tell, &t[i], i * 10) == (uint64_t)i);
    assert_true(ring_open(&r) == 5 && ring_older(&r, 30) == 2);
    /* as the broker does it: ack 2, ack 4 (single), 3 was returned, ack up to 3, nack 5 */
    assert_true(ring_settle(&r, 2, false, MQ_CONFIRMED, &returned) == 1 && returned == 0);
    assert_true(ring_settle(&r, 4, false, MQ_CONFIRMED, &returned) == 1);
    assert_int_equal(t[3].n, 0);
    ring_returned(&r, 3);
    assert_int_equal(t[3].n, 0);
    assert_true(ring_settle(&r, 3, true, MQ_CONFIRMED, &returned) == 1 && returned == 1);
    assert_true(t[1].verdict == MQ_CONFIRMED && t[3].verdict == MQ_RETURNED);
    assert_true(ring_settle(&r, 5, true, MQ_NACKED, &returned) == 1);
    assert_true(t[5].verdict == MQ_NACKED && t[4].verdict == MQ_CONFIRMED);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(t[i].n, 1);
    /* doubles and tags never given out change nothing */
    assert_true(ring_settle(&r, 5, false, MQ_CONFIRMED, &returned) == 0 && returned == 0);
    assert_true(ring_settle(&r, 99, false, MQ_CONFIRMED, &returned) == 0);
    assert_true(ring_settle(&r, 99, true, MQ_CONFIRMED, &returned) == 0);
    ring_returned(&r, 99);
    assert_true(ring_open(&r) == 0);
}

static void test_ring_fills_and_loses(void **state)
{
    (void)state;
    struct ring r;
    struct told t = {0, MQ_CONFIRMED}, first = {0, MQ_LOST};
    size_t returned;
    ring_init(&r);
    ring_add(&r, tell, &first, 0);
    for (int i = 1; i < MQ_WINDOW; i++) {
        assert_false(ring_full(&r));
        ring_add(&r, tell, &t, 0);
    }
    assert_true(ring_full(&r));
    ring_settle(&r, 2, false, MQ_CONFIRMED, &returned);
    assert_true(ring_full(&r)); /* the oldest holds its slot */
    ring_settle(&r, 1, false, MQ_CONFIRMED, &returned);
    assert_false(ring_full(&r));
    ring_add(&r, tell, &t, 0);
    assert_int_equal(first.n, 1);
    size_t open = ring_open(&r);
    assert_true(ring_lose(&r) == open && open == MQ_WINDOW - 1);
    assert_true(t.verdict == MQ_LOST && t.n == MQ_WINDOW);
    assert_true(ring_add(&r, NULL, NULL, 0) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_ring_out_of_order),
        cmocka_unit_test(test_ring_fills_and_loses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
