/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/api.h"
#include "api/action.h"
#include "api/gen/admin.h"
#include "api/gen/ec2.h"
#include "api/gen/sts.h"
#include "api/query.h"
#include "api/shape-json.h"
#include "api/sigv4.h"
#include "api/xml-write.h"
#include "cloud-controller/request.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/crypto/digest.h"
#include "common/http-server/http-server.h"
#include "common/status/status.h"
#include "common/workers/workers.h"

#define BODY_MAX    (1u << 20)
#define SECRET_ROOM 65536 /* of an answer with a secret: it must not grow, which would leave copies behind */
#define WORKERS_MAX 96
#define WAITING_MAX 2048
#define EC2_VERSION "2016-11-15"
#define STS_VERSION "2011-06-15"

struct api {
    struct cloud *cloud;
    struct http_server *http, *guest_http; /* the second: NULL where none is configured */
    struct workers *workers;
};

/* A request on its worker. */
struct call {
    struct api *api;
    struct http_request *http;
    struct request_ctx ctx;
    struct params params;
    const struct service *service; /* NULL until the signature told it */
    const char *empty_name, *empty_set; /* of an action of empty_sets; NULL: another */
};

enum dialect {
    DIALECT_EC2,
    DIALECT_IAM,
    DIALECT_JSON,
};

static const struct service {
    const char *scope; /* of the signature */
    enum dialect dialect;
    const char *xmlns, *version;
    const struct api_action *actions;
    const size_t *actions_len;
} services[] = {
    {"ec2", DIALECT_EC2, "http://ec2.amazonaws.com/doc/%s/", EC2_VERSION, ec2_actions, &ec2_actions_len},
    {"sts", DIALECT_IAM, "https://sts.amazonaws.com/doc/%s/", STS_VERSION, sts_actions, &sts_actions_len},
    {"mallee", DIALECT_JSON, "", "", admin_actions, &admin_actions_len},
};
static const char *const scopes[] = {"ec2", "sts", "mallee", NULL};

static void make_request_id(char ret[37])
{
    unsigned char b[16];
    random_bytes(b, sizeof b);
    b[6] = (b[6] & 15) | 0x40;
    b[8] = (b[8] & 63) | 0x80;
    _cleanup_free_ char *hex = hex_encode(b, sizeof b);
    _cleanup_free_ char *text =
        xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    memcpy(ret, text, 37);
}

/* ---- answers ---- */

static void respond(struct call *c, int status, struct str *body)
{
    bool json = c->service && c->service->dialect == DIALECT_JSON;
    struct http_answer *a = http_answer_new(status);
    http_answer_set(a, "Content-Type", json ? "application/json" : "text/xml;charset=UTF-8");
    http_answer_set(a, "x-amzn-RequestId", c->ctx.request_id);
    size_t len = body->len;
    http_answer_body(a, str_take(body), len);
    if (c->ctx.action && shape_is_secret(c->ctx.action->out))
        http_answer_secret(a);
    http_respond(c->http, a);
}

static void add_json_error(struct str *out, const char *code, const char *message, const char *request_id)
{
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "code", code);
    json_set_string(o, "message", message);
    json_set_string(o, "request_id", request_id);
    _cleanup_free_ char *text = json_text(o);
    str_add(out, text);
}

/* Errors without a service's code are ours: the client learns no more than that. */
static const struct error_code *wire_code(const struct error *e)
{
    if (error_is(e, &ERROR_UNAVAILABLE) || error_is(e, &ERROR_NO_SPACE) || error_is(e, &ERROR_TIMEOUT))
        return &API_UNAVAILABLE;
    static const struct error_code *const low[] = {&ERROR_INTERNAL, &ERROR_INVALID, &ERROR_NOT_FOUND,
                                                   &ERROR_EXISTS,   &ERROR_DENIED,  &ERROR_TOO_LARGE};
    for (size_t i = 0; i < ARRAY_SIZE(low); i++) {
        if (error_is(e, low[i]))
            return &API_INTERNAL_ERROR;
    }
    return error_code(e);
}

static void respond_error(struct call *c, struct error *e)
{
    const struct error_code *code = wire_code(e);
    bool own = code == error_code(e);
    const char *message = own ? error_message(e) : code->message;
    enum dialect dialect = c->service ? c->service->dialect : DIALECT_EC2;
    struct str body = STR_INIT;
    if (dialect == DIALECT_JSON)
        add_json_error(&body, code->wire, message, c->ctx.request_id);
    else
        xml_error(&body, dialect == DIALECT_EC2 ? XML_EC2 : XML_IAM, code->wire, code->http_status, message,
                  c->ctx.request_id);
    log_at(code->http_status >= 500 && !own ? LOG_ERROR : LOG_INFO, "%s of %s: %s: %s (%s)",
           c->ctx.action ? c->ctx.action->name : "request", c->ctx.account.text[0] ? c->ctx.account.text : "nobody",
           code->wire, error_message(e), error_origin(e));
    int status = code->http_status;
    error_free(e);
    respond(c, status, &body);
}

static void respond_result(struct call *c, const void *out)
{
    struct str body = STR_INIT;
    bool secret = shape_is_secret(c->ctx.action->out);
    if (c->service->dialect == DIALECT_JSON) {
        _cleanup_(json_decrefp) json_t *o = shape_to_json(c->ctx.action->out, out);
        _cleanup_free_ char *text = json_text(o);
        size_t len = strlen(text);
        str_reserve(&body, len + 1);
        str_add_n(&body, text, len);
        if (secret)
            wipe(text, len);
    } else {
        if (secret)
            str_reserve(&body, SECRET_ROOM);
        _cleanup_str_ struct str xmlns = STR_INIT;
        const char *at = strstr(c->service->xmlns, "%s");
        str_add_n(&xmlns, c->service->xmlns, (size_t)(at - c->service->xmlns));
        str_add(&xmlns, c->ctx.version);
        str_add(&xmlns, at + 2);
        if (c->empty_set)
            xml_empty_set(&body, c->empty_name, xmlns.data, c->ctx.request_id, c->empty_set);
        else
            xml_answer(&body, c->service->dialect == DIALECT_EC2 ? XML_EC2 : XML_IAM, c->ctx.action->name, xmlns.data,
                       c->ctx.request_id, c->ctx.action->out, out);
    }
    respond(c, 200, &body);
}

/* ---- who calls ---- */

struct lookup {
    struct call *call;
    struct store_key row;
    struct error *error;
    const char *id;
};

static struct error *read_key(struct db_tx *tx, void *arg)
{
    struct lookup *l = arg;
    return store_key_get(tx, l->id, &l->row);
}

static bool find_secret(void *arg, const char *access_key_id, const char *token,
                        char ret_secret[SIGV4_SECRET_MAX + 1])
{
    struct lookup *l = arg;
    if (token)
        return false; /* there are no temporary credentials */
    l->id = access_key_id;
    l->error = db_read(l->call->api->cloud->db, read_key, l);
    if (error_is(l->error, &ERROR_NOT_FOUND)) {
        l->error = error_free(l->error);
        return false;
    }
    if (l->error || !l->row.enabled)
        return false;
    l->error = keys_secret(l->call->api->cloud->keys, access_key_id, &l->row, ret_secret);
    return l->error == NULL;
}

static struct error *verdict_error(enum sigv4_verdict verdict, const struct sigv4_result *r)
{
    const char *detail = r->detail ? r->detail : "";
    switch (verdict) {
    case SIGV4_OK:
        return NULL;
    case SIGV4_ABSENT:
        return error_new(API_MISSING_AUTHENTICATION_TOKEN, "Request is missing Authentication Token. %s", detail);
    case SIGV4_INCOMPLETE:
        return error_new(API_INCOMPLETE_SIGNATURE, "%s", *detail ? detail : "The signature is incomplete.");
    case SIGV4_UNKNOWN_KEY:
        return error_new(API_AUTH_FAILURE, "AWS was not able to validate the provided access credentials");
    case SIGV4_EXPIRED:
        return error_new(API_REQUEST_EXPIRED, "Request has expired. %s", detail);
    case SIGV4_MISMATCH:
        break;
    }
    return error_new(API_SIGNATURE_DOES_NOT_MATCH, "%s",
                     *detail ? detail : "The request signature we calculated does not match the one you provided.");
}

static struct error *verify(struct call *c)
{
    struct sigv4_request request = {http_request_method(c->http), http_request_path(c->http),
                                    http_request_query(c->http), NULL, 0};
    request.headers = http_request_headers(c->http, &request.headers_len);
    struct sigv4_rules rules = {.services = scopes, .region = c->api->cloud->config->region};
    size_t len;
    const char *body = http_request_body(c->http, &len);
    _cleanup_free_ char *hash = sha256_hex(body, len);
    struct lookup l = {.call = c};
    struct sigv4_result r = {0};
    enum sigv4_verdict verdict = sigv4_verify(&rules, &request, hash, clock_wall_ms(), find_secret, &l, &r);
    wipe(r.key, sizeof r.key);
    if (l.error)
        return l.error;
    RETURN_IF_ERROR(verdict_error(verdict, &r));
    c->ctx.account = l.row.account;
    c->ctx.administrator = l.row.administrator;
    memcpy(c->ctx.access_key_id, r.access_key_id, sizeof r.access_key_id);
    for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
        if (streq(services[i].scope, r.service))
            c->service = &services[i];
    }
    return NULL;
}

/* ---- what is called ---- */

static struct error *read_params(struct call *c)
{
    const char *query = http_request_query(c->http);
    size_t len;
    const char *body = http_request_body(c->http, &len);
    struct error *e = query ? params_parse(&c->params, query, strlen(query)) : NULL;
    if (!e && len && streq(http_request_method(c->http), "POST"))
        e = params_parse(&c->params, body, len);
    return error_recode(e, &API_MALFORMED_QUERY_STRING, NULL);
}

/* Stands for every action whose answer is an empty set. */
static const struct api_shape no_members = {"empty", 1, NULL, 0};
static const struct api_action empty_action = {
    .name = "Describe", .iam = "ec2:Describe", .in = &no_members, .out = &no_members};

static struct error *find_action(struct call *c, const char *name)
{
    const struct service *s = c->service;
    c->ctx.action = action_find(s->actions, *s->actions_len, name);
    if (c->ctx.action)
        return NULL;
    c->empty_set = s->dialect == DIALECT_EC2 ? empty_set_of(name) : NULL;
    if (c->empty_set) {
        c->ctx.action = &empty_action;
        c->empty_name = name;
        return NULL;
    }
    if (s->dialect == DIALECT_EC2 && name_listed(aws_actions, aws_actions_len, name))
        return error_new(API_UNSUPPORTED_OPERATION, "The action %s is not supported here.", name);
    return error_new(API_INVALID_ACTION, "The action %.80s is not valid for this web service.", name);
}

static bool version_ok(const char *text)
{
    return strlen(text) == 10 && strspn(text, "0123456789-") == 10;
}

static struct error *read_dry_run(struct call *c)
{
    const char *text = params_get(&c->params, "DryRun", NULL);
    if (text && !streq(text, "true") && !streq(text, "false"))
        return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.40s) for parameter DryRun is invalid.", text);
    c->ctx.dry_run = text && streq(text, "true");
    return NULL;
}

static struct error *read_query_call(struct call *c, void **ret_in)
{
    if (!streq(http_request_path(c->http), "/"))
        return error_new(API_INVALID_ACTION, "There is nothing at %.80s", http_request_path(c->http));
    RETURN_IF_ERROR(read_params(c));
    const char *name = params_get(&c->params, "Action", NULL);
    const char *version = params_get(&c->params, "Version", NULL);
    if (!name)
        return error_new(API_MISSING_ACTION, "The request is missing the parameter Action.");
    RETURN_IF_ERROR(find_action(c, name));
    c->ctx.version = version && version_ok(version) ? version : c->service->version;
    RETURN_IF_ERROR(read_dry_run(c));
    if (c->empty_set)
        return NULL; /* whatever is asked of nothing, the answer is nothing */
    *ret_in = xcalloc(1, c->ctx.action->in->size);
    return query_read(&c->params, c->ctx.action->in, *ret_in);
}

static struct error *read_json_call(struct call *c, void **ret_in)
{
    const char *path = http_request_path(c->http);
    if (!str_starts(path, "/admin/") || !streq(http_request_method(c->http), "POST"))
        return error_new(API_INVALID_ACTION, "Administration is POST /admin/ACTION.");
    RETURN_IF_ERROR(find_action(c, path + strlen("/admin/")));
    size_t len;
    const char *body = http_request_body(c->http, &len);
    _cleanup_(json_decrefp) json_t *o = NULL;
    struct error *e = json_parse_object(len ? body : "{}", len ? len : 2, BODY_MAX, &o);
    RETURN_IF_ERROR(error_recode(e, &API_INVALID_PARAMETER_VALUE, NULL));
    *ret_in = xcalloc(1, c->ctx.action->in->size);
    return shape_from_json(c->ctx.action->in, o, *ret_in);
}

static struct error *run(struct call *c, void **ret_in, void **ret_out)
{
    if (str_starts(http_request_path(c->http), "/admin/"))
        c->service = &services[ARRAY_SIZE(services) - 1]; /* so that a refusal has its form */
    RETURN_IF_ERROR(verify(c));
    bool json = c->service->dialect == DIALECT_JSON;
    RETURN_IF_ERROR(json ? read_json_call(c, ret_in) : read_query_call(c, ret_in));
    *ret_out = xcalloc(1, c->ctx.action->out->size);
    return c->empty_set ? authorize(&c->ctx, "*") : c->ctx.action->call(&c->ctx, *ret_in, *ret_out);
}

static void call_free(struct call *c)
{
    params_free(&c->params);
    free(c->ctx.endpoint);
    free(c);
}

static void work(void *arg)
{
    struct call *c = arg;
    void *in = NULL, *out = NULL;
    log_set_request(c->ctx.request_id);
    struct error *e = run(c, &in, &out);
    if (e)
        respond_error(c, e);
    else
        respond_result(c, out);
    if (in)
        shape_free(c->ctx.action->in, in);
    if (out)
        shape_free(c->ctx.action->out, out);
    free(in);
    free(out);
    log_set_request(NULL);
    call_free(c);
}

/* ---- the listener ---- */

static void on_begin(void *arg, struct http_request *r)
{
    (void)arg;
    http_request_buffer(r, BODY_MAX);
}

static void on_body(void *arg, struct http_request *r, const void *data, size_t len)
{
    (void)arg;
    (void)r;
    (void)data;
    (void)len;
}

static void take(struct api *a, struct http_request *r)
{
    struct call *c = xnew0(struct call);
    c->api = a;
    c->http = r;
    c->ctx.cloud = a->cloud;
    const char *host = http_request_header(r, "Host", NULL);
    c->ctx.endpoint = xstrdup(host ? host : "");
    make_request_id(c->ctx.request_id);
    struct error *e = workers_submit(a->workers, work, c);
    if (e) {
        respond_error(c, error_recode(e, &API_REQUEST_LIMIT_EXCEEDED, "Too many requests wait; try again."));
        call_free(c);
    }
}

static void on_end(void *arg, struct http_request *r)
{
    struct api *a = arg;
    if (!status_answer(r, daemon_metrics(a->cloud->daemon), brain_connected(a->cloud->brain)))
        take(a, r);
}

/* Instances see "/" only: EC2 and STS. */
static void on_guest_end(void *arg, struct http_request *r)
{
    if (streq(http_request_path(r), "/"))
        take(arg, r);
    else
        http_respond(r, http_answer_new(404));
}

static const struct http_handler handler = {.begin = on_begin, .body = on_body, .end = on_end};
static const struct http_handler guest_handler = {.begin = on_begin, .body = on_body, .end = on_guest_end};

static struct error *listen_to(struct api *a, struct http_server_options *o, const char *labels,
                               struct http_server **ret)
{
    o->arg = a;
    o->limits.max_body = BODY_MAX;
    RETURN_IF_ERROR(http_server_start(o, ret));
    metrics_register(daemon_metrics(a->cloud->daemon), http_metric_rows, http_metric_rows_len,
                     http_server_metrics(*ret), labels);
    return NULL;
}

static struct error *listen_all(struct api *a, const struct cloud_config *c)
{
    struct http_server_options o = {
        .listen = c->listen, .cert_file = c->cert_file, .key_file = c->key_file, .handler = &handler};
    struct http_server_options guests = {.listen = c->guest_listen,
                                         .cert_file = c->guest_cert_file,
                                         .key_file = c->guest_key_file,
                                         .handler = &guest_handler};
    struct error *e = listen_to(a, &o, NULL, &a->http);
    if (!e && c->guest_listen)
        e = listen_to(a, &guests, "listener=\"guests\"", &a->guest_http);
    return e;
}

static void stop_listening(struct api *a, struct http_server *s)
{
    if (s)
        metrics_remove(daemon_metrics(a->cloud->daemon), http_server_metrics(s));
    http_server_stop(s);
}

struct error *api_open(struct cloud *cloud, struct api **ret)
{
    struct api *a = xnew0(struct api);
    a->cloud = cloud;
    a->workers = workers_new(WORKERS_MAX, WAITING_MAX);
    *ret = a;
    struct error *e = listen_all(a, cloud->config);
    if (e) {
        *ret = NULL;
        api_close(a);
        return error_wrap(e, "API listener");
    }
    return NULL;
}

void api_close(struct api *a)
{
    if (!a)
        return;
    workers_stop(a->workers); /* all that was taken is answered; what comes now is refused */
    stop_listening(a, a->http);
    stop_listening(a, a->guest_http);
    workers_free(a->workers);
    free(a);
}
