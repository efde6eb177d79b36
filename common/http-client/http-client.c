/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/http-client/http-client.h"
#include <curl/curl.h>
#include <strings.h>

#define CONNECT_MS 5000
#define CALL_MS 30000
#define STALL_S 30
#define BODY_MAX (1024 * 1024)
#define HEADERS_MAX 200

struct http_client {
    CURL *curl;
    char *ca_file;
    unsigned connect_ms;
};

/* One call under way. */
struct transfer {
    const struct http_call *call;
    struct http_client *client;
    struct http_reply reply;
    size_t sent;
    bool too_large;
};

struct error *http_client_new(const struct http_client_options *options, struct http_client **ret)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) /* counted: each client holds one */
        return error_new(ERROR_INTERNAL, "the HTTP client library does not start");
    struct http_client *c = xnew0(struct http_client);
    c->curl = curl_easy_init();
    if (!c->curl)
        abort(); /* out of memory */
    c->ca_file = options && options->ca_file ? xstrdup(options->ca_file) : NULL;
    c->connect_ms = options && options->connect_ms ? options->connect_ms : CONNECT_MS;
    *ret = c;
    return NULL;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    curl_global_cleanup();
    free(c->ca_file);
    free(c);
}

void http_reply_free(struct http_reply *r)
{
    array_each (&r->headers, h) {
        free((char *)(uintptr_t)h->name);
        free((char *)(uintptr_t)h->value);
    }
    array_free(&r->headers);
    str_free(&r->body);
    memset(r, 0, sizeof *r);
}

const char *http_reply_header(const struct http_reply *r, const char *name)
{
    array_each (&r->headers, h)
        if (!strcasecmp(h->name, name))
            return h->value;
    return NULL;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    if (len > 5 && !strncmp(line, "HTTP/", 5)) {
        http_reply_free(&t->reply); /* what came before belonged to a "100 Continue" */
        return len;
    }
    const char *colon = memchr(line, ':', len);
    if (!colon || t->reply.headers.len == HEADERS_MAX)
        return len;
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    struct http_header *h = array_add(&t->reply.headers);
    h->name = xstrndup(line, (size_t)(colon - line));
    h->value = xstrndup(value, (size_t)(end - value));
    return len;
}

static void tell_length(struct transfer *t)
{
    curl_off_t length = -1;
    curl_easy_getinfo(t->client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (t->call->length && length >= 0)
        *t->call->length = (uint64_t)length;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n, max = t->call->max_body ? t->call->max_body : BODY_MAX;
    long status = 0;
    curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->call->receive && status / 100 == 2) {
        tell_length(t);
        return t->call->receive(t->call->arg, data, len) ? len : 0;
    }
    if (len > max - t->reply.body.len) {
        t->too_large = true;
        return 0;
    }
    str_add_n(&t->reply.body, data, len);
    return len;
}

static size_t on_send(char *into, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t max = size * n, left = t->call->len - t->sent;
    if (max > left)
        max = left;
    if (!max)
        return 0;
    if (!t->call->send) {
        memcpy(into, (const char *)t->call->body + t->sent, max);
        t->sent += max;
        return max;
    }
    ssize_t got = t->call->send(t->call->arg, into, max);
    if (got <= 0 || (size_t)got > max)
        return CURL_READFUNC_ABORT;
    t->sent += (size_t)got;
    return (size_t)got;
}

/* A kept connection that turns out closed makes the library send again: from the start. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (t->call->send || origin != SEEK_SET || offset < 0 || (size_t)offset > t->call->len)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static struct curl_slist *header_list(const struct http_call *call)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < call->nheaders; i++) {
        const struct http_header *h = &call->headers[i];
        _cleanup_free_ char *line = *h->value ? xasprintf("%s: %s", h->name, h->value) : xasprintf("%s;", h->name);
        struct curl_slist *more = curl_slist_append(list, line);
        if (!more)
            abort(); /* out of memory */
        list = more;
    }
    return list;
}

static void set_body(CURL *curl, struct transfer *t)
{
    const struct http_call *call = t->call;
    bool post = streq(call->method, "POST");
    if (streq(call->method, "HEAD")) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (post || streq(call->method, "PUT") || call->len) {
        curl_easy_setopt(curl, post ? CURLOPT_POST : CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, post ? CURLOPT_POSTFIELDSIZE_LARGE : CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->len);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(curl, CURLOPT_READDATA, t);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_times(CURL *curl, const struct http_client *c, const struct http_call *call)
{
    bool streamed = call->send || call->receive;
    long whole = call->timeout_ms ? (long)call->timeout_ms : streamed ? 0 : CALL_MS;
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, whole);
    if (streamed) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, call->stall_s ? (long)call->stall_s : STALL_S);
    }
}

static void set_up(struct transfer *t, struct curl_slist *headers, char *why)
{
    CURL *curl = t->client->curl;
    curl_easy_reset(curl); /* keeps the connections */
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, PACKAGE "/" VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (t->client->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, t->client->ca_file);
    curl_easy_setopt(curl, CURLOPT_URL, t->call->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    set_body(curl, t);
    set_times(curl, t->client, t->call);
}

static const struct error_code *code_of(CURLcode rc, const struct transfer *t)
{
    if (t->too_large)
        return &ERROR_TOO_LARGE;
    switch (rc) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return &ERROR_UNAVAILABLE;
    case CURLE_OPERATION_TIMEDOUT: {
        curl_off_t connected = 0;
        curl_easy_getinfo(t->client->curl, CURLINFO_CONNECT_TIME_T, &connected);
        return connected ? &ERROR_TIMEOUT : &ERROR_UNAVAILABLE;
    }
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return &ERROR_INVALID;
    default:
        return &ERROR_INTERNAL;
    }
}

struct error *http_client_call(struct http_client *c, const struct http_call *call, struct http_reply *ret)
{
    struct transfer t = {.call = call, .client = c};
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = header_list(call);
    memset(ret, 0, sizeof *ret);
    set_up(&t, headers, why);
    CURLcode rc = curl_easy_perform(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    if (rc) {
        http_reply_free(&t.reply);
        return error_new_code(code_of(rc, &t), "%s %s: %s", call->method, call->url,
                              t.too_large ? "the answer is too long" : *why ? why : curl_easy_strerror(rc));
    }
    long status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    t.reply.status = (unsigned)status;
    *ret = t.reply;
    return NULL;
}
