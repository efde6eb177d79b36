/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "common/crc/crc.h"
#include "common/xml/xml.h"

static void test_crcs(void **state)
{
    (void)state;
    assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32c_add(0, "123456789", 9), 0xe3069283);
    assert_true(crc64nvme_add(0, "123456789", 9) == UINT64_C(0xae8b14860a799888));
    uint32_t c = crc32c_add(crc32c_add(0, "1234", 4), "56789", 5);
    assert_int_equal(c, 0xe3069283);
}

static void test_join(void **state)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog, over and over again";
    size_t n = sizeof text - 1;
    (void)state;
    for (size_t cut = 0; cut <= n; cut++) {
        assert_true(crc_join(CRC_32, crc32_add(0, text, cut), crc32_add(0, text + cut, n - cut), n - cut) ==
                    crc32_add(0, text, n));
        assert_true(crc_join(CRC_32C, crc32c_add(0, text, cut), crc32c_add(0, text + cut, n - cut), n - cut) ==
                    crc32c_add(0, text, n));
        assert_true(crc_join(CRC_64NVME, crc64nvme_add(0, text, cut), crc64nvme_add(0, text + cut, n - cut),
                             n - cut) == crc64nvme_add(0, text, n));
    }
}

static void test_xml(void **state)
{
    static const char text[] = "<?xml version='1.0'?><a xmlns='urn:x'> <b>1 &amp; 2</b><c/></a>";
    _cleanup_(xml_freep) struct xml *x = NULL;
    (void)state;
    assert_null(xml_parse(text, sizeof text - 1, &x));
    assert_string_equal(xml_name(xml_root(x)), "a");
    const struct xml_node *b = xml_child(xml_root(x));
    _cleanup_free_ char *content = xml_content(b);
    assert_string_equal(content, "1 & 2");
    assert_string_equal(xml_name(xml_next(b)), "c");
    assert_null(xml_next(xml_next(b)));
}

static void refuse(const char *text)
{
    struct xml *x = NULL;
    _cleanup_error_ struct error *e = xml_parse(text, strlen(text), &x);
    assert_true(error_is(e, &ERROR_INVALID));
}

static void test_xml_refused(void **state)
{
    struct str deep = STR_INIT;
    (void)state;
    refuse("<a>");
    refuse("");
    refuse("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>");
    refuse("<a>&x;</a>");
    for (int i = 0; i < 40; i++)
        str_add(&deep, "<a>");
    for (int i = 0; i < 40; i++)
        str_add(&deep, "</a>");
    refuse(deep.data);
    str_free(&deep);
}

static void test_escape(void **state)
{
    struct str s = STR_INIT;
    (void)state;
    xml_element(&s, "k", "<a>&\"\x01\r");
    assert_string_equal(s.data, "<k>&lt;a&gt;&amp;&quot;&#x1;&#xD;</k>");
    str_free(&s);
    xml_escape(&s, "it's\t\n\x1f\r\xc3\xa9", XML_REPLACED);
    assert_string_equal(s.data, "it&apos;s\t\n\xef\xbf\xbd&#xD;\xc3\xa9");
    str_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crcs),        cmocka_unit_test(test_join),
        cmocka_unit_test(test_xml),         cmocka_unit_test(test_xml_refused),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
