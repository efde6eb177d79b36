/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "api/action.h"
#include "api/gen/admin.h"
#include "api/gen/ec2.h"
#include "api/gen/errors.h"
#include "api/gen/sts.h"
#include "api/query.h"
#include "api/shape-json.h"
#include "api/xml-write.h"

static struct error *run(const char *text, struct ec2_run_instances_request *ret)
{
    _cleanup_params_ struct params p = {0};
    memset(ret, 0, sizeof *ret);
    RETURN_IF_ERROR(params_parse(&p, text, strlen(text)));
    return query_read(&p, &ec2_run_instances_request_shape, ret);
}

static void done(struct ec2_run_instances_request *r)
{
    shape_free(&ec2_run_instances_request_shape, r);
}

static void test_query_reads_a_whole_request(void **state)
{
    (void)state;
    struct ec2_run_instances_request r;
    assert_null(run("Action=RunInstances&Version=2016-11-15&X-Amz-Date=x&ImageId=ami-1&MaxCount=3&MinCount=1"
                    "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.2.Key=b"
                    "&TagSpecification.1.Tag.2.Value=&TagSpecification.1.Tag.10.Key=j"
                    "&TagSpecification.1.Tag.1.Value=1&TagSpecification.1.Tag.1.Key=a+%2B"
                    "&Placement.AvailabilityZone=us-east-1a&DryRun=true&EbsOptimized=false&Monitoring.Enabled=false",
                    &r));
    assert_string_equal(r.image_id, "ami-1");
    assert_int_equal(r.max_count, 3);
    assert_null(r.client_token);
    assert_string_equal(r.placement->availability_zone, "us-east-1a");
    assert_true(r.has_ebs_optimized && !r.ebs_optimized);
    assert_int_equal(r.tag_specification.len, 1);
    const struct ec2_tag_specification *t = &r.tag_specification.data[0];
    assert_int_equal(t->tag.len, 3); /* gaps closed, in the order of the numbers */
    assert_string_equal(t->tag.data[0].key, "a +");
    assert_string_equal(t->tag.data[0].value, "1");
    assert_string_equal(t->tag.data[1].value, "");
    assert_string_equal(t->tag.data[2].key, "j");
    assert_null(t->tag.data[2].value);
    done(&r);
}

/* Each is added to a sound request. */
static const struct {
    const struct error_code *code;
    const char *text;
} refusals[] = {
    {&API_UNKNOWN_PARAMETER, "Foo=1"},
    {&API_UNKNOWN_PARAMETER, "imageId=ami-1"},
    {&API_UNKNOWN_PARAMETER, "InstanceType.1=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.1=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.0.ResourceType=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.01.ResourceType=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.-1.ResourceType=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.999999999999.ResourceType=x"},
    {&API_UNKNOWN_PARAMETER, "TagSpecification.1.Tag.1.Key.1.1.1.1.1.1.1=x"},
    {&API_UNKNOWN_PARAMETER, "Placement=x"},
    {&API_UNKNOWN_PARAMETER, "Placement.Foo=x"},
    {&API_MALFORMED_QUERY_STRING, "ImageId=twice"},
    {&API_INVALID_PARAMETER_VALUE, "EbsOptimized=yes"},
    {&API_UNSUPPORTED_OPERATION, "KernelId=aki-1"},
    {&API_UNSUPPORTED_OPERATION, "IamInstanceProfile.Name=x"},
    {&API_UNSUPPORTED_OPERATION, "NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.Ipv6Addresses.1.Ipv6Address=%3A%3A1"},
};

static void test_query_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        _cleanup_free_ char *text = xasprintf("ImageId=ami-1&MinCount=1&MaxCount=1&%s", refusals[i].text);
        struct ec2_run_instances_request r;
        _cleanup_error_ struct error *e = run(text, &r);
        done(&r);
        if (!e || !error_is(e, refusals[i].code))
            fail_msg("%s: %s %s", refusals[i].text, e ? error_code(e)->wire : "accepted", e ? error_message(e) : "");
    }
}

static void test_query_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "0",  "-1",   "1001", "1.0",       "1e1",
                                      "%201", "1%20", "0x1", "%2B1", "2147483648", "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_free_ char *text = xasprintf("ImageId=ami-1&MaxCount=1&MinCount=%s", bad[i]);
        struct ec2_run_instances_request r;
        _cleanup_error_ struct error *e = run(text, &r);
        done(&r);
        if (!e || !error_is(e, &API_INVALID_PARAMETER_VALUE))
            fail_msg("MinCount=%s was accepted", bad[i]);
    }
    struct ec2_run_instances_request r;
    _cleanup_error_ struct error *e = run("ImageId=ami-1&MinCount=1", &r);
    done(&r);
    assert_true(error_is(e, &API_MISSING_PARAMETER));
    assert_string_equal(error_message(e), "The request must contain the parameter MaxCount");
}

static void test_too_many_parameters(void **state)
{
    (void)state;
    for (size_t count = PARAMS_MAX; count <= PARAMS_MAX + 1; count++) {
        _cleanup_str_ struct str text = STR_INIT;
        for (size_t i = 1; i <= count; i++)
            str_printf(&text, "%sInstanceId.%zu=i-1", i == 1 ? "" : "&", count + 1 - i);
        _cleanup_params_ struct params p = {0};
        struct ec2_terminate_instances_request r = {0};
        struct error *e = params_parse(&p, text.data, text.len);
        if (!e)
            e = query_read(&p, &ec2_terminate_instances_request_shape, &r);
        assert_int_equal(e == NULL, count == PARAMS_MAX);
        error_free(e);
        assert_int_equal(r.instance_id.len, count == PARAMS_MAX ? count : 0);
        shape_free(&ec2_terminate_instances_request_shape, &r);
    }
}

static void test_xml(void **state)
{
    (void)state;
    struct ec2_run_instances_response out = {.reservation_id = xstrdup("r-1")};
    struct ec2_instance *i = array_add(&out.instances_set);
    i->instance_id = xstrdup("i-1");
    i->instance_state = xnew0(struct ec2_instance_state);
    i->instance_state->has_code = true;
    i->instance_state->name = xstrdup("pending");
    i->launch_time = 1000;
    i->has_launch_time = i->has_ebs_optimized = true;
    array_add(&i->tag_set)->key = xstrdup("<a&b>\x01\"");
    _cleanup_str_ struct str s = STR_INIT;
    xml_answer(&s, XML_EC2, "RunInstances", "http://ec2.amazonaws.com/doc/2014-09-01/", "req",
               &ec2_run_instances_response_shape, &out);
    assert_string_equal(s.data,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<RunInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2014-09-01/\">"
                        "<requestId>req</requestId><reservationId>r-1</reservationId><groupSet/><instancesSet><item>"
                        "<instanceId>i-1</instanceId><instanceState><code>0</code><name>pending</name></instanceState>"
                        "<productCodes/><launchTime>1970-01-01T00:00:01.000Z</launchTime><groupSet/>"
                        "<blockDeviceMapping/><tagSet><item><key>&lt;a&amp;b&gt;\xef\xbf\xbd&quot;</key></item></tagSet>"
                        "<networkInterfaceSet/><ebsOptimized>false</ebsOptimized></item></instancesSet>"
                        "</RunInstancesResponse>");
    shape_free(&ec2_run_instances_response_shape, &out);
    assert_null(out.reservation_id);
}

static void test_xml_of_sts_and_errors(void **state)
{
    (void)state;
    _cleanup_str_ struct str s = STR_INIT;
    struct sts_get_caller_identity_response who = {.arn = xstrdup("arn:x"), .account = xstrdup("1")};
    xml_answer(&s, XML_IAM, "GetCallerIdentity", "ns", "r", &sts_get_caller_identity_response_shape, &who);
    assert_non_null(strstr(s.data, "<GetCallerIdentityResult><Arn>arn:x</Arn><Account>1</Account></GetCallerIdentity"
                                   "Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"));
    shape_free(&sts_get_caller_identity_response_shape, &who);
    str_clear(&s);
    xml_error(&s, XML_EC2, "InvalidX", 400, "<", "r");
    assert_non_null(strstr(s.data, "<Response><Errors><Error><Code>InvalidX</Code><Message>&lt;</Message></Error>"
                                   "</Errors><RequestID>r</RequestID></Response>"));
    str_clear(&s);
    xml_error(&s, XML_IAM, "X", 403, "m", "r");
    assert_non_null(strstr(s.data, "<ErrorResponse><Error><Type>Sender</Type><Code>X</Code>"));
}

static void test_json_both_ways(void **state)
{
    (void)state;
    static const char text[] =
        "{\"version\":\"1\",\"zones\":[{\"name\":\"a\",\"epoch\":3,\"slots\":[{\"type\":\"t\",\"free\":0}]}]}";
    _cleanup_(json_decrefp) json_t *in = NULL;
    assert_null(json_parse_object(text, sizeof text - 1, 4096, &in));
    struct admin_status_response r = {0};
    assert_null(shape_from_json(&admin_status_response_shape, in, &r));
    assert_int_equal(r.zones.data[0].epoch, 3);
    assert_null(r.region);
    _cleanup_(json_decrefp) json_t *out = shape_to_json(&admin_status_response_shape, &r);
    _cleanup_free_ char *again = json_text(out);
    assert_string_equal(again, "{\"daemons\":[],\"nodes\":[],\"quarantined\":[],\"stuck\":[],\"version\":\"1\",\"zones\":"
                               "[{\"epoch\":3,\"name\":\"a\",\"slots\":[{\"free\":0,\"type\":\"t\"}]}]}");
    shape_free(&admin_status_response_shape, &r);
}

static void test_json_refuses(void **state)
{
    (void)state;
    static const struct {
        const struct error_code *code;
        const char *text;
    } bad[] = {
        {&API_MISSING_PARAMETER, "{}"},
        {&API_UNKNOWN_PARAMETER, "{\"name\":\"a\",\"nam\":1}"},
        {&API_INVALID_PARAMETER_VALUE, "{\"name\":1}"},
        {&API_INVALID_PARAMETER_VALUE, "{\"name\":null}"},
        {&API_INVALID_PARAMETER_VALUE, "{\"name\":[\"a\"]}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_(json_decrefp) json_t *o = NULL;
        assert_null(json_parse_object(bad[i].text, strlen(bad[i].text), 4096, &o));
        struct admin_create_account_request q = {0};
        _cleanup_error_ struct error *e = shape_from_json(&admin_create_account_request_shape, o, &q);
        shape_free(&admin_create_account_request_shape, &q);
        if (!e || !error_is(e, bad[i].code))
            fail_msg("%s: %s", bad[i].text, e ? error_code(e)->wire : "accepted");
    }
}

static void test_names_are_sorted(void **state)
{
    (void)state;
    assert_true(aws_actions_len > 500);
    for (size_t i = 1; i < aws_actions_len; i++)
        assert_true(strcmp(aws_actions[i - 1], aws_actions[i]) < 0);
    assert_true(name_listed(aws_actions, aws_actions_len, "StopInstances"));
    assert_false(name_listed(aws_actions, aws_actions_len, "StopInstance"));
    assert_string_equal(EC2_INVALID_INSTANCE_ID_NOT_FOUND.wire, "InvalidInstanceID.NotFound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_reads_a_whole_request),
        cmocka_unit_test(test_query_refuses),
        cmocka_unit_test(test_query_numbers),
        cmocka_unit_test(test_too_many_parameters),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_xml_of_sts_and_errors),
        cmocka_unit_test(test_json_both_ways),
        cmocka_unit_test(test_json_refuses),
        cmocka_unit_test(test_names_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
