/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <pthread.h>
#include <stdio.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/http-server/http-server.h"
#include "node-controller/metadata/metadata.h"

#define BODY_MAX       (1 << 20)
#define CONNECTIONS    1000
#define PER_GUEST      16
#define HEADER_TOKEN   "X-aws-ec2-metadata-token"
#define HEADER_TTL     "X-aws-ec2-metadata-token-ttl-seconds"
#define HEADER_FORWARD "X-Forwarded-For"

struct place {
    struct id vpc;
    uint64_t tag; /* of its listener */
};

struct metadata {
    struct metadata_options options;
    struct http_server *server;
    pthread_mutex_t lock; /* guards what follows */
    ARRAY(struct place) places;
    uint64_t tags;
};

static bool find_vpc(struct metadata *m, uint64_t tag, struct id *ret)
{
    bool found = false;
    pthread_mutex_lock(&m->lock);
    array_each (&m->places, p) {
        if (p->tag == tag) {
            *ret = p->vpc;
            found = true;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

/* The one header of the name; one that came twice is taken for a bad one. */
static const char *header(const struct http_request *r, const char *name)
{
    bool many;
    const char *value = http_request_header(r, name, &many);
    return many ? "" : value;
}

static bool was_forwarded(const struct http_request *r)
{
    bool many;
    return http_request_header(r, HEADER_FORWARD, &many) || many;
}

static void find_answer(struct metadata *m, struct http_request *r, struct metadata_answer *ret)
{
    struct metadata_ask ask = {.method = http_request_method(r), .path = http_request_path(r), .token = header(r, HEADER_TOKEN),
                               .ttl = header(r, HEADER_TTL), .forwarded = was_forwarded(r)};
    struct id vpc, instance = {0};
    _cleanup_json_ json_t *body = NULL;
    _cleanup_free_ char *text = NULL;
    if (find_vpc(m, http_request_tag(r), &vpc))
        text = m->options.lookup(m->options.arg, &vpc, http_request_address(r), &instance);
    struct error *e = text ? json_parse_object(text, strlen(text), BODY_MAX, &body) : NULL;
    if (e)
        log_failure(LOG_WARNING, e, "the body of an instance that asks for its metadata");
    metadata_answer(m->options.secret, body ? &instance : NULL, body, &ask, clock_wall_ms(), ret);
}

static struct http_answer *make_answer(struct metadata_answer *a)
{
    struct http_answer *out = http_answer_new(a->status);
    http_answer_set(out, "Content-Type", a->type);
    if (a->allow)
        http_answer_set(out, "Allow", a->allow);
    if (a->token_ttl) {
        char ttl[16];
        snprintf(ttl, sizeof ttl, "%u", a->token_ttl);
        http_answer_set(out, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", ttl);
    }
    http_answer_hops(out, a->hops);
    http_answer_body(out, TAKE_PTR(a->body), a->len);
    return out;
}

static void on_begin(void *arg, struct http_request *r)
{
    (void)arg;
    http_request_buffer(r, 0);
}

static void on_end(void *arg, struct http_request *r)
{
    struct metadata_answer a;
    find_answer(arg, r, &a);
    http_respond(r, make_answer(&a));
}

static const struct http_handler handler = {.begin = on_begin, .end = on_end};

struct error *metadata_open(const struct metadata_options *o, struct metadata **ret)
{
    struct metadata *m = xnew0(struct metadata);
    struct http_server_options server = {.length_optional = true, .handler = &handler, .arg = m,
                                         .limits = {.connections = CONNECTIONS, .per_address = PER_GUEST, .threads = 1,
                                                    .idle_s = 20, .max_body = 1}};
    m->options = *o;
    pthread_mutex_init(&m->lock, NULL);
    struct error *e = http_server_start(&server, &m->server);
    if (e) {
        metadata_close(m);
        return error_wrap(e, "the metadata server");
    }
    *ret = m;
    return NULL;
}

void metadata_close(struct metadata *m)
{
    if (!m)
        return;
    http_server_stop(m->server);
    array_free(&m->places);
    pthread_mutex_destroy(&m->lock);
    wipe(m->options.secret, sizeof m->options.secret);
    free(m);
}

struct error *metadata_add(struct metadata *m, const struct id *vpc, int listen_fd)
{
    metadata_drop(m, vpc);
    pthread_mutex_lock(&m->lock);
    uint64_t tag = ++m->tags;
    array_push(&m->places, ((struct place){*vpc, tag}));
    pthread_mutex_unlock(&m->lock);
    struct error *e = http_server_add_listener(m->server, listen_fd, tag);
    if (e)
        metadata_drop(m, vpc);
    return error_wrap(e, "the metadata of %s", vpc->text);
}

void metadata_drop(struct metadata *m, const struct id *vpc)
{
    uint64_t tag = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t k = m->places.len; k-- > 0;) {
        if (id_eq(&m->places.data[k].vpc, vpc)) {
            tag = m->places.data[k].tag;
            array_remove_swap(&m->places, k);
        }
    }
    pthread_mutex_unlock(&m->lock);
    if (tag)
        http_server_drop_listener(m->server, tag);
}
