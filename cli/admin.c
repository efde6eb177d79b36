/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/admin.h"
#include <stdlib.h>
#include "api/sigv4-canonical.h"
#include "api/sigv4-sign.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"

#define URL_DEFAULT "http://127.0.0.1:8773"
#define REGION_DEFAULT "us-east-1"
#define ANSWER_MAX (16 * 1024 * 1024)

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

struct error *admin_from_environment(struct admin *ret, const char *url)
{
    struct admin a = {
        .url = url ? url : environment("MALLEE_ADMIN_URL", URL_DEFAULT),
        .access_key_id = environment("AWS_ACCESS_KEY_ID", NULL),
        .secret = environment("AWS_SECRET_ACCESS_KEY", NULL),
        .session_token = environment("AWS_SESSION_TOKEN", NULL),
        .region = environment("AWS_DEFAULT_REGION", REGION_DEFAULT),
        .ca_file = environment("AWS_CA_BUNDLE", NULL),
    };
    if (!a.access_key_id || !a.secret)
        return error_new(ERROR_INVALID, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set: the administrator's "
                                        "keys (a quickstart's are in DIR/env)");
    if (!str_starts(a.url, "http://") && !str_starts(a.url, "https://"))
        return error_new(ERROR_INVALID, "%s is not an http or https URL", a.url);
    *ret = a;
    return NULL;
}

/* The parts of the URL that are signed: "http://host:1/x/" -> "host:1", "/x/admin/ACTION". */
static void split(const char *url, const char *action, char **ret_host, char **ret_path)
{
    const char *host = strstr(url, "://") + 3;
    size_t n = strcspn(host, "/");
    const char *path = host + n;
    size_t m = strlen(path);
    while (m && path[m - 1] == '/')
        m--;
    *ret_host = xstrndup(host, n);
    *ret_path = xasprintf("%.*s/admin/%s", (int)m, path, action);
}

/* What a refusal says, or that it says nothing. */
static struct error *refusal(const struct http_reply *r)
{
    _cleanup_json_ json_t *o = NULL;
    _cleanup_error_ struct error *e = json_parse_object(str_text(&r->body), r->body.len, ANSWER_MAX, &o);
    const char *code = e ? NULL : json_get_string(o, "code", NULL);
    if (!code)
        return error_new(ERROR_DENIED, "the answer was HTTP status %u; is this the admin API?", r->status);
    const char *id = json_get_string(o, "request_id", NULL);
    return error_new(ERROR_DENIED, "%s: %s%s%s%s", code, json_get_string(o, "message", ""), id ? " (request " : "",
                     id ? id : "", id ? ")" : "");
}

static struct error *post(const struct admin *a, const struct http_call *call, struct http_reply *ret)
{
    _cleanup_(http_client_freep) struct http_client *c = NULL;
    struct http_client_options o = {.ca_file = a->ca_file};
    RETURN_IF_ERROR(http_client_new(&o, &c));
    return http_client_call(c, call, ret);
}

struct error *admin_call(const struct admin *a, const char *action, json_t *in, json_t **ret)
{
    _cleanup_json_ json_t *taken = in;
    _cleanup_free_ char *body = json_text(taken), *hash = sha256_hex(body, strlen(body));
    _cleanup_free_ char *host = NULL, *path = NULL;
    split(a->url, action, &host, &path);
    int64_t now = clock_wall_ms();
    char date[17];
    sigv4_date(now, date);
    struct http_header headers[6] = {
        {"Host", host}, {"Content-Type", "application/json"}, {"X-Amz-Date", date}, {"X-Amz-Content-Sha256", hash}};
    size_t n = 4;
    if (a->session_token)
        headers[n++] = (struct http_header){"X-Amz-Security-Token", a->session_token};
    struct sigv4_signer signer = {a->access_key_id, a->secret, a->region, "mallee", false, false};
    struct sigv4_request request = {"POST", path, NULL, headers, n};
    _cleanup_free_ char *authorization = sigv4_sign(&signer, &request, hash, now);
    if (!authorization)
        return error_new(ERROR_INVALID, "%s cannot be signed", a->url);
    headers[n++] = (struct http_header){"Authorization", authorization};
    _cleanup_free_ char *url =
        xasprintf("%s%s%s", str_starts(a->url, "https:") ? "https://" : "http://", host, path);
    struct http_call call = {.method = "POST", .url = url, .headers = headers, .nheaders = n, .body = body,
                             .len = strlen(body), .max_body = ANSWER_MAX,
                             .timeout_ms = a->timeout_ms};
    _cleanup_http_reply_ struct http_reply reply;
    RETURN_IF_ERROR(post(a, &call, &reply));
    if (reply.status / 100 != 2)
        return refusal(&reply);
    return error_wrap(json_parse_object(str_text(&reply.body), reply.body.len, ANSWER_MAX, ret), "the answer of %s",
                      action);
}
