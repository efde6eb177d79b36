/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/brain.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "cloud-controller/grants.h"
#include "cloud-controller/quarantine.h"
#include "cloud-controller/shared-body.h"
#include "core/message-json.h"

#define COMMAND_TTL_MS 600000
#define HELLO_TTL_MS 10000

struct brain {
    struct daemon *daemon;
    struct db *db;
    struct mq_link *mq;
    char *amqp_url;
    const struct keys *keys;
    struct cloud_model *model; /* the writer thread's, once loaded */
    struct timing timing;
    struct loop_timer *timer;
    int64_t last_tick;
    atomic_bool ticking, closing;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t ended;
    ARRAY(struct brain_wait *) waits;
};

typedef ARRAY(struct cloud_outgoing) batch;
typedef ARRAY(struct cloud_finished) ends;

/* One change on its way through the writer thread. */
struct change {
    struct brain *brain;
    brain_fn fn;
    void *arg;
    unsigned mode;
    bool applied;         /* the model is ahead of the database until the commit */
    bool needs_flush;
    batch out;
    ends finished;
    void (*free_arg)(void *arg); /* NULL: somebody waits on `over` */
    struct error *error;
    sem_t over;
};

static const struct mq_exchange exchanges[] = {
    {"mallee.cluster", "topic"}, {"mallee.node", "topic"}, {"mallee.report", "topic"}};
static const struct mq_binding report_bindings[] = {{"mallee.report", "#"}};
static const struct mq_queue queues[] = {
    {.flags = MQ_OWN | MQ_CONSUME, .bindings = report_bindings, .bindings_len = 1, .prefetch = 512}};

struct db *brain_db(struct brain *b)
{
    return b->db;
}

const struct timing *brain_timing(const struct brain *b)
{
    return &b->timing;
}

bool brain_connected(struct brain *b)
{
    return b->mq && mq_is_up(b->mq);
}

/* ---- publishing ---- */

struct ticket {
    struct brain *brain;
    uint64_t attempt;
    enum publish_result result;
};

static struct error *take_result(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    (void)tx;
    const struct ticket *t = arg;
    cloud_published(c, t->attempt, t->result);
    return NULL;
}

static void queue_change(struct brain *b, unsigned mode, brain_fn fn, void *arg, void (*free_arg)(void *));

static void told(struct ticket *t, enum publish_result result)
{
    t->result = result;
    queue_change(t->brain, DB_LAZY | DB_RESCUE, take_result, t, free);
}

static void on_verdict(void *arg, enum mq_verdict verdict)
{
    told(arg, verdict == MQ_CONFIRMED  ? PUBLISH_CONFIRMED
              : verdict == MQ_RETURNED ? PUBLISH_RETURNED
                                       : PUBLISH_LOST);
}

static void publish(struct brain *b, const struct cloud_outgoing *out)
{
    _cleanup_free_ char *now = clock_iso8601(clock_wall_ms());
    _cleanup_free_ char *body = message_encode(&out->message, now);
    _cleanup_free_ char *key = out->route == ROUTE_PROCESS
                                   ? xasprintf("%s.%s", out->message.zone.text, out->message.process.text)
                                   : xstrdup(out->message.zone.text);
    struct mq_message m = {.exchange = "mallee.cluster",
                           .key = key,
                           .body = body,
                           .len = strlen(body),
                           .ttl_ms = out->message.type == MESSAGE_HELLO ? HELLO_TTL_MS : COMMAND_TTL_MS,
                           .persistent = out->attempt != 0};
    struct ticket *t = NULL;
    if (out->attempt) {
        t = xnew0(struct ticket);
        t->brain = b;
        t->attempt = out->attempt;
    }
    bool open = b->mq && !atomic_load(&b->closing);
    struct error *e = open ? mq_publish(b->mq, &m, t ? on_verdict : NULL, t)
                           : error_new(ERROR_UNAVAILABLE, "not connected");
    if (e && t)
        told(t, PUBLISH_LOST);
    error_free(e);
}

static void publish_all(struct brain *b, batch *out)
{
    array_each(out, it) {
        publish(b, it);
        message_free(&it->message);
    }
    array_free(out);
}

/* ---- operations ---- */

void brain_wait_begin(struct brain *b, struct brain_wait *w)
{
    pthread_mutex_lock(&b->lock);
    array_push(&b->waits, w);
    pthread_mutex_unlock(&b->lock);
}

void brain_wait_end(struct brain *b, struct brain_wait *w, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&b->lock);
    while (!w->done && pthread_cond_timedwait(&b->ended, &b->lock, &until) == 0)
        continue;
    for (size_t k = 0; k < b->waits.len; k++) {
        if (b->waits.data[k] == w) {
            array_remove_swap(&b->waits, k);
            break;
        }
    }
    pthread_mutex_unlock(&b->lock);
}

/* To whoever waits for it, else to nobody. */
static void tell_ends(struct brain *b, ends *finished)
{
    pthread_mutex_lock(&b->lock);
    array_each(finished, end) {
        array_each(&b->waits, it) {
            struct brain_wait *w = *it;
            if (w->done || !id_eq(&w->operation, &end->operation))
                continue;
            w->done = true;
            w->ok = end->ok;
            w->body = TAKE_PTR(end->body);
            w->text = TAKE_PTR(end->text);
        }
        free(end->body);
        free(end->text);
    }
    pthread_cond_broadcast(&b->ended);
    pthread_mutex_unlock(&b->lock);
    array_free(finished);
}

/* ---- changes ---- */

static struct error *run_change(struct db_tx *tx, void *arg)
{
    struct change *ch = arg;
    struct brain *b = ch->brain;
    struct cloud_model *c = b->model;
    struct error *e = ch->fn(b, tx, c, ch->arg);
    bool touched = c->changed.len || c->removed.len || c->outgoing.len || c->events.len || c->finished.len;
    if (e) {
        if (touched)
            daemon_fail(b->daemon, error_new(ERROR_INTERNAL, "a change failed after it changed the model"));
        return e;
    }
    ch->applied = touched;
    if (!touched)
        return NULL;
    e = store_model_write(tx, c, clock_wall_ms());
    if (e)
        return error_wrap(e, "writing the model's rows");
    ch->needs_flush = c->flush && (ch->mode & DB_LAZY);
    ch->out.data = c->outgoing.data; /* the messages are the change's now */
    ch->out.len = c->outgoing.len;
    ch->out.cap = c->outgoing.cap;
    c->outgoing.data = NULL;
    c->outgoing.len = c->outgoing.cap = 0;
    memcpy(&ch->finished, &c->finished, sizeof ch->finished);
    memset(&c->finished, 0, sizeof c->finished);
    cloud_effects_clear(c);
    array_each(&ch->out, it) { /* after the rows: an image that cannot be granted fails nothing but its launch */
        grants_fill(tx, b->keys, &it->message);
        log_failure(LOG_ERROR, shared_body(tx, c, &it->message), "what nodes are told of a shared object");
    }
    return NULL;
}

static struct error *nothing(struct db_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    return NULL;
}

static void change_over(struct error *e, void *arg)
{
    struct change *ch = arg;
    struct brain *b = ch->brain;
    if (e && ch->applied) {
        daemon_fail(b->daemon, error_wrap(e, "the model is ahead of the database"));
        e = error_new(ERROR_UNAVAILABLE, "the Cloud Controller starts again");
    } else if (!e && ch->needs_flush) {
        ch->needs_flush = false; /* it rode along, but what it sends must not be ahead of the disk */
        db_write(b->db, DB_FORCED | DB_RESCUE, nothing, NULL, change_over, ch);
        return;
    } else if (!e) {
        publish_all(b, &ch->out);
        if (ch->finished.len)
            tell_ends(b, &ch->finished);
    }
    if (ch->free_arg) {
        log_failure(LOG_WARNING, e, "a change of the model");
        ch->free_arg(ch->arg);
        free(ch);
        return;
    }
    ch->error = e;
    sem_post(&ch->over);
}

static void queue_change(struct brain *b, unsigned mode, brain_fn fn, void *arg, void (*free_arg)(void *))
{
    struct change *ch = xnew0(struct change);
    *ch = (struct change){.brain = b, .fn = fn, .arg = arg, .mode = mode, .free_arg = free_arg};
    db_write(b->db, mode, run_change, ch, change_over, ch);
}

struct error *brain_change(struct brain *b, unsigned mode, brain_fn fn, void *arg)
{
    struct change ch = {.brain = b, .fn = fn, .arg = arg, .mode = mode};
    sem_init(&ch.over, 0, 0);
    db_write(b->db, mode, run_change, &ch, change_over, &ch);
    while (sem_wait(&ch.over) != 0)
        continue;
    sem_destroy(&ch.over);
    return ch.error;
}

/* ---- events ---- */

static void free_message(void *arg)
{
    message_free(arg);
    free(arg);
}

static struct error *take_message(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    const struct message *m = arg;
    if (m->type == MESSAGE_HEARTBEAT)
        RETURN_IF_ERROR(grants_enrol(tx, m));
    RETURN_IF_ERROR(quarantine_hear(tx, c, m));
    log_set_request(m->request_id);
    log_debug("%s of %s from %s%s", message_type_name(m->type), m->id.text, m->zone.text, m->node.text);
    cloud_on_message(c, m);
    log_set_request(NULL);
    return NULL;
}

/* The broker checked who published; the body must not say another. */
static bool sender_ok(const struct mq_delivery *d, const struct message *m)
{
    if (!d->user_id)
        return true; /* its key is bound to the user by the broker's topic permissions */
    return id_none(&m->node) ? str_starts(d->user_id, "cluster-") && streq(d->user_id + 8, m->zone.text)
                             : streq(d->user_id, m->node.text);
}

/* The routing key, zone.sender.type, which the broker lets only that sender use. */
static bool key_ok(const struct mq_delivery *d, const struct message *m)
{
    const struct id *sender = id_none(&m->node) ? &m->process : &m->node;
    _cleanup_free_ char *key = xasprintf("%s.%s.%s", m->zone.text, sender->text, message_type_name(m->type));
    return streq(d->key, key);
}

static void on_delivery(void *arg, const struct mq_delivery *d)
{
    struct brain *b = arg;
    struct message *m = xnew0(struct message);
    struct error *e = message_decode(d->body, d->len, m);
    if (!e && (!sender_ok(d, m) || !key_ok(d, m)))
        e = error_new(ERROR_DENIED, "a report of %s under the key %s", m->node.text, d->key);
    mq_ack(b->mq, d->token);
    if (e) {
        log_failure(LOG_WARNING, e, "report dropped");
        free_message(m);
        return;
    }
    queue_change(b, DB_LAZY | DB_RESCUE, take_message, m, free_message);
}

static struct error *take_connected(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    (void)tx;
    (void)arg;
    cloud_on_connected(c);
    return NULL;
}

static void on_event(void *arg, enum mq_event event, const char *why)
{
    struct brain *b = arg;
    if (event == MQ_UP)
        queue_change(b, DB_LAZY | DB_RESCUE, take_connected, NULL, free);
    else
        log_warning("broker: %s", why ? why : "blocked");
}

static struct error *take_tick(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)tx;
    int64_t now = clock_mono_ms();
    (void)arg;
    cloud_on_tick(c, now - b->last_tick);
    b->last_tick = now;
    atomic_store(&b->ticking, false);
    return NULL;
}

static void on_timer(void *arg)
{
    struct brain *b = arg;
    loop_timer_set(b->timer, b->timing.tick);
    if (!atomic_exchange(&b->ticking, true))
        queue_change(b, DB_LAZY | DB_RESCUE, take_tick, NULL, free);
}

/* ---- life ---- */

static struct error *load(struct db_tx *tx, void *arg)
{
    struct brain *b = arg;
    struct store_cloud identity;
    RETURN_IF_ERROR(store_cloud_identity(tx, &identity));
    b->model = cloud_new(&b->timing, identity.id.text, identity.era);
    return store_model_load(tx, b->model);
}

struct error *brain_new(const struct brain_options *o, struct brain **ret)
{
    struct brain *b = xnew0(struct brain);
    b->daemon = o->daemon;
    b->db = o->db;
    b->timing = o->timing;
    b->amqp_url = xstrdup(o->amqp_url);
    b->keys = o->keys;
    b->last_tick = clock_mono_ms();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    struct error *e = db_write_wait(b->db, DB_FORCED, load, b);
    if (e) {
        brain_free(b);
        return error_wrap(e, "loading what is stored");
    }
    *ret = b;
    return NULL;
}

struct error *brain_connect(struct brain *b)
{
    struct mq_options o = {.url = b->amqp_url,
                           .name = "cloud",
                           .topology = {exchanges, ARRAY_SIZE(exchanges), queues, ARRAY_SIZE(queues)},
                           .arg = b,
                           .on_delivery = on_delivery,
                           .on_event = on_event};
    RETURN_IF_ERROR(error_wrap(mq_open(&o, &b->mq), "broker"));
    mq_register_metrics(b->mq, daemon_metrics(b->daemon), NULL);
    b->timer = loop_timer_new(daemon_loop(b->daemon), on_timer, b);
    loop_timer_set(b->timer, b->timing.tick);
    return NULL;
}

void brain_disconnect(struct brain *b)
{
    if (!b)
        return;
    if (b->timer)
        loop_timer_free(b->timer);
    b->timer = NULL;
    atomic_store(&b->closing, true);
    /* Behind this write no change publishes any more. */
    error_ignore(db_write_wait(b->db, DB_LAZY, nothing, NULL));
    mq_close(b->mq);
    b->mq = NULL;
}

void brain_free(struct brain *b)
{
    if (!b)
        return;
    cloud_free(b->model);
    array_free(&b->waits);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->ended);
    free(b->amqp_url);
    free(b);
}
