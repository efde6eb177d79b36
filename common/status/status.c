/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/status/status.h"
#include "common/base/mem.h"
#include "common/base/str.h"

struct status_server {
    struct http_server *http;
    struct metrics *metrics;
    bool (*healthy)(void *arg);
    void *arg;
};

static void respond(struct http_request *r, int status, const char *type, char *text, size_t len)
{
    struct http_answer *a = http_answer_new(status);
    http_answer_set(a, "Content-Type", type);
    http_answer_body(a, text, len);
    http_respond(r, a);
}

bool status_answer(struct http_request *r, struct metrics *metrics, bool healthy)
{
    const char *path = http_request_path(r);
    if (streq(path, "/healthz")) {
        char *text = xstrdup(healthy ? "ok\n" : "not ready\n");
        respond(r, healthy ? 200 : 503, "text/plain", text, strlen(text));
        return true;
    }
    if (streq(path, "/metrics")) {
        struct str out = STR_INIT;
        metrics_render(metrics, &out);
        size_t len = out.len;
        respond(r, 200, "text/plain; version=0.0.4", str_take(&out), len);
        return true;
    }
    return false;
}

static void on_begin(void *arg, struct http_request *r)
{
    (void)arg;
    http_request_buffer(r, 0);
}

static void on_body(void *arg, struct http_request *r, const void *data, size_t len)
{
    (void)arg;
    (void)r;
    (void)data;
    (void)len;
}

static void on_end(void *arg, struct http_request *r)
{
    struct status_server *s = arg;
    if (status_answer(r, s->metrics, s->healthy(s->arg)))
        return;
    char *text = xstrdup("not found\n");
    respond(r, 404, "text/plain", text, strlen(text));
}

static const struct http_handler handler = {.begin = on_begin, .body = on_body, .end = on_end};

struct error *status_start(const char *listen, struct metrics *metrics, bool (*healthy)(void *arg), void *arg,
                           struct status_server **ret)
{
    struct status_server *s = xnew0(struct status_server);
    s->metrics = metrics;
    s->healthy = healthy;
    s->arg = arg;
    struct http_server_options o = {.listen = listen, .handler = &handler, .arg = s};
    o.limits.threads = 1;
    o.limits.connections = 64;
    struct error *e = http_server_start(&o, &s->http);
    if (e) {
        free(s);
        return e;
    }
    *ret = s;
    return NULL;
}

void status_stop(struct status_server *s)
{
    if (!s)
        return;
    http_server_stop(s->http);
    free(s);
}
