/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/http-server/http-server.h"

struct fixture {
    struct http_server *server;
    ARRAY(pthread_t) threads;
    pthread_mutex_t lock;
    unsigned begun, gone;
    uint64_t streamed;
    _Atomic bool paused;
    unsigned awake_calls; /* slices that came during a pause */
    struct http_request *_Atomic owed; /* never answered: the server's stop must do it */
};

static void respond(struct http_request *r, int status, const char *text)
{
    struct http_answer *a = http_answer_new(status);
    http_answer_set(a, "x-test", "yes");
    http_answer_body(a, xstrdup(text), strlen(text));
    http_respond(r, a);
}

static void *later_main(void *arg)
{
    usleep(30000);
    respond(arg, 200, "later");
    return NULL;
}

static void *resume_main(void *arg)
{
    struct fixture *f = http_request_data(arg);
    usleep(5000);
    f->paused = false;
    http_request_resume(arg);
    return NULL;
}

static void start(struct fixture *f, void *(*run)(void *), void *arg)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run, arg), 0);
    pthread_mutex_lock(&f->lock);
    array_push(&f->threads, t);
    pthread_mutex_unlock(&f->lock);
}

static void on_begin(void *arg, struct http_request *r)
{
    struct fixture *f = arg;
    http_request_set_data(r, f);
    pthread_mutex_lock(&f->lock);
    f->begun++;
    pthread_mutex_unlock(&f->lock);
    if (str_starts(http_request_path(r), "/refuse"))
        respond(r, 403, "refused");
    else if (!str_starts(http_request_path(r), "/stream"))
        http_request_buffer(r, 1000);
}

static void on_body(void *arg, struct http_request *r, const void *data, size_t len)
{
    struct fixture *f = arg;
    (void)data;
    f->awake_calls += f->paused;
    f->paused = true;
    f->streamed += len;
    if (streq(http_request_path(r), "/stream-early"))
        respond(r, 409, "early");
    http_request_pause(r);
    start(f, resume_main, r);
}

static ssize_t read_letters(void *arg, uint64_t at, char *to, size_t max)
{
    uint64_t all = arg ? 8000000 : 300000;
    if (at >= all)
        return HTTP_READ_END;
    size_t n = all - at < max ? (size_t)(all - at) : max;
    memset(to, 'x', n);
    return (ssize_t)n;
}

static void answer_stream(struct http_request *r, uint64_t len, bool reads)
{
    struct http_answer *a = http_answer_new(200);
    http_answer_stream(a, len, reads ? read_letters : NULL, NULL, len == 8000000 ? a : NULL);
    http_respond(r, a);
}

static void on_end(void *arg, struct http_request *r)
{
    struct fixture *f = arg;
    const char *path = http_request_path(r);
    size_t len = 0;
    if (streq(path, "/later"))
        start(f, later_main, r);
    else if (streq(path, "/never"))
        f->owed = r;
    else if (streq(path, "/letters"))
        answer_stream(r, 300000, true);
    else if (streq(path, "/much"))
        answer_stream(r, 8000000, true);
    else if (streq(path, "/chunked"))
        answer_stream(r, HTTP_LENGTH_UNKNOWN, true);
    else if (streq(path, "/head"))
        answer_stream(r, 12345678901, false);
    else if (streq(path, "/echo"))
        respond(r, 200, http_request_body(r, &len));
    else if (streq(path, "/stream")) {
        _cleanup_free_ char *n = xasprintf("%llu", (unsigned long long)f->streamed);
        respond(r, 200, n);
    } else {
        _cleanup_free_ char *t = xasprintf("%s|%s", path, http_request_query(r) ? http_request_query(r) : "-");
        respond(r, 200, t);
    }
}

static void on_gone(void *arg, struct http_request *r)
{
    struct fixture *f = arg;
    (void)r;
    pthread_mutex_lock(&f->lock);
    f->gone++;
    pthread_mutex_unlock(&f->lock);
}

static int set_up(void **state)
{
    static const struct http_handler handler = {on_begin, on_body, on_end, on_gone, NULL};
    struct fixture *f = xnew0(struct fixture);
    struct http_server_options o = {.listen = "127.0.0.1:0", .handler = &handler, .arg = f};
    o.limits.head_ms = 1000;
    o.limits.answer_ms = 1000;
    o.limits.min_rate = 1000000;
    pthread_mutex_init(&f->lock, NULL);
    error_ignore(http_server_start(&o, &f->server));
    *state = f;
    return f->server ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    http_server_stop(f->server);
    int rc = f->begun == f->gone ? 0 : -1;
    array_each (&f->threads, t)
        pthread_join(*t, NULL);
    if (f->owed)
        respond(f->owed, 200, "too late");
    array_free(&f->threads);
    free(f);
    return rc;
}

static int dial(struct fixture *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(http_server_port(f->server))};
    struct timeval limit = {5, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char *read_all(int fd)
{
    struct str out = STR_INIT;
    char buf[4096];
    ssize_t n;
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        str_add_n(&out, buf, (size_t)n);
    if (n < 0)
        str_add(&out, "TIMEOUT");
    close(fd);
    return str_take(&out);
}

static char *ask(struct fixture *f, const char *text)
{
    int fd = dial(f);
    put(fd, text);
    return read_all(fd);
}

static void expect(struct fixture *f, const char *request, const char *status, const char *tail)
{
    _cleanup_free_ char *answer = ask(f, request);
    _cleanup_free_ char *line = xasprintf("HTTP/1.1 %s ", status);
    if (!str_starts(answer, line) || !str_ends(answer, tail))
        fail_msg("request %s\nanswer %s", request, answer);
}

#define CLOSE "Host: h\r\nConnection: close\r\n"

static void test_simple(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET /a%20b%00c?x=%2F&&y HTTP/1.1\r\n" CLOSE "\r\n", "200", "\r\n\r\n/a%20b%00c|x=%2F&&y");
    expect(f, "GET / HTTP/1.1\r\n" CLOSE "\r\n", "200", "\r\n\r\n/|-");
    expect(f, "POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "200", "\r\n\r\nhello");
    expect(f, "POST /echo HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "200", "\r\n\r\nhello");
    expect(f, "GET /later HTTP/1.1\r\n" CLOSE "\r\n", "200", "\r\n\r\nlater");
    expect(f, "PUT /refuse HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "403", "\r\n\r\nrefused");
    expect(f, "GET /refuse HTTP/1.1\r\n" CLOSE "\r\n", "403", "\r\n\r\nrefused");
}

static void test_keep_alive(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *answer =
        ask(f, "GET /refuse HTTP/1.1\r\nHost: h\r\n\r\nGET /later HTTP/1.1\r\nHost: h\r\n\r\n"
               "GET /three HTTP/1.1\r\n" CLOSE "\r\n");
    assert_non_null(strstr(answer, "refusedHTTP/1.1 200"));
    assert_non_null(strstr(answer, "laterHTTP/1.1 200"));
    assert_true(str_ends(answer, "/three|-"));
}

static void test_framing(void **state)
{
    static const struct {
        const char *headers, *status;
    } cases[] = {
        {"Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "400"},
        {"Host: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "400"},
        {"Host: h\r\nContent-Length: +5\r\n", "400"},
        {"Host: h\r\nContent-Length: 0x5\r\n", "400"},
        {"Host: h\r\nTransfer-Encoding: gzip, chunked\r\n", "501"},
        {"Host: h\r\nHost: i\r\nContent-Length: 0\r\n", "400"},
        {"Content-Length: 0\r\n", "400"},
        {"Host: h\r\nContent-Length : 5\r\n", "400"},
        {"Host: h\r\n", "411"},
        {"Host: h\r\nContent-Length: 1001\r\n", "413"},
        {"Host: h\r\nContent-Length: 99999999\r\n", "413"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *request = xasprintf("POST /echo HTTP/1.1\r\n%s\r\n", cases[i].headers);
        _cleanup_free_ char *answer = ask(f, request);
        _cleanup_free_ char *line = xasprintf("HTTP/1.1 %s ", cases[i].status);
        if (!str_starts(answer, line) || str_ends(answer, "TIMEOUT"))
            fail_msg("%s -> %s", request, answer);
    }
}

static void test_long_head(void **state)
{
    struct str s = STR_INIT;
    str_add(&s, "GET / HTTP/1.1\r\n" CLOSE "x: ");
    for (int i = 0; i < 40000; i++)
        str_add_char(&s, 'a');
    str_add(&s, "\r\n\r\n");
    _cleanup_free_ char *answer = ask(*state, s.data);
    assert_true(str_starts(answer, "HTTP/1.1 431 ") || !strcmp(answer, "TIMEOUT"));
    str_free(&s);
}

static void test_too_long_chunked(void **state)
{
    struct str s = STR_INIT;
    str_add(&s, "POST /echo HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; i++)
        str_add(&s, "14\r\nabcdefghijabcdefghij\r\n");
    str_add(&s, "0\r\n\r\n");
    expect(*state, s.data, "413", "\r\n\r\n");
    str_free(&s);
}

static void test_streams(void **state)
{
    struct fixture *f = *state;
    struct str s = STR_INIT;
    str_add(&s, "PUT /stream HTTP/1.1\r\n" CLOSE "Content-Length: 200000\r\n\r\n");
    for (int i = 0; i < 200000; i++)
        str_add_char(&s, 'a');
    expect(f, s.data, "200", "\r\n\r\n200000");
    str_free(&s);
    expect(f, "PUT /stream-early HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nab", "409", "early");
    _cleanup_free_ char *letters = ask(f, "GET /letters HTTP/1.1\r\n" CLOSE "\r\n");
    assert_non_null(strstr(letters, "Content-Length: 300000"));
    assert_int_equal(strlen(strstr(letters, "\r\n\r\n") + 4), 300000);
    _cleanup_free_ char *chunked = ask(f, "GET /chunked HTTP/1.1\r\n" CLOSE "\r\n");
    assert_non_null(strstr(chunked, "Transfer-Encoding: chunked"));
    assert_true(str_ends(chunked, "0\r\n\r\n"));
    _cleanup_free_ char *head = ask(f, "HEAD /head HTTP/1.1\r\n" CLOSE "\r\n");
    assert_non_null(strstr(head, "Content-Length: 12345678901\r\n"));
    assert_true(str_ends(head, "\r\n\r\n"));
}

/* Many chunks in one packet: none may come while the request sleeps. */
static void test_pauses_between_chunks(void **state)
{
    struct fixture *f = *state;
    struct str s = STR_INIT;
    str_add(&s, "PUT /stream HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 50; i++)
        str_add(&s, "a\r\n0123456789\r\n");
    str_add(&s, "0\r\n\r\n");
    expect(f, s.data, "200", "\r\n\r\n500");
    str_free(&s);
    assert_int_equal(f->awake_calls, 0);
}

static void test_expect_continue(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char buf[256] = "";
    put(fd, "POST /echo HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_true(recv(fd, buf, sizeof buf - 1, 0) > 0);
    assert_true(str_starts(buf, "HTTP/1.1 100 "));
    put(fd, "hello");
    _cleanup_free_ char *answer = read_all(fd);
    assert_true(str_ends(answer, "hello"));
    expect(f, "PUT /refuse HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", "403", "refused");
}

static void test_slow_head_is_cut(void **state)
{
    int fd = dial(*state);
    put(fd, "GET / HT");
    _cleanup_free_ char *answer = read_all(fd);
    assert_string_equal(answer, "");
    const struct http_metrics *m = http_server_metrics(((struct fixture *)*state)->server);
    for (int i = 0; i < 500 && !metric_get(&m->cut); i++)
        usleep(10000); /* counted behind the cut, which the client sees first */
    assert_int_equal(metric_get(&m->cut), 1);
}

/* Asks for much and takes a trickle. */
static void test_slow_reader_is_cut(void **state)
{
    struct fixture *f = *state;
    char byte;
    int fd = dial(f), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    put(fd, "GET /much HTTP/1.1\r\n" CLOSE "\r\n");
    for (int i = 0; i < 100 && !metric_get(&http_server_metrics(f->server)->cut); i++) {
        assert_true(recv(fd, &byte, 1, 0) >= 0);
        usleep(100000);
    }
    assert_int_equal(metric_get(&http_server_metrics(f->server)->cut), 1);
    close(fd);
}

static void test_split_refused(void **state)
{
    _cleanup_(http_answer_freep) struct http_answer *a = http_answer_new(200);
    (void)state;
    _cleanup_error_ struct error *e = http_answer_header(a, "etag", "a\r\nset-cookie: b");
    assert_true(error_is(e, &ERROR_INVALID));
}

/* The stop in tear_down must answer what nobody answers. */
static void test_stop_with_owed(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    put(fd, "GET /never HTTP/1.1\r\n" CLOSE "\r\n");
    while (!f->owed)
        usleep(1000);
    usleep(10000);
    http_server_stop(f->server);
    f->server = NULL;
    close(fd);
    assert_int_equal(f->begun, f->gone);
}

#define WITH_SERVER(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_simple),          WITH_SERVER(test_keep_alive),
        WITH_SERVER(test_framing),         WITH_SERVER(test_long_head),
        WITH_SERVER(test_too_long_chunked), WITH_SERVER(test_streams),
        WITH_SERVER(test_pauses_between_chunks), WITH_SERVER(test_expect_continue), WITH_SERVER(test_slow_head_is_cut),
        WITH_SERVER(test_slow_reader_is_cut), cmocka_unit_test(test_split_refused), WITH_SERVER(test_stop_with_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
