/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/aws-call.h"
#include "api/sigv4-canonical.h"
#include "api/sigv4-sign.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"

#define HEADERS_MAX 8

struct aws_caller {
    struct http_client *http;
    char *base, *host, *prefix; /* "http://host:1", "host:1", "/x" */
    char *access_key_id, *secret, *region, *service;
};

struct error *aws_caller_new(const struct aws_caller_options *o, struct aws_caller **ret)
{
    const char *host = strstr(o->endpoint, "://");
    if (!host || (!str_starts(o->endpoint, "http://") && !str_starts(o->endpoint, "https://")) || !host[3])
        return error_new(ERROR_INVALID, "%s is not an http or https URL", o->endpoint);
    host += 3;
    _cleanup_(aws_caller_freep) struct aws_caller *c = xnew0(struct aws_caller);
    struct http_client_options http = {.ca_file = o->ca_file};
    RETURN_IF_ERROR(http_client_new(&http, &c->http));
    size_t n = strcspn(host, "/"), rest = strlen(host + n);
    while (rest && host[n + rest - 1] == '/')
        rest--;
    c->host = xstrndup(host, n);
    c->base = xstrndup(o->endpoint, (size_t)(host - o->endpoint) + n);
    c->prefix = xstrndup(host + n, rest);
    c->access_key_id = xstrdup(o->access_key_id);
    c->secret = xstrdup(o->secret);
    c->region = xstrdup(o->region);
    c->service = xstrdup(o->service);
    *ret = TAKE_PTR(c);
    return NULL;
}

void aws_caller_free(struct aws_caller *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    if (c->secret)
        wipe(c->secret, strlen(c->secret));
    free(c->base);
    free(c->host);
    free(c->prefix);
    free(c->access_key_id);
    free(c->secret);
    free(c->region);
    free(c->service);
    free(c);
}

struct error *aws_call(struct aws_caller *c, const struct aws_call *call, struct http_reply *ret)
{
    bool s3 = streq(c->service, "s3");
    int64_t now = clock_wall_ms();
    char date[17];
    sigv4_date(now, date);
    _cleanup_free_ char *hash =
        call->send ? xstrdup(SIGV4_UNSIGNED_PAYLOAD) : sha256_hex(call->body ? call->body : "", call->body ? call->len : 0);
    _cleanup_free_ char *path = xasprintf("%s%s", c->prefix, call->path);
    struct http_header headers[HEADERS_MAX + 4] = {
        {"Host", c->host}, {"X-Amz-Date", date}, {"X-Amz-Content-Sha256", hash}};
    size_t n = 3;
    if (call->nheaders > HEADERS_MAX)
        return error_new(ERROR_INVALID, "%zu headers are too many", call->nheaders);
    for (size_t i = 0; i < call->nheaders; i++)
        headers[n++] = call->headers[i];
    struct sigv4_signer signer = {c->access_key_id, c->secret, c->region, c->service, s3, false};
    struct sigv4_request request = {call->method, path, call->query, headers, n};
    _cleanup_free_ char *authorization = sigv4_sign(&signer, &request, hash, now);
    if (!authorization)
        return error_new(ERROR_INVALID, "%s%s cannot be signed", c->base, path);
    headers[n++] = (struct http_header){"Authorization", authorization};
    _cleanup_free_ char *url =
        xasprintf("%s%s%s%s", c->base, path, call->query ? "?" : "", call->query ? call->query : "");
    struct http_call http = {.method = call->method,
                             .url = url,
                             .headers = headers,
                             .nheaders = n,
                             .body = call->body,
                             .len = call->len,
                             .send = call->send,
                             .receive = call->receive,
                             .arg = call->arg,
                             .length = call->length,
                             .max_body = call->max_body,
                             .stall_s = call->stall_s};
    return http_client_call(c->http, &http, ret);
}
