/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/store.h"
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "object-store/backup.h"
#include "object-store/call.h"

#define WORKERS_MAX  48
#define QUEUE_MAX    4096
#define SWEEP_MS     5000
#define SWEEP_FILES  1000
#define BODY_MAX     (UINT64_C(6) * 1024 * 1024 * 1024)

struct store_config {
    struct daemon_config daemon;
    char *listen, *cert_file, *key_file, *node_listen, *node_cert_file, *node_key_file, *state_dir, *identity_file, *region;
    char *guest_listen, *guest_cert_file, *guest_key_file;
    uint64_t min_free, garbage_delay, connections, per_address;
};

/* clang-format off */
static const struct config_key keys[] = {
    DAEMON_KEYS(struct store_config, daemon),
    {.name = "listen", .type = CONFIG_ADDRESS, .offset = offsetof(struct store_config, listen),
     .value = "127.0.0.1:8775", .required = true, .tls_key = "cert-file", .doc = "Where S3 is answered."},
    {.name = "cert-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, cert_file),
     .doc = "The certificate (PEM) of the listener; without it the listener speaks plain HTTP."},
    {.name = "key-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, key_file),
     .doc = "The certificate's key (PEM)."},
    {.name = "node-listen", .type = CONFIG_ADDRESS, .offset = offsetof(struct store_config, node_listen),
     .tls_key = "node-cert-file", .doc = "Where S3 is answered too, for nodes: the address of their network."},
    {.name = "node-cert-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, node_cert_file),
     .doc = "The certificate (PEM) of that listener."},
    {.name = "node-key-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, node_key_file),
     .doc = "Its key (PEM)."},
    {.name = "guest-listen", .type = CONFIG_ADDRESS, .offset = offsetof(struct store_config, guest_listen),
     .tls_key = "guest-cert-file", .doc = "Where instances reach S3, and nothing but S3."},
    {.name = "guest-cert-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, guest_cert_file),
     .doc = "The certificate (PEM) of that listener."},
    {.name = "guest-key-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, guest_key_file),
     .doc = "Its key (PEM)."},
    {.name = "state-dir", .type = CONFIG_PATH, .offset = offsetof(struct store_config, state_dir),
     .value = "/var/lib/mallee/object-store", .required = true, .doc = "The folder of the index and the data."},
    {.name = "identity-file", .type = CONFIG_PATH, .offset = offsetof(struct store_config, identity_file),
     .value = "/var/lib/mallee/object-store/identity.jsonl", .required = true,
     .doc = "Accounts and keys, a JSON object a line; read again when it changes. Its owner's only."},
    {.name = "region", .type = CONFIG_STRING, .offset = offsetof(struct store_config, region),
     .value = "us-east-1", .required = true, .doc = "The region that signatures must name."},
    {.name = "min-free", .type = CONFIG_U64, .offset = offsetof(struct store_config, min_free),
     .value = "256MiB", .doc = "Free disk below which writes are refused."},
    {.name = "connections", .type = CONFIG_U64, .offset = offsetof(struct store_config, connections),
     .value = "1000", .min = 1, .max = 100000, .doc = "Client connections at once."},
    {.name = "connections-per-address", .type = CONFIG_U64, .offset = offsetof(struct store_config, per_address),
     .value = "0", .max = 100000, .doc = "Client connections at once of one address; 0: no bound of its own."},
    {.name = "garbage-delay", .type = CONFIG_DURATION, .offset = offsetof(struct store_config, garbage_delay),
     .value = "60s", .doc = "How long the bytes of a removed object stay, for those who read it."},
};
/* clang-format on */

struct question {
    const char *file;
    bool there;
};

static struct error *look(struct db_tx *tx, void *arg)
{
    struct question *q = arg;
    return index_has_file(tx, q->file, &q->there);
}

/* A file that no row names was written by a process that died before its commit. */
static bool keep_file(void *arg, const char *name)
{
    struct store *s = arg;
    struct question q = {name, true};
    if (s->keep_unnamed)
        return true;
    struct error *e = db_read(s->db, look, &q);
    if (e) {
        log_failure(LOG_WARNING, e, "data folder");
        return true;
    }
    return q.there || s->closing;
}

static void first_sweep(void *arg)
{
    struct store *s = arg;
    struct error *e = engine_sweep(s->engine, keep_file, s);
    if (e)
        log_failure(LOG_WARNING, e, "data folder");
    s->busy--;
}

struct garbage {
    struct store *store;
    ARRAY(char *) files;
    int64_t before;
};

static void add_file(void *arg, const char *file)
{
    struct garbage *g = arg;
    array_push(&g->files, xstrdup(file));
}

static struct error *find_garbage(struct db_tx *tx, void *arg)
{
    struct garbage *g = arg;
    return index_garbage(tx, g->before, SWEEP_FILES, add_file, g);
}

static struct error *forget(struct db_tx *tx, void *arg)
{
    struct garbage *g = arg;
    array_each (&g->files, f)
        if (*f)
            RETURN_IF_ERROR(index_garbage_forget(tx, *f));
    return NULL;
}

static struct error *collect(struct garbage *g)
{
    RETURN_IF_ERROR(db_read(g->store->db, find_garbage, g));
    if (!g->files.len)
        return NULL;
    array_each (&g->files, f) {
        bool gone = false;
        RETURN_IF_ERROR(engine_remove(g->store->engine, *f, &gone));
        if (!gone) {
            free(*f);
            *f = NULL;
        }
    }
    return db_write_wait(g->store->db, DB_LAZY | DB_RESCUE, forget, g);
}

static void sweep_job(void *arg)
{
    struct garbage *g = arg;
    struct error *e = collect(g);
    if (e)
        log_failure(LOG_WARNING, e, "removing what is not needed any more");
    array_each (&g->files, f)
        free(*f);
    array_free(&g->files);
    g->store->busy--;
    free(g);
}

static void on_sweep(void *arg)
{
    struct store *s = arg;
    struct garbage *g = xnew0(struct garbage);
    g->store = s;
    g->before = clock_wall_ms() - s->garbage_delay;
    s->busy++;
    struct error *e = workers_submit(s->workers, sweep_job, g);
    if (e) {
        s->busy--;
        free(g);
        error_free(e);
    }
    loop_timer_set(s->sweeper, SWEEP_MS);
}

static struct error *open_state(struct store *s, const struct store_config *c)
{
    _cleanup_free_ char *index = xasprintf("%s/store.db", c->state_dir);
    _cleanup_free_ char *data = xasprintf("%s/data", c->state_dir);
    struct db_options o = {.path = index, .migrations = store_migrations, .migrations_len = store_migrations_len,
                           .readers = 4, .min_free = c->min_free};
    RETURN_IF_ERROR(file_make_dirs(c->state_dir));
    RETURN_IF_ERROR(db_open(&o, &s->db));
    db_register_metrics(s->db, s->metrics, "db=\"store\"");
    backup_begin(s);
    RETURN_IF_ERROR(engine_open(data, &s->engine));
    return identity_open(c->identity_file, &s->identity);
}

static struct error *serve(struct store *s, const struct store_config *c)
{
    struct http_server_options o = {.listen = c->listen, .cert_file = c->cert_file, .key_file = c->key_file,
                                    .handler = &store_http_handler, .arg = s};
    o.limits.max_body = BODY_MAX;
    o.limits.connections = (unsigned)c->connections;
    o.limits.per_address = (unsigned)c->per_address;
    RETURN_IF_ERROR(http_server_start(&o, &s->http));
    metrics_register(s->metrics, http_metric_rows, http_metric_rows_len, http_server_metrics(s->http), NULL);
    log_info("S3 at port %u", http_server_port(s->http));
    if (c->node_listen) {
        o.listen = c->node_listen;
        o.cert_file = c->node_cert_file;
        o.key_file = c->node_key_file;
        RETURN_IF_ERROR(http_server_start(&o, &s->node_http));
    }
    if (!c->guest_listen)
        return NULL;
    o.listen = c->guest_listen;
    o.cert_file = c->guest_cert_file;
    o.key_file = c->guest_key_file;
    o.handler = &store_guest_handler;
    return http_server_start(&o, &s->guest_http);
}

static void stop(void *state)
{
    struct store *s = state;
    if (!s)
        return;
    s->closing = true;
    /* Jobs end by themselves: they wait for the disk only. */
    while (s->busy)
        usleep(1000);
    if (s->http)
        metrics_remove(s->metrics, http_server_metrics(s->http));
    http_server_stop(s->http);
    http_server_stop(s->node_http);
    http_server_stop(s->guest_http);
    workers_free(s->workers);
    if (s->sweeper)
        loop_timer_free(s->sweeper);
    identity_close(s->identity);
    engine_close(s->engine);
    db_close(s->db);
    free(s->region);
    free(s->state_dir);
    free(s);
}

static struct error *open_all(struct store *s, const struct store_config *c)
{
    RETURN_IF_ERROR(open_state(s, c));
    s->workers = workers_new(WORKERS_MAX, QUEUE_MAX);
    s->busy++;
    struct error *e = workers_submit(s->workers, first_sweep, s);
    if (e) {
        s->busy--;
        return e;
    }
    s->sweeper = loop_timer_new(daemon_loop(s->daemon), on_sweep, s);
    loop_timer_set(s->sweeper, SWEEP_MS);
    return serve(s, c);
}

static struct error *start(struct daemon *d, const void *config, void **ret_state)
{
    const struct store_config *c = config;
    struct store *s = xnew0(struct store);
    s->daemon = d;
    s->metrics = daemon_metrics(d);
    s->region = xstrdup(c->region);
    s->state_dir = xstrdup(c->state_dir);
    s->garbage_delay = (int64_t)c->garbage_delay;
    struct error *e = open_all(s, c);
    if (e) {
        stop(s);
        return e;
    }
    *ret_state = s;
    return NULL;
}

static struct error *restore(const void *config, const char *file)
{
    return backup_restore(((const struct store_config *)config)->state_dir, file);
}

static const struct config_program program = {
    .name = "mallee-object-store",
    .summary = "keeps buckets and objects and speaks S3",
    .keys = keys,
    .len = ARRAY_SIZE(keys),
    .restores = true,
};

const struct daemon_ops store_daemon = {
    .config = &program, .config_size = sizeof(struct store_config), .start = start, .stop = stop, .restore = restore};
