/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <strings.h>
#include "api/uri.h"
#include "common/base/mem.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/status/status.h"
#include "common/xml/xml.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

#define XML_MAX  (2 * 1024 * 1024)
#define NONE_MAX (64 * 1024)
#define KEY_MAX  1024

const char *call_header(const struct call *c, const char *name)
{
    return http_request_header(c->http, name, NULL);
}

const char *call_param(const struct call *c, const char *name)
{
    return params_get(&c->params, name, NULL);
}

struct key call_key(const struct call *c)
{
    return (struct key){c->key, c->key_len};
}

void call_answer(struct call *c, int status)
{
    c->answer = http_answer_new(status);
}

void call_answer_xml(struct call *c, int status, struct str *take)
{
    struct str whole = STR_INIT;
    str_add(&whole, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    str_add_n(&whole, str_text(take), take->len);
    str_free(take);
    size_t len = whole.len;
    call_answer(c, status);
    http_answer_set(c->answer, "Content-Type", "application/xml");
    http_answer_body(c->answer, str_take(&whole), len);
}

static void call_free(struct call *c)
{
    free(c->bucket);
    free(c->key);
    params_free(&c->params);
    receiver_free(c->receiver);
    chunked_free(c->chunked);
    http_answer_free(c->answer);
    wipe(&c->sig, sizeof c->sig);
    free(c);
}

/* Sends c->answer; `c` may be gone afterwards. */
static void send_answer(struct call *c)
{
    struct http_answer *a = TAKE_PTR(c->answer);
    http_answer_set(a, "x-amz-request-id", c->id);
    http_answer_set(a, "x-amz-id-2", c->id);
    http_respond(c->http, a);
}

/* Low layers' codes are not S3's. */
static const struct error_code *wire_code(const struct error *e)
{
    const struct error_code *code = error_code(e);
    if (code == &ERROR_UNAVAILABLE || code == &ERROR_NO_SPACE || code == &ERROR_TIMEOUT)
        return &S3_UNAVAILABLE;
    if (code == &ERROR_TOO_LARGE || code == &ERROR_INVALID)
        return &S3_INVALID_REQUEST;
    if (code == &ERROR_INTERNAL || code == &ERROR_NOT_FOUND || code == &ERROR_EXISTS || code == &ERROR_DENIED)
        return &S3_INTERNAL;
    return code;
}

static void answer_error(struct call *c, struct error *e)
{
    const struct error_code *code = wire_code(e);
    bool own = code->http_status >= 500;
    struct str out = STR_INIT;
    if (own) {
        log_set_request(c->id);
        log_error("%s: %s (%s)", c->op ? c->op->name : "request", error_message(e), error_origin(e));
        log_set_request(NULL);
    }
    http_answer_free(c->answer);
    c->answer = NULL;
    const char *method = http_request_method(c->http);
    if (code->http_status == 304 || streq(method, "HEAD")) {
        call_answer(c, code->http_status);
    } else {
        str_add(&out, "<Error>");
        xml_element(&out, "Code", code->wire);
        xml_element(&out, "Message", own ? code->message : error_message(e));
        if (c->bucket && c->key_len)
            add_key(&out, "Key", c->key, c->key_len, false);
        xml_element(&out, "BucketName", c->bucket);
        xml_element(&out, "Resource", http_request_path(c->http));
        xml_element(&out, "RequestId", c->id);
        xml_element(&out, "HostId", c->id);
        str_add(&out, "</Error>");
        call_answer_xml(c, code->http_status, &out);
    }
    if (code == &S3_SLOW_DOWN || code == &S3_UNAVAILABLE)
        http_answer_set(c->answer, "Retry-After", "1");
    error_free(e);
}

static void fail(struct call *c, struct error *e)
{
    c->failed = true;
    answer_error(c, e);
    send_answer(c);
}

static bool bucket_name_valid(const char *name)
{
    size_t len = strlen(name);
    if (len < 3 || len > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != len)
        return false;
    char last = name[len - 1];
    return name[0] != '.' && name[0] != '-' && last != '.' && last != '-' && !strstr(name, "..") &&
           strspn(name, "0123456789.") != len;
}

static struct error *take_path(struct call *c)
{
    const char *path = http_request_path(c->http);
    struct str key = STR_INIT, bucket = STR_INIT;
    if (path[0] != '/')
        return error_new_code(&S3_INVALID_URI, "%s", S3_INVALID_URI.message);
    size_t len = strcspn(path + 1, "/");
    const char *rest = path + 1 + len;
    rest += *rest == '/';
    bool ok = uri_decode(&bucket, path + 1, len, false) && uri_decode(&key, rest, strlen(rest), false);
    c->key_len = key.len;
    c->key = str_take(&key);
    if (bucket.len)
        c->bucket = str_take(&bucket);
    str_free(&bucket);
    if (!ok || !utf8_valid(c->key, c->key_len))
        return error_new_code(&S3_INVALID_URI, "%s", S3_INVALID_URI.message);
    if (c->bucket && !bucket_name_valid(c->bucket))
        return error_new_code(&S3_INVALID_BUCKET_NAME, "%s", S3_INVALID_BUCKET_NAME.message);
    if (c->key_len > KEY_MAX)
        return error_new_code(&S3_KEY_TOO_LONG, "%s", S3_KEY_TOO_LONG.message);
    return NULL;
}

/* What a request asks for beside its operation and would be wrong to pass over in silence. */
static struct error *check_wishes(struct call *c)
{
    static const char *const not_had[] = {"x-amz-server-side-encryption", "x-amz-object-lock-", "x-amz-tagging", "x-amz-grant-",
                                          "x-amz-copy-source-server-side-encryption", "x-amz-bucket-object-lock-enabled"};
    size_t len = 0;
    const struct http_header *headers = http_request_headers(c->http, &len);
    const char *acl = call_header(c, "x-amz-acl"), *class = call_header(c, "x-amz-storage-class");
    for (size_t i = 0; i < len; i++)
        for (size_t j = 0; j < ARRAY_SIZE(not_had); j++)
            if (!strncasecmp(headers[i].name, not_had[j], strlen(not_had[j])) && !streq(headers[i].value, "false") &&
                strcasecmp(headers[i].name, "x-amz-tagging-directive") != 0)
                return error_new(S3_NOT_HAD, "The header %s implies functionality that this store does not have.", not_had[j]);
    if (acl && !streq(acl, "private") && !str_starts(acl, "bucket-owner-"))
        return error_new_code(&S3_ACL_UNSUPPORTED, "%s", S3_ACL_UNSUPPORTED.message);
    if (class && !streq(class, "STANDARD"))
        return error_new_code(&S3_STORAGE_CLASS, "%s", S3_STORAGE_CLASS.message);
    return NULL;
}

static struct error *prepare(struct call *c)
{
    struct error *e = NULL;
    const char *query = http_request_query(c->http);
    if (c->store->closing)
        return error_new_code(&S3_UNAVAILABLE, "%s", S3_UNAVAILABLE.message);
    RETURN_IF_ERROR(take_path(c));
    RETURN_IF_ERROR(error_recode(params_parse(&c->params, query ? query : "", query ? strlen(query) : 0), &S3_INVALID_URI,
                                 "%s", S3_INVALID_URI.message));
    /* The signature first: what is there and what is not is no stranger's business. */
    RETURN_IF_ERROR(call_authenticate(c));
    c->op = operation_find(c, &e);
    if (!role_allows(c->account.role, c->op ? c->op->name : NULL, c->bucket, c->key)) {
        error_free(e);
        return error_new_code(&S3_ACCESS_DENIED, "%s", S3_ACCESS_DENIED.message);
    }
    if (e)
        return e;
    RETURN_IF_ERROR(check_wishes(c));
    if (c->op->body == BODY_STREAM)
        return body_begin(c);
    if (str_starts(c->payload, "STREAMING-"))
        return error_new(S3_INVALID_REQUEST, "x-amz-content-sha256: a STREAMING payload is for uploads only");
    http_request_buffer(c->http, c->op->body == BODY_XML ? XML_MAX : NONE_MAX);
    return NULL;
}

static void begin(struct store *s, struct http_request *r, bool tells_status)
{
    struct call *c = xnew0(struct call);
    unsigned char raw[8];
    random_bytes(raw, sizeof raw);
    _cleanup_free_ char *id = hex_encode(raw, sizeof raw);
    memcpy(c->id, id, sizeof c->id);
    c->store = s;
    c->http = r;
    c->guest = !tells_status;
    http_request_set_data(r, c);
    const char *path = http_request_path(r);
    if (tells_status && (str_starts(path, "/healthz") || str_starts(path, "/metrics")))
        if (status_answer(r, s->metrics, !s->closing)) {
            c->failed = true;
            return;
        }
    struct error *e = prepare(c);
    if (e)
        fail(c, e);
}

static void on_begin(void *arg, struct http_request *r)
{
    begin(arg, r, true);
}

static void on_guest_begin(void *arg, struct http_request *r)
{
    begin(arg, r, false);
}

/* A worker's turn at the received bytes. */
static void flush_job(void *arg)
{
    struct call *c = arg;
    struct store *s = c->store;
    struct http_request *r = c->http;
    struct error *e = receiver_flush(c->receiver);
    if (e)
        fail(c, e);
    http_request_resume(r);
    s->busy--;
}

static struct error *submit(struct call *c, void (*job)(void *arg))
{
    c->store->busy++;
    struct error *e = workers_submit(c->store->workers, job, c);
    if (e) {
        c->store->busy--;
        error_free(e);
        return error_new_code(&S3_SLOW_DOWN, "%s", S3_SLOW_DOWN.message);
    }
    return NULL;
}

static void on_body(void *arg, struct http_request *r, const void *data, size_t len)
{
    struct call *c = http_request_data(r);
    (void)arg;
    if (c->failed || !c->receiver)
        return;
    struct error *e = body_take(c, data, len);
    bool full = !e && receiver_full(c->receiver);
    if (full) {
        http_request_pause(r);
        e = submit(c, flush_job);
    }
    if (e)
        fail(c, e);
    if (e && full)
        http_request_resume(r);
}

static void run_job(void *arg)
{
    struct call *c = arg;
    struct store *s = c->store;
    log_set_request(c->id);
    struct error *e = c->op->body == BODY_STREAM ? NULL : body_check_kept(c);
    if (!e)
        e = c->op->run(c);
    log_set_request(NULL);
    if (e)
        answer_error(c, e);
    send_answer(c);
    s->busy--;
}

static void on_end(void *arg, struct http_request *r)
{
    struct call *c = http_request_data(r);
    (void)arg;
    struct error *e = submit(c, run_job);
    if (e)
        fail(c, e);
}

static void on_gone(void *arg, struct http_request *r)
{
    (void)arg;
    call_free(http_request_data(r));
}

static struct http_answer *refusal(void *arg, int status)
{
    const struct error_code *code = status == 411   ? &S3_MISSING_LENGTH
                                    : status == 413 ? &S3_ENTITY_TOO_LARGE
                                    : status == 503 ? &S3_UNAVAILABLE
                                                    : &S3_INVALID_REQUEST;
    struct http_answer *a = http_answer_new(status);
    (void)arg;
    char *text = xasprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>",
                           code->wire, code->message);
    http_answer_set(a, "Content-Type", "application/xml");
    http_answer_body(a, text, strlen(text));
    return a;
}

const struct http_handler store_http_handler = {on_begin, on_body, on_end, on_gone, refusal};
const struct http_handler store_guest_handler = {on_guest_begin, on_body, on_end, on_gone, refusal};
