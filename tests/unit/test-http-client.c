/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/http-client/http-client.h"

/* A server that says what it was asked. */
static struct http_server *server;
static char *base;

static void on_begin(void *arg, struct http_request *r)
{
    (void)arg;
    http_request_buffer(r, 4 * 1024 * 1024);
}

static void on_end(void *arg, struct http_request *r)
{
    (void)arg;
    const char *path = http_request_path(r);
    size_t len;
    const char *body = http_request_body(r, &len);
    if (streq(path, "/silence")) {
        usleep(500000);
        body = "", len = 0;
    }
    struct http_answer *a = http_answer_new(streq(path, "/404") ? 404 : streq(path, "/302") ? 302 : 200);
    if (streq(path, "/302"))
        http_answer_set(a, "Location", "/elsewhere");
    const char *mark = http_request_header(r, "X-Mark", NULL);
    struct str s = STR_INIT;
    str_printf(&s, "%s %s %s %lld:", http_request_method(r), path, mark ? mark : "-",
               (long long)http_request_length(r));
    str_add_n(&s, body, len);
    http_answer_set(a, "X-Answer", "  spaced  ");
    size_t n = s.len;
    http_answer_body(a, str_take(&s), n);
    http_respond(r, a);
}

static const struct http_handler handler = {.begin = on_begin, .end = on_end};

static int setup(void **state)
{
    (void)state;
    struct http_server_options o = {.listen = "127.0.0.1:0", .handler = &handler, .limits.max_body = 8 * 1024 * 1024};
    assert_null(http_server_start(&o, &server));
    base = xasprintf("http://127.0.0.1:%u", http_server_port(server));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_stop(server);
    free(base);
    return 0;
}

static struct error *ask(struct http_call *call, const char *path, struct http_reply *ret)
{
    _cleanup_(http_client_freep) struct http_client *c = NULL;
    _cleanup_free_ char *url = xasprintf("%s%s", base, path);
    assert_null(http_client_new(NULL, &c));
    call->url = url;
    return http_client_call(c, call, ret);
}

static void test_methods_and_bodies(void **state)
{
    (void)state;
    static const struct http_header mark = {"X-Mark", "m"};
    static const struct {
        const char *method, *body, *says;
    } cases[] = {
        {"GET", NULL, "GET /a/../%2Fb m 0:"},
        {"DELETE", NULL, "DELETE /a/../%2Fb m 0:"},
        {"POST", "hello", "POST /a/../%2Fb m 5:hello"},
        {"POST", "", "POST /a/../%2Fb m 0:"},
        {"PUT", "hello", "PUT /a/../%2Fb m 5:hello"},
        {"HEAD", NULL, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_call call = {.method = cases[i].method, .headers = &mark, .nheaders = 1, .body = cases[i].body,
                                 .len = cases[i].body ? strlen(cases[i].body) : 0};
        _cleanup_http_reply_ struct http_reply r;
        assert_null(ask(&call, "/a/../%2Fb", &r));
        assert_int_equal(r.status, 200);
        assert_string_equal(str_text(&r.body), cases[i].says);
        assert_string_equal(http_reply_header(&r, "x-answer"), "spaced");
        assert_null(http_reply_header(&r, "x-none"));
    }
}

static void test_statuses_are_answers(void **state)
{
    (void)state;
    struct http_call call = {.method = "GET"};
    _cleanup_http_reply_ struct http_reply r, s;
    assert_null(ask(&call, "/404", &r));
    assert_int_equal(r.status, 404);
    assert_null(ask(&call, "/302", &s));
    assert_int_equal(s.status, 302); /* not followed */
}

static void test_bounds(void **state)
{
    (void)state;
    char *big = xmalloc(100000);
    memset(big, 'b', 100000);
    struct http_call call = {.method = "PUT", .body = big, .len = 100000, .max_body = 1000};
    _cleanup_http_reply_ struct http_reply r;
    _cleanup_error_ struct error *large = ask(&call, "/", &r);
    assert_true(error_is(large, &ERROR_TOO_LARGE));
    assert_int_equal(r.headers.len, 0);
    free(big);
    struct http_call wait = {.method = "GET", .timeout_ms = 100};
    _cleanup_error_ struct error *late = ask(&wait, "/silence", &r);
    assert_true(error_is(late, &ERROR_TIMEOUT));
    _cleanup_(http_client_freep) struct http_client *c = NULL;
    assert_null(http_client_new(NULL, &c));
    struct http_call nobody = {.method = "GET", .url = "http://127.0.0.1:1/"};
    _cleanup_error_ struct error *none = http_client_call(c, &nobody, &r);
    assert_true(error_is(none, &ERROR_UNAVAILABLE));
    struct http_call file = {.method = "GET", .url = "file:///etc/hostname"};
    _cleanup_error_ struct error *odd = http_client_call(c, &file, &r);
    assert_true(error_is(odd, &ERROR_INVALID));
}

struct flow {
    size_t sent, got;
};

static ssize_t on_send(void *arg, void *into, size_t max)
{
    struct flow *f = arg;
    size_t n = max < 999 ? max : 999;
    memset(into, 's', n);
    f->sent += n;
    return (ssize_t)n;
}

static bool on_receive(void *arg, const void *data, size_t len)
{
    (void)data;
    struct flow *f = arg;
    f->got += len;
    return true;
}

static bool refuse(void *arg, const void *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    return false;
}

static void test_streams(void **state)
{
    (void)state;
    struct flow f = {0};
    struct http_call call = {.method = "PUT", .len = 3000000, .send = on_send, .receive = on_receive, .arg = &f};
    _cleanup_http_reply_ struct http_reply r, s;
    assert_null(ask(&call, "/", &r));
    assert_int_equal(f.sent, 3000000);
    assert_int_equal(f.got, 3000000 + strlen("PUT / - 3000000:"));
    assert_int_equal(r.body.len, 0);
    call = (struct http_call){.method = "GET", .receive = refuse};
    _cleanup_error_ struct error *e = ask(&call, "/", &s);
    assert_non_null(e);
}

/* Accepts one connection only and answers what comes on it. */
static void *one_connection(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char buffer[4096];
    int fd = accept(*(int *)arg, NULL, NULL);
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (buffer[n - 1] == 'x' && send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            break;
    close(fd);
    return NULL;
}

static void test_connections_are_kept(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, one_connection, &fd), 0);
    struct http_client *c = NULL;
    assert_null(http_client_new(NULL, &c));
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/", ntohs(at.sin_port));
    struct http_call call = {.method = "POST", .url = url, .body = "x", .len = 1, .timeout_ms = 5000};
    for (int i = 0; i < 5; i++) {
        _cleanup_http_reply_ struct http_reply r;
        assert_null(http_client_call(c, &call, &r));
        assert_string_equal(r.body.data, "ok");
    }
    http_client_free(c);
    pthread_join(t, NULL);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods_and_bodies), cmocka_unit_test(test_statuses_are_answers),
        cmocka_unit_test(test_bounds),             cmocka_unit_test(test_streams),
        cmocka_unit_test(test_connections_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
