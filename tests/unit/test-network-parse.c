/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "node-controller/network/network.h"
#include "node-controller/network/parse.h"

static json_t *guest_body(void)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:[s,s,s],s:s}", "address", "172.31.0.5", "mac", "02:AB:00:00:00:05", "subnet",
                     "subnet-1", "subnet_cidr", "172.31.0.0/20", "vpc", "vpc-1", "vpc_cidr", "172.31.0.0/16", "vni", 1001, "groups",
                     "sg-1", "sg-2", "sg-1", "public_address", "10.96.96.7");
}

static void test_guest(void **state)
{
    _cleanup_json_ json_t *body = guest_body();
    struct id id = id_of("i-1");
    struct network_guest g;
    (void)state;
    assert_null(network_guest_parse(&id, body, &g));
    assert_string_equal(g.address, "172.31.0.5");
    assert_string_equal(g.mac, "02:ab:00:00:00:05");
    assert_string_equal(g.subnet_cidr, "172.31.0.0/20");
    assert_string_equal(g.public_address, "10.96.96.7");
    assert_int_equal(g.vni, 1001);
    assert_int_equal(g.groups_len, 2);
    json_object_del(body, "public_address");
    assert_null(network_guest_parse(&id, body, &g));
    assert_string_equal(g.public_address, "");
}

/* Each of these, put into a good body, spoils it. */
static void test_guest_refused(void **state)
{
    static const char *const bad[][2] = {
        {"address", "\"172.31.0.1\""}, {"address", "\"172.31.0.0\""}, {"address", "\"172.31.15.255\""},
        {"address", "\"10.0.0.5\""},
        {"address", "\"172.31.0.5 \""}, {"address", "\"172.31.5\""}, {"address", "5"},
        {"address", "\"172.31.0.5; flush ruleset\""},
        {"mac", "\"03:00:00:00:00:05\""}, {"mac", "\"02:00:00:00:00\""}, {"mac", "\"02:00:00:00:00:0g\""}, {"mac", "\"\""},
        {"mac", "\"00:00:00:00:00:00\""}, {"mac", "\"02-00-00-00-00-05\""},
        {"subnet", "\"a b\""}, {"subnet", "\"../x\""}, {"subnet", "\"\""}, {"subnet", "\"-x\""}, {"vpc", "\"..\""},
        {"vpc", "\"x\""},
        {"vpc", "\"vpc-/\""}, 
        {"subnet_cidr", "\"10.0.0.0/20\""}, {"subnet_cidr", "\"172.31.0.0/33\""}, 
        {"subnet_cidr", "\"172.31.0.0\""},
        {"subnet_cidr", "\"172.31.0.0/32\""}, {"vpc_cidr", "\"172.31.0.0/x\""}, {"vpc_cidr", "\"172.31.0.0/28\""},
        {"vni", "0"}, {"vni", "16777216"}, {"vni", "-1"}, {"vni", "\"1\""}, {"public_address", "\"x\""}, {"public_address", "7"},
        {"groups", "\"sg-1\""}, {"groups", "[1]"}, {"groups", "[\"a b\"]"}, {"groups", "[\"sg\\n\"]"},
        {"groups", "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]"},
    };
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        _cleanup_json_ json_t *body = guest_body();
        struct id id = id_of("i-1");
        struct network_guest g;
        json_set(body, bad[k][0], json_loads(bad[k][1], JSON_DECODE_ANY, NULL));
        _cleanup_error_ struct error *e = network_guest_parse(&id, body, &g);
        if (!e)
            fail_msg("%s: %s was taken", bad[k][0], bad[k][1]);
        assert_true(error_is(e, &ERROR_INVALID));
    }
}

static struct error *read_group(const char *rules, struct group **ret)
{
    _cleanup_free_ char *text = xasprintf("{\"vpc\":\"vpc-1\",\"rules\":[%s]}", rules);
    _cleanup_json_ json_t *body = json_loads(text, 0, NULL);
    struct id id = id_of("sg-1");
    assert_non_null(body);
    return group_parse(&id, body, ret);
}

static void test_group(void **state)
{
    _cleanup_(group_freep) struct group *g = NULL;
    (void)state;
    assert_null(read_group("{\"direction\":\"in\",\"protocol\":\"tcp\",\"from\":22,\"to\":23,\"cidr\":\"10.1.2.3/8\"},"
                           "{\"direction\":\"out\",\"protocol\":\"all\",\"cidr\":\"0.0.0.0/0\"},"
                           "{\"direction\":\"in\",\"protocol\":\"icmp\","
                           "\"from\":8,\"to\":-1,\"members\":[\"172.31.0.6\",\"172.31.0.5\",\"172.31.0.6\"]},"
                           "{\"direction\":\"in\",\"protocol\":50,\"members\":[]},{\"direction\":\"in\","
                           "\"protocol\":\"51\",\"members\":[]}", &g));
    assert_int_equal(g->rules.len, 5);
    const struct group_rule *r = g->rules.data;
    assert_true(r[0].in && r[0].protocol == 6 && r[0].from == 22 && r[0].to == 23);
    assert_true(r[0].peers.data[0].base == 0x0a000000 && r[0].peers.data[0].len == 8);
    assert_true(!r[1].in && r[1].protocol == PROTOCOL_ALL);
    assert_int_equal(r[2].peers.len, 2); /* the same address twice is one */
    assert_true(r[2].from == 8 && r[2].to == -1);
    assert_true(r[3].protocol == 50 && r[4].protocol == 51);
}

static void test_group_refused(void **state)
{
    static const char *const bad[] = {
        "1", "{}", "{\"direction\":\"up\",\"protocol\":\"all\",\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":\"tcp\",\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":\"tcp\",\"from\":23,\"to\":22,\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":\"tcp\",\"from\":-1,\"to\":22,\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":\"tcp\",\"from\":0,\"to\":65536,\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":\"icmp\",\"from\":256,\"to\":-1,\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":256,\"cidr\":\"0.0.0.0/0\"}", "{\"direction\":\"in\",\"protocol\":\"ospf\","
                           "\"cidr\":\"0.0.0.0/0\"}",
        "{\"direction\":\"in\",\"protocol\":\"all\"}", "{\"direction\":\"in\",\"protocol\":\"all\","
                           "\"cidr\":\"0.0.0.0/0\",\"members\":[]}",
        "{\"direction\":\"in\",\"protocol\":\"all\",\"cidr\":\"0.0.0.0\"}", "{\"direction\":\"in\",\"protocol\":\"all\","
                           "\"members\":[\"x\"]}",
        "{\"direction\":\"in\",\"protocol\":\"all\",\"members\":{}}",
    };
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        struct group *g = NULL;
        _cleanup_error_ struct error *e = read_group(bad[k], &g);
        if (!e)
            fail_msg("%s was taken", bad[k]);
        assert_null(g);
    }
}

static void test_ranges_swallow_what_lies_in_them(void **state)
{
    _cleanup_(group_freep) struct group *g = NULL;
    struct cidr outer, inner;
    char text[CIDR_TEXT];
    (void)state;
    assert_null(read_group("{\"direction\":\"in\",\"protocol\":\"all\",\"members\":[\"10.0.0.3\",\"10.0.0.1\","
                           "\"10.0.0.2\",\"10.0.0.1\"]}", &g));
    assert_int_equal(g->rules.data[0].peers.len, 3);
    assert_true(cidr_parse("0.0.0.0/0", &outer, NULL) && cidr_parse("255.255.255.255/32", &inner, NULL));
    assert_true(cidr_holds(&outer, &inner) && !cidr_holds(&inner, &outer));
    assert_true(cidr_parse("172.31.19.4/20", &outer, NULL));
    cidr_text(&outer, text);
    assert_string_equal(text, "172.31.16.0/20");
    assert_false(cidr_parse("1.2.3.4/033", &outer, NULL));
    assert_false(cidr_parse("1.2.3.4/", &outer, NULL));
    assert_false(cidr_parse("/8", &outer, NULL));
}

static void test_subnet(void **state)
{
    static const char *const bad[] = {
        "{\"vpc\":\"vpc-1\",\"cidr\":\"172.31.0.0/20\",\"vni\":0,\"hosts\":[]}", "{\"vpc\":\"vpc-1\",\"cidr\":\"x\","
                           "\"vni\":7,\"hosts\":[]}",
        "{\"vpc\":\"vpc-1\",\"cidr\":\"172.31.0.0/20\",\"vni\":7}",
        "{\"vpc\":\"vpc-1\",\"cidr\":\"172.31.0.0/20\",\"vni\":7,\"hosts\":[{\"address\":\"10.0.0.5\","
                           "\"mac\":\"02:00:00:00:00:05\",\"link\":\"10.96.65.2\"}]}",
        "{\"vpc\":\"vpc-1\",\"cidr\":\"172.31.0.0/20\",\"vni\":7,\"hosts\":[{\"address\":\"172.31.0.5\",\"mac\":\"x\","
                           "\"link\":\"10.96.65.2\"}]}",
        "{\"vpc\":\"vpc-1\",\"cidr\":\"172.31.0.0/20\",\"vni\":7,\"hosts\":[{\"address\":\"172.31.0.5\","
                           "\"mac\":\"02:00:00:00:00:05\"}]}",
    };
    static const char good[] = "{\"vpc\":\"vpc-1\",\"cidr\":\"172.31.0.0/20\",\"vni\":7,\"hosts\":[{\"address\":\"172.31.0.5\","
                               "\"mac\":\"02:00:00:00:00:05\",\"node\":\"n-1\",\"link\":\"10.96.65.2\"}]}";
    struct id id = id_of("subnet-1");
    _cleanup_json_ json_t *body = json_loads(good, 0, NULL);
    _cleanup_(subnet_freep) struct subnet *s = NULL;
    (void)state;
    assert_null(subnet_parse(&id, body, &s));
    assert_int_equal(s->hosts.len, 1);
    assert_int_equal(s->hosts.data[0].link, 0x0a604102);
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        _cleanup_json_ json_t *spoiled = json_loads(bad[k], 0, NULL);
        struct subnet *none = NULL;
        _cleanup_error_ struct error *e = subnet_parse(&id, spoiled, &none);
        assert_non_null(e);
    }
}

static void test_tap_name(void **state)
{
    struct id one = id_of("i-0123456789abcdef0"), two = id_of("i-0123456789abcdef1");
    _cleanup_free_ char *a = network_tap_name(&one);
    _cleanup_free_ char *b = network_tap_name(&two);
    (void)state;
    assert_int_equal(strlen(a), 14);
    assert_true(str_starts(a, "mt"));
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guest),
        cmocka_unit_test(test_guest_refused),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_group_refused),
        cmocka_unit_test(test_ranges_swallow_what_lies_in_them),
        cmocka_unit_test(test_subnet),
        cmocka_unit_test(test_tap_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
