/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "node-controller/metadata/metadata.h"

#define NOW 1800000000000

static const unsigned char secret[METADATA_SECRET_SIZE] = "of the node";
static const char full[] =
    "{\"account\":\"123456789012\",\"reservation\":\"r-1\",\"image\":\"ami-1\",\"type\":\"m1.small\",\"region\":\"us-east-1\","
    "\"zone\":\"us-east-1a\",\"launch_index\":2,\"launch_ms\":1700000000123,\"address\":\"172.31.0.5\","
    "\"mac\":\"02:00:00:00:00:05\",\"eni\":\"eni-1\",\"subnet\":\"subnet-1\",\"subnet_cidr\":\"172.31.0.0/20\",\"vpc\":\"vpc-1\","
    "\"vpc_cidr\":\"172.31.0.0/16\",\"vni\":1001,\"public_address\":\"10.96.96.7\",\"groups\":[\"sg-1\",\"sg-2\"],"
    "\"group_names\":[\"default\",\"web\"],\"key_name\":\"mine\",\"public_key\":\"ssh-ed25519 AAAA me\","
    "\"user_data\":\"aGkAIQ==\",\"metadata\":{\"tokens\":\"optional\",\"hop_limit\":3,\"endpoint\":\"enabled\"}}";

static json_t *body_of(const char *text)
{
    json_t *body = NULL;
    assert_null(json_parse_object(text, strlen(text), 1 << 20, &body));
    return body;
}

static struct metadata_answer ask_full(const json_t *body, const char *instance, struct metadata_ask ask, int64_t now)
{
    struct metadata_answer a;
    struct id id = id_of(instance);
    metadata_answer(secret, &id, body, &ask, now, &a);
    return a;
}

/* What GET of the path gives: the body, or "(status)". */
static char *get(const json_t *body, const char *path)
{
    struct metadata_answer a = ask_full(body, "i-1", (struct metadata_ask){.method = "GET", .path = path}, NOW);
    if (a.status == 200)
        return a.body;
    metadata_answer_free(&a);
    return xasprintf("(%d)", a.status);
}

#define assert_get(body, path, want)                                                               \
    do {                                                                                           \
        _cleanup_free_ char *got_ = get(body, path);                                               \
        assert_string_equal(got_, want);                                                           \
    } while (0)

static void test_leaves(void **state)
{
    static const char *const leaves[][2] = {
        {"ami-id", "ami-1"}, {"ami-launch-index", "2"}, {"ami-manifest-path", "(unknown)"},
        {"block-device-mapping/ami", "/dev/vda"}, {"block-device-mapping/root", "/dev/vda"},
        {"hostname", "ip-172-31-0-5.ec2.internal"}, {"instance-action", "none"}, {"instance-id", "i-1"},
        {"instance-life-cycle", "on-demand"}, {"instance-type", "m1.small"}, {"local-hostname", "ip-172-31-0-5.ec2.internal"},
        {"local-ipv4", "172.31.0.5"}, {"mac", "02:00:00:00:00:05"}, {"placement/availability-zone", "us-east-1a"},
        {"placement/region", "us-east-1"}, {"profile", "default-hvm"}, {"public-ipv4", "10.96.96.7"},
        {"public-keys/0/openssh-key", "ssh-ed25519 AAAA me"}, {"reservation-id", "r-1"}, {"security-groups", "default\nweb"},
        {"services/domain", "amazonaws.com"}, {"services/partition", "aws"},
        {"network/interfaces/macs/02:00:00:00:00:05/device-number", "0"},
        {"network/interfaces/macs/02:00:00:00:00:05/interface-id", "eni-1"},
        {"network/interfaces/macs/02:00:00:00:00:05/owner-id", "123456789012"},
        {"network/interfaces/macs/02:00:00:00:00:05/local-ipv4s", "172.31.0.5"},
        {"network/interfaces/macs/02:00:00:00:00:05/public-ipv4s", "10.96.96.7"},
        {"network/interfaces/macs/02:00:00:00:00:05/ipv4-associations/10.96.96.7", "172.31.0.5"},
        {"network/interfaces/macs/02:00:00:00:00:05/security-group-ids", "sg-1\nsg-2"},
        {"network/interfaces/macs/02:00:00:00:00:05/subnet-ipv4-cidr-block", "172.31.0.0/20"},
        {"network/interfaces/macs/02:00:00:00:00:05/vpc-id", "vpc-1"},
        {"network/interfaces/macs/02:00:00:00:00:05/vpc-ipv4-cidr-block", "172.31.0.0/16"},
    };
    static const char *const versions[] = {"latest", "1.0", "2007-01-19", "2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23"};
    _cleanup_json_ json_t *body = body_of(full);
    (void)state;
    for (size_t v = 0; v < sizeof versions / sizeof *versions; v++) {
        for (size_t k = 0; k < sizeof leaves / sizeof *leaves; k++) {
            _cleanup_free_ char *path = xasprintf("/%s/meta-data/%s", versions[v], leaves[k][0]);
            assert_get(body, path, leaves[k][1]);
        }
    }
}

static void test_listings(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    (void)state;
    _cleanup_free_ char *all = get(body, "/");
    assert_true(str_starts(all, "1.0\n2007-01-19\n"));
    assert_true(str_ends(all, "\n2021-03-23\nlatest"));
    assert_get(body, "/latest", "dynamic/\nmeta-data/\nuser-data");
    assert_get(body, "/latest/", "dynamic/\nmeta-data/\nuser-data");
    assert_get(body, "/latest/meta-data/placement/", "availability-zone\nregion");
    assert_get(body, "/latest/meta-data/network/interfaces/macs/", "02:00:00:00:00:05/");
    assert_get(body, "/latest/meta-data/public-keys/", "0=mine");
    assert_get(body, "/latest/meta-data/public-keys", "0=mine");
    assert_get(body, "/latest/meta-data/public-keys/0/", "openssh-key");
    assert_get(body, "/latest/dynamic/", "instance-identity/");
    assert_get(body, "/latest/dynamic/instance-identity", "document");
    assert_get(body, "//latest//meta-data/instance-id", "i-1");
}

/* As cloud-init does: whatever is listed can be read. */
static void crawl(const json_t *body, const char *path, unsigned *count)
{
    _cleanup_free_ char *names = get(body, path);
    const char *cursor = names;
    assert_int_not_equal(names[0], '(');
    for (char *name; (name = str_next_piece(&cursor, '\n')); free(name)) {
        char *is = strchr(name, '=');
        if (is)
            memcpy(is, "/", 2);
        _cleanup_free_ char *child = xasprintf("%s%s", path, name);
        if (str_ends(child, "/")) {
            crawl(body, child, count);
            continue;
        }
        _cleanup_free_ char *text = get(body, child);
        assert_string_not_equal(text, "(404)");
        assert_true(text[0] != '\0');
        ++*count;
    }
}

static void test_what_is_listed_can_be_read(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    _cleanup_json_ json_t *bare = body_of("{\"address\":\"172.31.0.5\",\"mac\":\"02:00:00:00:00:05\"}");
    unsigned count = 0, less = 0;
    (void)state;
    crawl(body, "/2021-03-23/meta-data/", &count);
    crawl(body, "/2021-03-23/dynamic/", &count);
    assert_true(count > 35);
    crawl(bare, "/latest/meta-data/", &less);
    assert_true(less > 5 && less < count);
    assert_get(bare, "/latest/", "dynamic/\nmeta-data/");
    assert_get(bare, "/latest/meta-data/public-keys/", "(404)");
    assert_get(bare, "/latest/meta-data/public-ipv4", "(404)");
}

static void test_user_data_is_raw(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    struct metadata_answer a = ask_full(body, "i-1", (struct metadata_ask){.method = "GET", .path = "/latest/user-data"}, NOW);
    (void)state;
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 4);
    assert_memory_equal(a.body, "hi\0!", 4);
    assert_string_equal(a.type, "application/octet-stream");
    metadata_answer_free(&a);
    json_object_del(body, "user_data");
    assert_get(body, "/latest/user-data", "(404)");
}

static void test_document(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    _cleanup_free_ char *text = get(body, "/latest/dynamic/instance-identity/document");
    _cleanup_json_ json_t *o = body_of(text);
    (void)state;
    assert_string_equal(json_get_string(o, "instanceId", ""), "i-1");
    assert_string_equal(json_get_string(o, "region", ""), "us-east-1");
    assert_string_equal(json_get_string(o, "availabilityZone", ""), "us-east-1a");
    assert_string_equal(json_get_string(o, "accountId", ""), "123456789012");
    assert_string_equal(json_get_string(o, "pendingTime", ""), "2023-11-14T22:13:20Z");
    assert_true(json_is_null(json_object_get(o, "kernelId")));
}

static void test_unknown_paths_and_methods(void **state)
{
    static const char *const unknown[] = {"/latest/meta-data/nothing", "/latest/meta-data/instance-id/", "/1999-01-01/meta-data/",
                                          "/latest/meta-data/instance-id/x", "/lates", "/latest/user-data/x", "/latest/api",
                                          "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s", "/latest/../latest/meta-data/"};
    _cleanup_json_ json_t *body = body_of(full);
    (void)state;
    for (size_t k = 0; k < sizeof unknown / sizeof *unknown; k++)
        assert_get(body, unknown[k], "(404)");
    struct metadata_answer a = ask_full(body, "i-1", (struct metadata_ask){.method = "POST", .path = "/latest/meta-data/"}, NOW);
    assert_int_equal(a.status, 405);
    assert_string_equal(a.allow, "GET, HEAD");
    assert_non_null(strstr(a.body, "<title>405 - Method Not Allowed</title>"));
    metadata_answer_free(&a);
    a = ask_full(body, "i-1", (struct metadata_ask){.method = "GET", .path = "/latest/api/token"}, NOW);
    assert_int_equal(a.status, 405);
    assert_string_equal(a.allow, "OPTIONS, PUT");
    metadata_answer_free(&a);
}

static char *token(const json_t *body, const char *instance, const char *ttl, int64_t now)
{
    struct metadata_answer a =
        ask_full(body, instance, (struct metadata_ask){.method = "PUT", .path = "/latest/api/token", .ttl = ttl}, now);
    if (a.status == 200) {
        assert_int_equal(a.hops, 3);
        assert_int_equal(a.token_ttl, atoi(ttl));
        return a.body;
    }
    metadata_answer_free(&a);
    return xasprintf("(%d)", a.status);
}

static int status_with(const json_t *body, const char *instance, const char *token_text, int64_t now)
{
    struct metadata_answer a =
        ask_full(body, instance, (struct metadata_ask){.method = "GET", .path = "/latest/meta-data/", .token = token_text}, now);
    metadata_answer_free(&a);
    return a.status;
}

static void test_token_lifetimes(void **state)
{
    static const char *const bad[] = {NULL, "", "0", "21601", "-1", "1.5", "1s", "99999999999999999999", " 60"};
    _cleanup_json_ json_t *body = body_of(full);
    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        _cleanup_free_ char *refused = token(body, "i-1", bad[k], NOW);
        assert_string_equal(refused, "(400)");
    }
    _cleanup_free_ char *one = token(body, "i-1", "60", NOW);
    assert_int_equal(status_with(body, "i-1", one, NOW), 200);
    assert_int_equal(status_with(body, "i-1", one, NOW + 59000), 200);
    assert_int_equal(status_with(body, "i-1", one, NOW + 60000), 401);
    assert_int_equal(status_with(body, "i-1", one, NOW - 30000000), 401);
    _cleanup_free_ char *longest = token(body, "i-1", "21600", NOW);
    assert_int_equal(status_with(body, "i-1", longest, NOW + 21599000), 200);
}

static void test_tokens_are_bound(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    _cleanup_free_ char *mine = token(body, "i-1", "60", NOW);
    static const unsigned char other[METADATA_SECRET_SIZE] = "of another";
    struct id id = id_of("i-1");
    struct metadata_ask ask = {.method = "GET", .path = "/", .token = mine};
    struct metadata_answer a;
    (void)state;
    assert_int_equal(status_with(body, "i-2", mine, NOW), 401);
    metadata_answer(other, &id, body, &ask, NOW, &a);
    assert_int_equal(a.status, 401);
    metadata_answer_free(&a);
    for (size_t k = 0; k < strlen(mine) - 1; k++) {
        _cleanup_free_ char *spoiled = xstrdup(mine);
        spoiled[k] = spoiled[k] == 'A' ? 'B' : 'A';
        assert_int_equal(status_with(body, "i-1", spoiled, NOW), 401);
    }
    assert_int_equal(status_with(body, "i-1", "", NOW), 401);
}

static void test_tokens_required(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    (void)state;
    assert_int_equal(status_with(body, "i-1", NULL, NOW), 200);
    json_set_string(json_object_get(body, "metadata"), "tokens", "required");
    assert_int_equal(status_with(body, "i-1", NULL, NOW), 401);
    _cleanup_free_ char *mine = token(body, "i-1", "60", NOW);
    assert_int_equal(status_with(body, "i-1", mine, NOW), 200);
}

static void test_forwarded_and_disabled(void **state)
{
    _cleanup_json_ json_t *body = body_of(full);
    struct metadata_ask put = {.method = "PUT", .path = "/latest/api/token", .ttl = "60", .forwarded = true};
    struct metadata_answer a = ask_full(body, "i-1", put, NOW);
    (void)state;
    assert_int_equal(a.status, 403);
    metadata_answer_free(&a);
    json_set_string(json_object_get(body, "metadata"), "endpoint", "disabled");
    assert_int_equal(status_with(body, "i-1", NULL, NOW), 403);
    _cleanup_free_ char *refused = token(body, "i-1", "60", NOW);
    assert_string_equal(refused, "(403)");
    metadata_answer(secret, NULL, NULL, &put, NOW, &a);
    assert_int_equal(a.status, 404);
    metadata_answer_free(&a);
}

/* ---- the server ---- */

static char *lookup(void *arg, const struct id *vpc, const char *address, struct id *ret)
{
    (void)arg;
    assert_string_equal(address, "127.0.0.1");
    if (id_is(vpc, "vpc-nobody"))
        return NULL;
    *ret = id_of(id_is(vpc, "vpc-1") ? "i-1" : "i-2");
    return xstrdup(full);
}

static int listener(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static int open_to(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static char *exchange(uint16_t port, const char *request)
{
    struct str in = STR_INIT;
    char some[4096];
    int fd = open_to(port);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (ssize_t n; (n = recv(fd, some, sizeof some, 0)) > 0;)
        str_add_n(&in, some, (size_t)n);
    close(fd);
    return str_take(&in);
}

#define GET_ID "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static void test_one_server_for_all(void **state)
{
    struct metadata_options o = {.lookup = lookup};
    struct metadata *m = NULL;
    struct id one = id_of("vpc-1"), two = id_of("vpc-2"), nobody = id_of("vpc-nobody");
    uint16_t at_one, at_two, at_nobody, again;
    (void)state;
    assert_null(metadata_open(&o, &m));
    assert_null(metadata_add(m, &one, listener(&at_one)));
    assert_null(metadata_add(m, &two, listener(&at_two)));
    assert_null(metadata_add(m, &nobody, listener(&at_nobody)));
    _cleanup_free_ char *first = exchange(at_one, GET_ID);
    _cleanup_free_ char *second = exchange(at_two, GET_ID);
    _cleanup_free_ char *third = exchange(at_nobody, GET_ID);
    assert_true(str_ends(first, "\r\n\r\ni-1"));
    assert_true(str_ends(second, "\r\n\r\ni-2"));
    assert_true(str_starts(third, "HTTP/1.1 404 "));
    /* curl -X PUT says no length. */
    _cleanup_free_ char *put = exchange(at_one, "PUT /latest/api/token HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                                "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n");
    assert_true(str_starts(put, "HTTP/1.1 200 "));
    assert_non_null(strstr(put, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\r\n"));
    assert_null(metadata_add(m, &two, listener(&again)));
    assert_int_equal(open_to(at_two), -1);
    _cleanup_free_ char *moved = exchange(again, GET_ID);
    assert_true(str_ends(moved, "\r\n\r\ni-2"));
    /* A connection does not outlive its listener. */
    int idle = open_to(at_one);
    char c;
    metadata_drop(m, &one);
    assert_true(recv(idle, &c, 1, 0) <= 0);
    close(idle);
    assert_int_equal(open_to(at_one), -1);
    metadata_close(m);
    assert_int_equal(open_to(again), -1);
}

static void test_no_guest_takes_all_connections(void **state)
{
    struct metadata_options o = {.lookup = lookup};
    struct metadata *m = NULL;
    struct id one = id_of("vpc-1"), two = id_of("vpc-2");
    uint16_t at_one, at_two;
    int fds[40];
    char c;
    (void)state;
    assert_null(metadata_open(&o, &m));
    assert_null(metadata_add(m, &one, listener(&at_one)));
    assert_null(metadata_add(m, &two, listener(&at_two)));
    for (size_t k = 0; k < 40; k++)
        assert_true((fds[k] = open_to(at_one)) >= 0);
    assert_true(recv(fds[39], &c, 1, 0) <= 0); /* closed: too many of one address */
    _cleanup_free_ char *other = exchange(at_two, GET_ID);
    assert_true(str_ends(other, "i-2"));
    for (size_t k = 0; k < 40; k++)
        close(fds[k]);
    metadata_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_listings),
        cmocka_unit_test(test_what_is_listed_can_be_read),
        cmocka_unit_test(test_user_data_is_raw),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_unknown_paths_and_methods),
        cmocka_unit_test(test_token_lifetimes),
        cmocka_unit_test(test_tokens_are_bound),
        cmocka_unit_test(test_tokens_required),
        cmocka_unit_test(test_forwarded_and_disabled),
        cmocka_unit_test(test_one_server_for_all),
        cmocka_unit_test(test_no_guest_takes_all_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
