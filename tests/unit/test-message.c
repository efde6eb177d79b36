/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/json/json.h"
#include "core/digest.h"
#include "core/message-json.h"
#include "core/timing.h"

static void test_round_trip(void **state)
{
    (void)state;
    struct message m = {.type = MESSAGE_INVENTORY, .epoch = {3, 17}, .zone = id_of("z-1"), .node = id_of("n-1"),
                        .run = 5, .seq = 9, .boot = 2, .request = 4, .size = {8, 4096, 100},
                        .digest = 0xfedcba9876543210u, .count = 1};
    memcpy(m.request_id, "r\"q", 3);
    struct message_item *item = array_add(&m.items);
    *item = (struct message_item){.id = id_of("i-1"), .generation = 7, .present = true,
                                  .observed = OBSERVED_ENDED, .verdict = BOOT_ABSENT, .size = {1, 2, 3},
                                  .place = message_place_of("{\"subnet\":\"subnet-1\",\"address\":\"172.31.0.5\"}")};
    struct message_slots *slot = array_add(&m.slots);
    *slot = (struct message_slots){id_of("m1.small"), 12, {1, 256, 5}};
    m.body = xstrdup("{\"a\":1}");
    m.text = xstrdup("why <&>");
    _cleanup_free_ char *text = message_encode(&m, "2026-11-23T00:00:00.000Z");
    struct message back = {0};
    assert_null(message_decode(text, strlen(text), &back));
    _cleanup_free_ char *again = message_encode(&back, "2026-11-23T00:00:00.000Z");
    assert_string_equal(text, again);
    assert_true(back.digest == m.digest);
    assert_int_equal(back.items.data[0].observed, OBSERVED_ENDED);
    assert_string_equal(back.items.data[0].place.subnet.text, "subnet-1");
    assert_string_equal(back.items.data[0].place.address.text, "172.31.0.5");
    assert_string_equal(back.items.data[0].place.public_address.text, "");
    assert_int_equal(back.slots.data[0].free, 12);
    message_free(&m);
    message_free(&back);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "[]", "{}", "{\"v\":2,\"type\":\"hello\"}", "{\"v\":1,\"type\":\"goodbye\"}",
        "{\"v\":1,\"type\":\"hello\",\"zone\":\"a/b\"}", "{\"v\":1,\"type\":\"hello\",\"generation\":-1}",
        "{\"v\":1,\"type\":\"hello\",\"generation\":\"1\"}", "{\"v\":1,\"type\":\"inventory\",\"items\":{}}",
        "{\"v\":1,\"type\":\"inventory\",\"items\":[1]}", "{\"v\":1,\"type\":\"observed\",\"observed\":\"gone\"}",
        "{\"v\":1,\"type\":\"heartbeat\",\"digest\":\"12\"}",
        "{\"v\":1,\"type\":\"hello\",\"request_id\":\"0123456789012345678901234567890123456789\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct message m = {0};
        struct error *e = message_decode(bad[i], strlen(bad[i]), &m);
        if (!e)
            fail_msg("taken: %s", bad[i]);
        error_free(e);
    }
}

static void test_place(void **state)
{
    (void)state;
    static const char *const nowhere[] = {"", "{", "[]", "{\"address\":7}", "{\"subnet\":\"a/b\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++)
        assert_string_equal(message_place_of(nowhere[i]).address.text, "");
    assert_string_equal(message_place_of(NULL).subnet.text, "");
    assert_string_equal(message_place_of("{\"public_address\":\"10.96.32.1\"}").public_address.text, "10.96.32.1");
}

static void test_order(void **state)
{
    (void)state;
    assert_true(epoch_compare((struct epoch){2, 1}, (struct epoch){1, 9}) > 0);
    assert_true(epoch_compare((struct epoch){1, 1}, (struct epoch){1, 2}) < 0);
    assert_true(observed_compare(2, 0, 1, 99) > 0);
    assert_int_equal(observed_compare(2, 5, 2, 5), 0);
    assert_true(digest_object(KIND_INSTANCE, "i-1", 1) != digest_object(KIND_INSTANCE, "i-1", 2));
    assert_true(digest_object(KIND_INSTANCE, "i-1", 1) != digest_object(KIND_RESERVATION, "i-1", 1));
}

static void test_timing(void **state)
{
    (void)state;
    struct timing t = TIMING_DEFAULT;
    /* a stopped process or a jumping clock costs two ticks at most */
    assert_int_equal(timing_spend(&t, 3600 * 1000), 2 * t.tick);
    assert_int_equal(timing_spend(&t, -5), 0);
    assert_null(timing_parse(&t, "heartbeat=500,placing=900"));
    assert_int_equal(t.heartbeat, 500);
    assert_int_equal(t.placing, 900);
    static const char *const bad[] = {"heartbeat", "heartbeat=", "heartbeat=0", "heart=5", "heartbeat=x"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error *e = timing_parse(&t, bad[i]);
        assert_non_null(e);
        error_free(e);
    }
}

/* schemas/messages/messages.json tells the types that there are, and no others. */
static void test_schema_names_every_type(void **state)
{
    (void)state;
    _cleanup_free_ char *path = xasprintf("%s/schemas/messages/messages.json", ABS_SRC);
    _cleanup_free_ char *text = NULL;
    size_t len;
    assert_null(file_read(path, 1u << 20, &text, &len));
    _cleanup_(json_decrefp) json_t *o = NULL;
    assert_null(json_parse_object(text, len, 1u << 20, &o));
    const json_t *types = json_object_get(o, "types");
    assert_int_equal(json_object_size(types), MESSAGE_TYPES);
    for (int t = 0; t < MESSAGE_TYPES; t++)
        assert_non_null(json_object_get(types, message_type_name((enum message_type)t)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_place), cmocka_unit_test(test_order), cmocka_unit_test(test_timing),
                                       cmocka_unit_test(test_schema_names_every_type)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
