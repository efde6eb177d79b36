/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>
#include <cmocka.h>
#include "api/gen/errors.h"
#include "cloud-controller/ec2/group/permission.h"
#include "common/base/ipv4.h"

static void test_addresses(void **state)
{
    static const char *const bad[] = {"",         "1",        "1.2.3",     "1.2.3.4.5", "256.0.0.1", "1.2.3.04", "01.2.3.4",
                                      "1.2.3.4 ", " 1.2.3.4", "1..2.3",    "-1.2.3.4",  "1.2.3.4/8", "1.2.3.x",  "0x1.2.3.4",
                                      "1.2.3.",   ".1.2.3.4", "1.2.3.1000"};
    uint32_t address = 7;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (ipv4_parse(bad[i], &address))
            fail_msg("'%s' was read", bad[i]);
    }
    assert_int_equal(address, 7);
    assert_true(ipv4_parse("172.31.0.5", &address));
    assert_int_equal(address, 0xac1f0005);
    assert_true(ipv4_parse("255.255.255.255", &address));
    assert_int_equal(address, UINT32_MAX);
}

static void test_ranges(void **state)
{
    static const char *const good[][2] = {
        {"0.0.0.0/0", "0.0.0.0/0"},         {"255.255.255.255/0", "0.0.0.0/0"},   {"100.68.0.18/18", "100.68.0.0/18"},
        {"10.0.0.7/32", "10.0.0.7/32"},     {"10.0.0.7/31", "10.0.0.6/31"},       {"192.168.255.255/1", "128.0.0.0/1"},
    };
    static const char *const bad[] = {"",           "10.0.0.0",    "10.0.0.0/",    "10.0.0.0/33",  "10.0.0.0/08", "10.0.0.0/-1",
                                      "10.0.0.0/8x", "10.0.0.0/8 ", "10.0.0/8",     "/8",           "::/0",        "10.0.0.0//8",
                                      "10.0.0.0/255.0.0.0", "10.0.0.256/8"};
    struct cidr range;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(cidr_parse(good[i][0], &range));
        _cleanup_free_ char *text = cidr_text(range);
        assert_string_equal(text, good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (cidr_parse(bad[i], &range))
            fail_msg("'%s' was read", bad[i]);
    }
    assert_true(cidr_parse("0.0.0.0/0", &range));
    assert_int_equal(cidr_size(range), 1ull << 32);
}

static void test_protocols(void **state)
{
    static const struct {
        const char *text;
        int number;
        const char *back;
    } good[] = {{"tcp", 6, "tcp"}, {"TCP", 6, "tcp"}, {"6", 6, "tcp"},   {"udp", 17, "udp"}, {"17", 17, "udp"}, {"icmp", 1, "icmp"},
                {"1", 1, "icmp"},  {"-1", -1, "-1"},  {"all", -1, "-1"}, {"50", 50, "50"},   {"0", 0, "0"},     {"255", 255, "255"}};
    static const char *const bad[] = {"", "256", "-2", "tcp ", "58", "icmpv6", "6.0", "0x6", "sctpp"};
    int number = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(permission_protocol(good[i].text, &number));
        assert_int_equal(number, good[i].number);
        _cleanup_free_ char *text = permission_protocol_text(number);
        assert_string_equal(text, good[i].back);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (permission_protocol(bad[i], &number))
            fail_msg("'%s' was read", bad[i]);
    }
}

/* A permission with one range, as a request has it. */
struct one {
    struct ec2_ip_range range;
    struct ec2_ip_permission permission;
};

static struct ec2_ip_permission *permission(struct one *o, const char *protocol, int64_t from, int64_t to, const char *cidr)
{
    o->range = (struct ec2_ip_range){.cidr_ip = (char *)cidr};
    o->permission = (struct ec2_ip_permission){.ip_protocol = (char *)protocol,
                                               .from_port = from,
                                               .to_port = to,
                                               .has_from_port = true,
                                               .has_to_port = true,
                                               .ip_ranges = {&o->range, 1, 1}};
    return &o->permission;
}

static void test_rules_have_one_form(void **state)
{
    static const struct {
        const char *protocol;
        int64_t from, to;
        const char *cidr, *text;
    } rows[] = {
        {"tcp", 22, 22, "10.9.8.7/16", "peer: 10.9.0.0/16, TCP, from port: 22, to port: 22, ALLOW"},
        {"17", 0, 65535, "0.0.0.0/0", "peer: 0.0.0.0/0, UDP, from port: 0, to port: 65535, ALLOW"},
        {"icmp", -1, -1, "1.2.3.4/32", "peer: 1.2.3.4/32, ICMP, type: -1, code: -1, ALLOW"},
        {"icmp", 8, 0, "1.2.3.4/32", "peer: 1.2.3.4/32, ICMP, type: 8, code: 0, ALLOW"},
        {"-1", 22, 99, "0.0.0.0/0", "peer: 0.0.0.0/0, ALL, ALLOW"},
        {"50", -7, 70000, "0.0.0.0/0", "peer: 0.0.0.0/0, 50, ALLOW"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct one o;
        permission_rules rules = {0};
        assert_null(permissions_read(permission(&o, rows[i].protocol, rows[i].from, rows[i].to, rows[i].cidr), 1, &rules));
        assert_int_equal(rules.len, 1);
        _cleanup_free_ char *text = permission_rule_text(&rules.data[0].rule);
        assert_string_equal(text, rows[i].text);
        permission_rules_free(&rules);
    }
}

static void test_rules_that_are_refused(void **state)
{
    static const struct {
        const char *protocol;
        int64_t from, to;
        const char *cidr;
        const struct error_code *code;
    } rows[] = {
        {"tcp", -1, 22, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},  {"tcp", 0, 65536, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},
        {"udp", 9, 8, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},    {"icmp", -2, 0, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},
        {"icmp", 256, 0, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE}, {"icmp", -1, 0, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},
        {"icmp", 0, 256, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE}, {"tcp", 1, 1, "1.0.0.0", &API_INVALID_PARAMETER_VALUE},
        {"tcp", 1, 1, NULL, &API_MISSING_PARAMETER},                 {NULL, 1, 1, "1.0.0.0/8", &API_MISSING_PARAMETER},
        {"icmpv6", 1, 1, "1.0.0.0/8", &API_UNSUPPORTED_OPERATION},   {"frob", 1, 1, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},
        {"tcp", INT64_MIN, INT64_MAX, "1.0.0.0/8", &API_INVALID_PARAMETER_VALUE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct one o;
        permission_rules rules = {0};
        _cleanup_error_ struct error *e =
            permissions_read(permission(&o, rows[i].protocol, rows[i].from, rows[i].to, rows[i].cidr), 1, &rules);
        if (!e || !error_is(e, rows[i].code))
            fail_msg("row %zu: %s", i, e ? error_message(e) : "was read");
        permission_rules_free(&rules);
    }
}

static void test_the_same_twice(void **state)
{
    struct one a, b;
    permission_rules rules = {0};
    (void)state;
    struct ec2_ip_permission both[] = {*permission(&a, "tcp", 1, 1, "10.0.0.1/8"), *permission(&b, "6", 1, 1, "10.2.0.0/8")};
    _cleanup_error_ struct error *e = permissions_read(both, 2, &rules);
    assert_true(error_is(e, &API_INVALID_PARAMETER_VALUE));
    permission_rules_free(&rules);
    both[1].ip_protocol = (char *)"udp";
    assert_null(permissions_read(both, 2, &rules));
    assert_int_equal(rules.len, 2);
    permission_rules_free(&rules);
}

static void test_rules_of_one_kind_are_one_permission(void **state)
{
    struct store_rule rows[] = {
        {.protocol = 6, .from = 22, .to = 22, .peer = (char *)"10.0.0.0/8", .description = (char *)"home"},
        {.protocol = 6, .from = 22, .to = 22, .peer = (char *)"sg-1"},
        {.protocol = 6, .from = 23, .to = 23, .peer = (char *)"10.0.0.0/8"},
        {.egress = true, .protocol = -1, .from = -1, .to = -1, .peer = (char *)"0.0.0.0/0"},
    };
    store_rules rules = {rows, 4, 4};
    struct ec2_security_group g = {0};
    (void)state;
    permissions_put(&rules, false, "123", &g.ip_permissions);
    permissions_put(&rules, true, "123", &g.ip_permissions_egress);
    assert_int_equal(g.ip_permissions.len, 2);
    assert_int_equal(g.ip_permissions.data[0].ip_ranges.len, 1);
    assert_string_equal(g.ip_permissions.data[0].ip_ranges.data[0].description, "home");
    assert_string_equal(g.ip_permissions.data[0].groups.data[0].group_id, "sg-1");
    assert_string_equal(g.ip_permissions.data[0].groups.data[0].user_id, "123");
    assert_int_equal(g.ip_permissions_egress.len, 1);
    assert_false(g.ip_permissions_egress.data[0].has_from_port);
    shape_free(&ec2_security_group_shape, &g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_rules_have_one_form),
        cmocka_unit_test(test_rules_that_are_refused),
        cmocka_unit_test(test_the_same_twice),
        cmocka_unit_test(test_rules_of_one_kind_are_one_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
