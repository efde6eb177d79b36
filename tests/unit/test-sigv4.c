/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include "api/sigv4-canonical.h"
#include "api/sigv4-sign.h"
#include "common/base/array.h"
#include "common/crypto/digest.h"
#include "common/json/json.h"

#define KEY    "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NOW    1440938160000 /* 2015-08-30T12:36:00Z */

static const char *const services[] = {"service", NULL};

static bool lookup(void *arg, const char *id, const char *token, char ret[SIGV4_SECRET_MAX + 1])
{
    (void)token;
    if (arg)
        (*(int *)arg)++;
    if (!streq(id, KEY))
        return false;
    memcpy(ret, SECRET, sizeof SECRET);
    return true;
}

/* A request as text, taken apart; folded lines are joined as the server does. */
struct message {
    char *method, *target, *query;
    ARRAY(struct http_header) headers;
    const char *body;
    char *text;
};

static void message_free(struct message *m)
{
    array_each (&m->headers, h) {
        free((char *)h->name);
        free((char *)h->value);
    }
    array_free(&m->headers);
    free(m->method);
    free(m->target);
    free(m->query);
    free(m->text);
}

static void add_line(struct message *m, const char *line)
{
    const char *colon = strchr(line, ':');
    if ((*line == ' ' || *line == '\t') && m->headers.len) {
        struct http_header *last = &m->headers.data[m->headers.len - 1];
        char *joined = xasprintf("%s %s", last->value, line);
        free((char *)last->value);
        last->value = joined;
    } else if (colon) {
        array_push(&m->headers, ((struct http_header){xstrndup(line, (size_t)(colon - line)), xstrdup(colon + 1)}));
    }
}

static void message_parse(struct message *m, char *text)
{
    char *at = text, *end = strchr(at, '\n');
    m->text = text;
    char *first = end ? xstrndup(at, (size_t)(end - at)) : xstrdup(at);
    char *space = strchr(first, ' '), *last = strrchr(first, ' ');
    m->method = xstrndup(first, (size_t)(space - first));
    m->target = xstrndup(space + 1, (size_t)(last - space) - 1);
    char *mark = strchr(m->target, '?');
    if (mark) {
        m->query = xstrdup(mark + 1);
        *mark = 0;
    }
    free(first);
    m->body = "";
    while (end) {
        at = end + 1;
        end = strchr(at, '\n');
        _cleanup_free_ char *line = end ? xstrndup(at, (size_t)(end - at)) : xstrdup(at);
        if (!*line) {
            m->body = end ? end + 1 : "";
            return;
        }
        add_line(m, line);
    }
}

static char *read_file(const char *dir, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    struct str s = STR_INIT;
    char buf[4096];
    size_t n;
    if (!f)
        fail_msg("cannot read %s", path);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_add_n(&s, buf, n);
    fclose(f);
    for (size_t i = 0, j = 0; i <= s.len && s.data; i++) /* drop CRs */
        if (s.data[i] != '\r')
            s.data[j++] = s.data[i];
    return str_take(&s);
}

static struct sigv4_request view(const struct message *m)
{
    return (struct sigv4_request){m->method, m->target, m->query, m->headers.data, m->headers.len};
}

static void check_header_form(const char *dir, const struct sigv4_rules *rules)
{
    _cleanup_(message_free) struct message m = {0};
    struct sigv4_result result;
    message_parse(&m, read_file(dir, "header-signed-request.txt"));
    struct sigv4_request r = view(&m);
    _cleanup_free_ char *hash = sha256_hex(m.body, strlen(m.body));
    enum sigv4_verdict v = sigv4_verify(rules, &r, hash, NOW, lookup, NULL, &result);
    if (v != SIGV4_OK)
        fail_msg("%s: header form: verdict %d: %s", dir, v, result.detail);
    _cleanup_free_ char *other = sha256_hex("x", 1);
    assert_int_equal(sigv4_verify(rules, &r, other, NOW, lookup, NULL, &result), SIGV4_MISMATCH);
}

static void check_query_form(const char *dir, const struct sigv4_rules *rules)
{
    _cleanup_(message_free) struct message m = {0};
    struct sigv4_result result;
    message_parse(&m, read_file(dir, "query-signed-request.txt"));
    struct sigv4_request r = view(&m);
    _cleanup_free_ char *hash = sha256_hex(m.body, strlen(m.body));
    enum sigv4_verdict v = sigv4_verify(rules, &r, hash, NOW, lookup, NULL, &result);
    if (v != SIGV4_OK)
        fail_msg("%s: query form: verdict %d: %s", dir, v, result.detail);
    assert_true(result.presigned);
}

static void check_canonical(const char *dir, const struct sigv4_rules *rules)
{
    _cleanup_(message_free) struct message m = {0};
    _cleanup_params_ struct params q = {0};
    _cleanup_str_ struct str out = STR_INIT;
    message_parse(&m, read_file(dir, "header-signed-request.txt"));
    _cleanup_free_ char *want = read_file(dir, "header-canonical-request.txt");
    struct sigv4_request r = view(&m);
    const char *names = strstr(m.text, "SignedHeaders=") + strlen("SignedHeaders=");
    _cleanup_free_ char *list = xstrndup(names, strcspn(names, ","));
    _cleanup_free_ char *hash = sha256_hex(m.body, strlen(m.body));
    assert_null(params_parse(&q, r.query ? r.query : "", r.query ? strlen(r.query) : 0));
    assert_true(sigv4_canonical(&out, rules, &r, &q, list, hash));
    assert_string_equal(out.data, want);
}

/* Our signer against the vector's own signature. */
static void check_signer(const char *dir, const struct sigv4_rules *rules, bool body_signed)
{
    _cleanup_(message_free) struct message m = {0};
    struct sigv4_signer s = {KEY, SECRET, "us-east-1", "service", false, rules->keep_path};
    message_parse(&m, read_file(dir, "request.txt"));
    _cleanup_free_ char *hash = sha256_hex(m.body, strlen(m.body));
    _cleanup_free_ char *want = read_file(dir, "header-signature.txt");
    array_push(&m.headers, ((struct http_header){xstrdup("X-Amz-Date"), xstrdup("20150830T123600Z")}));
    if (body_signed)
        array_push(&m.headers, ((struct http_header){xstrdup("x-amz-content-sha256"), xstrdup(hash)}));
    if (str_ends(dir, "with-session-token"))
        array_push(&m.headers, ((struct http_header){
            xstrdup("X-Amz-Security-Token"),
            xstrdup("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267")}));
    struct sigv4_request r = view(&m);
    if (str_ends(dir, "post-sts-header-before"))
        return; /* its token is part of the context */
    _cleanup_free_ char *auth = sigv4_sign(&s, &r, hash, NOW);
    assert_non_null(auth);
    if (!str_ends(auth, want))
        fail_msg("%s: signer gave %s", dir, auth);
}

static bool context_bool(const char *context, const char *name)
{
    _cleanup_json_ json_t *o = NULL;
    assert_null(json_parse_object(context, strlen(context), 100000, &o));
    return json_get_bool(o, name, false);
}

static void check_vector(const char *dir)
{
    struct sigv4_rules rules = {.services = services, .region = "us-east-1"};
    _cleanup_free_ char *context = read_file(dir, "context.json");
    rules.keep_path = !context_bool(context, "normalize");
    check_header_form(dir, &rules);
    check_canonical(dir, &rules);
    check_signer(dir, &rules, context_bool(context, "sign_body"));
    rules.token_after = context_bool(context, "omit_session_token");
    check_query_form(dir, &rules);
}

static char *vectors_folder(void)
{
    const char *given = getenv("MALLEE_SIGV4_VECTORS"), *src = getenv("MALLEE_SRC");
    if (given)
        return xstrdup(given);
    return xasprintf("%s/../shared/data/sigv4", src ? src : ABS_SRC);
}

static void test_vectors(void **state)
{
    _cleanup_free_ char *folder = vectors_folder();
    DIR *d = opendir(folder);
    unsigned count = 0;
    (void)state;
    if (!d) {
        print_message("skipped: no vectors in %s\n", folder);
        free(TAKE_PTR(folder)); /* skip() does not come back */
        skip();
    }
    for (struct dirent *e; (e = readdir(d));) {
        _cleanup_free_ char *dir = xasprintf("%s/%s", folder, e->d_name);
        _cleanup_free_ char *context = xasprintf("%s/context.json", dir);
        if (access(context, R_OK) == 0) {
            check_vector(dir);
            count++;
        }
    }
    closedir(d);
    print_message("%u vectors\n", count);
    assert_true(count > 0);
}

/* A good request to spoil, and the verdict that is expected then. */
struct spoiled {
    struct http_header headers[8];
    size_t len;
    char *query;
    const char *method, *path, *payload;
    int64_t now;
};

static char *good_hash;

static void sign_good(struct spoiled *s)
{
    struct sigv4_signer signer = {KEY, SECRET, "us-east-1", "service", false, false};
    s->method = "POST";
    s->path = "/";
    s->payload = good_hash;
    s->now = NOW;
    s->headers[0] = (struct http_header){"Host", "cloud:8773"};
    s->headers[1] = (struct http_header){"X-Amz-Date", "20150830T123600Z"};
    s->headers[2] = (struct http_header){"Content-Type", "text/plain"};
    s->len = 3;
    struct sigv4_request r = {s->method, s->path, NULL, s->headers, s->len};
    char *auth = sigv4_sign(&signer, &r, s->payload, NOW);
    assert_non_null(auth);
    s->headers[s->len++] = (struct http_header){"Authorization", auth};
}

static enum sigv4_verdict verify(const struct spoiled *s)
{
    struct sigv4_rules rules = {.services = services, .region = "us-east-1"};
    struct sigv4_request r = {s->method, s->path, s->query, s->headers, s->len};
    struct sigv4_result result;
    return sigv4_verify(&rules, &r, s->payload, s->now, lookup, NULL, &result);
}

static void replace(struct spoiled *s, const char *from, const char *to)
{
    const char *old = s->headers[3].value, *at = strstr(old, from);
    assert_non_null(at);
    s->headers[3].value = xasprintf("%.*s%s%s", (int)(at - old), old, to, at + strlen(from));
    free((char *)old);
}

static void test_negative(void **state)
{
    static const struct {
        const char *from, *to;
        enum sigv4_verdict verdict;
    } edits[] = {
        {"", "", SIGV4_OK},
        {KEY "/", "AKIDOTHER/", SIGV4_UNKNOWN_KEY},
        {"20150830/", "20150829/", SIGV4_MISMATCH},
        {"/service/", "/s3/", SIGV4_MISMATCH},
        {"us-east-1", "us-west-2", SIGV4_MISMATCH},
        {"aws4_request", "aws5_request", SIGV4_INCOMPLETE},
        {"host;", "", SIGV4_MISMATCH},
        {"content-type;host", "host;content-type", SIGV4_MISMATCH},
        {"content-type;host", "content-type;host;host", SIGV4_MISMATCH},
        {";x-amz-date", "", SIGV4_MISMATCH},
        {"content-type;", "absent;content-type;", SIGV4_MISMATCH},
        {"SignedHeaders=", "Signed=", SIGV4_INCOMPLETE},
        {", Signature=", ", Signature=00, Signature=", SIGV4_INCOMPLETE},
        {"Signature=", "Signature=0", SIGV4_MISMATCH},
        {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512", SIGV4_INCOMPLETE},
        {"Credential=", "Credential=x/", SIGV4_INCOMPLETE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
        struct spoiled s = {0};
        sign_good(&s);
        replace(&s, edits[i].from, edits[i].to);
        enum sigv4_verdict v = verify(&s);
        if (v != edits[i].verdict)
            fail_msg("%s -> %s: verdict %d", edits[i].from, edits[i].to, v);
        free((char *)s.headers[3].value);
    }
}

static void expect_spoiled(void (*spoil)(struct spoiled *), enum sigv4_verdict want)
{
    struct spoiled s = {0};
    sign_good(&s);
    char *auth = (char *)s.headers[3].value;
    spoil(&s);
    assert_int_equal(verify(&s), want);
    free(auth);
}

static void other_method(struct spoiled *s) { s->method = "PUT"; }
static void other_path(struct spoiled *s) { s->path = "/x"; }
static void other_query(struct spoiled *s) { s->query = (char *)"a=b"; }
static void other_body(struct spoiled *s) { s->payload = SIGV4_UNSIGNED_PAYLOAD; }
static void other_host(struct spoiled *s) { s->headers[0].value = "elsewhere"; }
static void second_host(struct spoiled *s) { s->headers[s->len++] = s->headers[0]; }
static void second_auth(struct spoiled *s) { s->headers[s->len++] = s->headers[3]; }
static void second_date(struct spoiled *s) { s->headers[s->len++] = s->headers[1]; }
static void both_places(struct spoiled *s) { s->query = (char *)"X-Amz-Signature=00"; }
static void broken_query(struct spoiled *s) { s->query = (char *)"a=%zz"; }
static void no_auth(struct spoiled *s) { s->len = 3; }
static void too_old(struct spoiled *s) { s->now = NOW + 16 * 60 * 1000; }
static void too_new(struct spoiled *s) { s->now = NOW - 16 * 60 * 1000; }
static void just_in(struct spoiled *s) { s->now = NOW + 14 * 60 * 1000; }
static void extra_amz(struct spoiled *s)
{
    s->headers[s->len++] = (struct http_header){"X-AMZ-Target", "evil"};
}

static void test_spoiled(void **state)
{
    (void)state;
    expect_spoiled(other_method, SIGV4_MISMATCH);
    expect_spoiled(other_path, SIGV4_MISMATCH);
    expect_spoiled(other_query, SIGV4_MISMATCH);
    expect_spoiled(other_body, SIGV4_MISMATCH);
    expect_spoiled(other_host, SIGV4_MISMATCH);
    expect_spoiled(second_host, SIGV4_MISMATCH);
    expect_spoiled(second_auth, SIGV4_INCOMPLETE);
    expect_spoiled(second_date, SIGV4_INCOMPLETE);
    expect_spoiled(both_places, SIGV4_INCOMPLETE);
    expect_spoiled(broken_query, SIGV4_INCOMPLETE);
    expect_spoiled(no_auth, SIGV4_ABSENT);
    expect_spoiled(too_old, SIGV4_EXPIRED);
    expect_spoiled(too_new, SIGV4_EXPIRED);
    expect_spoiled(just_in, SIGV4_OK);
    expect_spoiled(extra_amz, SIGV4_MISMATCH);
}

static enum sigv4_verdict presigned(unsigned expires, int64_t later_ms, const char *extra)
{
    struct sigv4_signer s = {KEY, SECRET, "us-east-1", "service", true, false};
    struct sigv4_rules rules = {.services = services, .s3_path = true};
    struct http_header host = {"host", "store"};
    struct sigv4_request r = {"GET", "/b/a%20%2F..//c", "versionId=1", &host, 1};
    struct sigv4_result result;
    _cleanup_free_ char *query = sigv4_presign(&s, &r, SIGV4_UNSIGNED_PAYLOAD, NULL, expires, NOW);
    _cleanup_free_ char *whole = xasprintf("%s%s", query, extra);
    r.query = whole;
    return sigv4_verify(&rules, &r, SIGV4_UNSIGNED_PAYLOAD, NOW + later_ms, lookup, NULL, &result);
}

static void test_presigned(void **state)
{
    (void)state;
    assert_int_equal(presigned(60, 0, ""), SIGV4_OK);
    assert_int_equal(presigned(60, 59000, ""), SIGV4_OK);
    assert_int_equal(presigned(60, 61000, ""), SIGV4_EXPIRED);
    assert_int_equal(presigned(60, -16 * 60000, ""), SIGV4_EXPIRED);
    assert_int_equal(presigned(604801, 0, ""), SIGV4_INCOMPLETE);
    assert_int_equal(presigned(0, 0, ""), SIGV4_INCOMPLETE);
    assert_int_equal(presigned(60, 0, "&X-Amz-Expires=60"), SIGV4_INCOMPLETE);
    assert_int_equal(presigned(60, 0, "&x=1"), SIGV4_MISMATCH);
}

static void test_dates(void **state)
{
    int64_t ms = 0;
    char text[17];
    (void)state;
    assert_true(sigv4_date_parse("20150830T123600Z", &ms));
    assert_true(ms == NOW);
    sigv4_date(NOW, text);
    assert_string_equal(text, "20150830T123600Z");
    assert_false(sigv4_date_parse("20150230T123600Z", &ms));
    assert_false(sigv4_date_parse("20150830T246000Z", &ms));
    assert_false(sigv4_date_parse("2015-08-30T12:36Z", &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_negative),
        cmocka_unit_test(test_spoiled), cmocka_unit_test(test_presigned),
        cmocka_unit_test(test_dates),
    };
    good_hash = sha256_hex("body", 4);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(good_hash);
    return rc;
}
