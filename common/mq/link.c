/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/mq/mq.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/mq/internal.h"

#define RETRY_LEAST_MS 200
#define RETRY_MOST_MS 5000
#define TICK_MS 500
#define PING_EVERY_MS 5000
#define DEAF_AFTER_MS 15000
#define LATE_AFTER_MS 10000

static const struct metric_row rows[] = {
    {"mallee_mq_published_total", METRIC_COUNTER, offsetof(struct mq_counts, published), "Messages sent."},
    {"mallee_mq_confirmed_total", METRIC_COUNTER, offsetof(struct mq_counts, confirmed), "Messages confirmed."},
    {"mallee_mq_returned_total", METRIC_COUNTER, offsetof(struct mq_counts, returned), "Messages no queue wanted."},
    {"mallee_mq_nacked_total", METRIC_COUNTER, offsetof(struct mq_counts, nacked), "Messages the broker refused."},
    {"mallee_mq_lost_total", METRIC_COUNTER, offsetof(struct mq_counts, lost), "Messages open when a link fell."},
    {"mallee_mq_refused_total", METRIC_COUNTER, offsetof(struct mq_counts, refused),
     "Publishes refused: link down or queue full."},
    {"mallee_mq_delivered_total", METRIC_COUNTER, offsetof(struct mq_counts, delivered), "Deliveries."},
    {"mallee_mq_acked_total", METRIC_COUNTER, offsetof(struct mq_counts, acked), "Deliveries acked."},
    {"mallee_mq_rejected_total", METRIC_COUNTER, offsetof(struct mq_counts, rejected), "Deliveries dead-lettered."},
    {"mallee_mq_too_large_total", METRIC_COUNTER, offsetof(struct mq_counts, too_large),
     "Deliveries dead-lettered for their size."},
    {"mallee_mq_connects_total", METRIC_COUNTER, offsetof(struct mq_counts, connects), "Connections made."},
    {"mallee_mq_up", METRIC_GAUGE, offsetof(struct mq_counts, up), "1 while connected."},
    {"mallee_mq_blocked", METRIC_GAUGE, offsetof(struct mq_counts, blocked), "1 while the broker takes nothing."},
    {"mallee_mq_waiting", METRIC_GAUGE, offsetof(struct mq_counts, waiting), "Publishes not yet sent."},
    {"mallee_mq_unconfirmed", METRIC_GAUGE, offsetof(struct mq_counts, unconfirmed), "Sent and not yet confirmed."},
    {"mallee_mq_unconfirmed_late", METRIC_GAUGE, offsetof(struct mq_counts, unconfirmed_late),
     "Not confirmed for more than 10 s."},
};

void outgoing_free(struct outgoing *m)
{
    free(m->exchange);
    free(m->key);
    free(m->body);
}

void link_event(struct mq_link *l, enum mq_event event, const char *why)
{
    static const char *const words[] = {"up", "down", "blocked", "unblocked"};
    log_at(event == MQ_UP || event == MQ_UNBLOCKED ? LOG_INFO : LOG_WARNING, "broker link %s is %s%s%s", l->name,
           words[event], *why ? ": " : "", why);
    if (l->o.on_event)
        l->o.on_event(l->o.arg, event, why);
}

/* Every publish that was accepted and is still here ends as lost. */
static void lose_all(struct mq_link *l)
{
    size_t lost = ring_lose(&l->ring);
    ARRAY(struct outgoing) waiting = {NULL, 0, 0};
    pthread_mutex_lock(&l->lock);
    for (size_t i = l->sending_at; i < l->sending.len; i++)
        array_push(&waiting, l->sending.data[i]);
    for (size_t i = 0; i < l->queued.len; i++)
        array_push(&waiting, l->queued.data[i]);
    array_free(&l->sending);
    array_free(&l->queued);
    array_free(&l->answers);
    l->sending_at = l->waiting = l->waiting_bytes = 0;
    metric_set(&l->counts.waiting, 0);
    pthread_mutex_unlock(&l->lock);
    array_each(&waiting, m) {
        if (m->cb)
            m->cb(m->arg, MQ_LOST);
        outgoing_free(m);
        lost++;
    }
    array_free(&waiting);
    metric_add(&l->counts.lost, lost);
}

static void set_up(struct mq_link *l, bool up)
{
    pthread_mutex_lock(&l->lock);
    l->up = up;
    pthread_mutex_unlock(&l->lock);
    metric_set(&l->counts.up, up);
}

void link_down(struct mq_link *l, const char *format, ...)
{
    if (!l->conn)
        return;
    char *why = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&why, format, args) < 0)
        abort();
    va_end(args);
    bool was_up = mq_is_up(l);
    set_up(l, false);
    amqp_destroy_connection(l->conn); /* not amqp_connection_close(): that talks to a peer that may be gone */
    l->conn = NULL;
    l->blocked = false;
    metric_set(&l->counts.blocked, 0);
    for (size_t i = 0; i < MQ_CHANNELS; i++)
        assembly_clear(&l->arriving[i]);
    lose_all(l);
    if (was_up)
        link_event(l, MQ_DOWN, why);
    else
        log_info("broker link %s: %s", l->name, why);
    free(why);
}

bool link_check(struct mq_link *l, const char *what, amqp_rpc_reply_t r)
{
    if (r.reply_type == AMQP_RESPONSE_NORMAL)
        return true;
    if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        link_down(l, "%s: %s", what, amqp_error_string2(r.library_error));
    } else if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && r.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_t *m = r.reply.decoded;
        link_down(l, "%s: %u %.*s", what, m->reply_code, (int)m->reply_text.len, (char *)m->reply_text.bytes);
    } else if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && r.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        amqp_connection_close_t *m = r.reply.decoded;
        link_down(l, "%s: %u %.*s", what, m->reply_code, (int)m->reply_text.len, (char *)m->reply_text.bytes);
    } else {
        link_down(l, "%s: reply type %d", what, r.reply_type);
    }
    return false;
}

static bool writable(struct mq_link *l)
{
    struct pollfd p = {.fd = amqp_get_sockfd(l->conn), .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void send_one(struct mq_link *l, struct outgoing *m)
{
    _cleanup_free_ char *ttl = xasprintf("%llu", (unsigned long long)m->ttl_ms);
    _cleanup_free_ char *id = xasprintf("%llu", (unsigned long long)ring_add(&l->ring, m->cb, m->arg, clock_mono_ms()));
    amqp_basic_properties_t p = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_USER_ID_FLAG |
                  (m->ttl_ms ? AMQP_BASIC_EXPIRATION_FLAG : 0) | (m->ping ? AMQP_BASIC_TYPE_FLAG : 0),
        .delivery_mode = m->persistent ? 2 : 1,
        .message_id = amqp_cstring_bytes(id),
        .user_id = amqp_cstring_bytes(l->url.user),
        .expiration = amqp_cstring_bytes(ttl),
        .type = amqp_cstring_bytes(MQ_PING_TYPE)};
    int rc = amqp_basic_publish(l->conn, MQ_CHANNEL_PUBLISH, amqp_cstring_bytes(m->exchange), amqp_cstring_bytes(m->key),
                                1, 0, &p, (amqp_bytes_t){m->len, m->body});
    metric_add(&l->counts.published, 1);
    outgoing_free(m);
    if (rc != AMQP_STATUS_OK)
        link_down(l, "publishing: %s", amqp_error_string2(rc));
}

/* Moves what was queued over when all before it is sent; true where something is to be sent. */
static bool more_to_send(struct mq_link *l)
{
    if (l->sending_at < l->sending.len)
        return true;
    pthread_mutex_lock(&l->lock);
    array_free(&l->sending);
    l->sending_at = 0;
    l->sending.data = l->queued.data;
    l->sending.len = l->queued.len;
    l->sending.cap = l->queued.cap;
    l->queued.data = NULL;
    l->queued.len = l->queued.cap = 0;
    bool any = l->sending.len > 0;
    pthread_mutex_unlock(&l->lock);
    return any;
}

static void send_waiting(struct mq_link *l)
{
    while (l->conn && !l->blocked && !ring_full(&l->ring) && more_to_send(l) && writable(l)) {
        struct outgoing m = l->sending.data[l->sending_at++];
        pthread_mutex_lock(&l->lock);
        l->waiting--;
        l->waiting_bytes -= m.len;
        metric_set(&l->counts.waiting, l->waiting);
        pthread_mutex_unlock(&l->lock);
        send_one(l, &m);
    }
}

static void send_answers(struct mq_link *l)
{
    ARRAY(struct answer) mine = {NULL, 0, 0};
    pthread_mutex_lock(&l->lock);
    mine.data = l->answers.data;
    mine.len = l->answers.len;
    l->answers.data = NULL;
    l->answers.len = l->answers.cap = 0;
    pthread_mutex_unlock(&l->lock);
    array_each(&mine, a) {
        if (!l->conn || a->token.generation != l->generation)
            continue;
        int rc = a->reject ? amqp_basic_reject(l->conn, MQ_CHANNEL_CONSUME, a->token.tag, 0)
                           : amqp_basic_ack(l->conn, MQ_CHANNEL_CONSUME, a->token.tag, 0);
        metric_add(a->reject ? &l->counts.rejected : &l->counts.acked, 1);
        if (rc != AMQP_STATUS_OK)
            link_down(l, "answering a delivery: %s", amqp_error_string2(rc));
    }
    array_free(&mine);
}

static bool pinged(const struct mq_link *l, size_t i)
{
    unsigned flags = l->o.topology.queues[i].flags;
    return !l->o.no_ping && (flags & MQ_CONSUME) && !(flags & MQ_SINGLE_ACTIVE);
}

static struct outgoing make_ping(const struct mq_link *l, size_t i)
{
    const struct mq_queue *q = &l->o.topology.queues[i];
    bool bound = l->o.guest && q->bindings_len > 0;
    return (struct outgoing){.exchange = xstrdup(bound ? q->bindings[0].exchange : ""),
                             .key = xstrdup(bound ? q->bindings[0].key : l->queues[i].name),
                             .body = xstrdup(l->nonce),
                             .len = strlen(l->nonce),
                             .ttl_ms = DEAF_AFTER_MS,
                             .ping = true};
}

static void ping(struct mq_link *l, int64_t now)
{
    for (size_t i = 0; l->conn && i < l->o.topology.queues_len; i++) {
        struct own_queue *q = &l->queues[i];
        if (!pinged(l, i))
            continue;
        if (now - q->heard > DEAF_AFTER_MS) {
            link_down(l, "own messages through %s do not arrive", q->name);
            return;
        }
        if (now - q->pinged < PING_EVERY_MS || l->blocked || ring_full(&l->ring) || !writable(l))
            continue;
        q->pinged = now;
        struct outgoing m = make_ping(l, i);
        send_one(l, &m);
    }
}

/* While the broker blocks us our own pings cannot arrive: that is not deafness. */
static void tick(struct mq_link *l)
{
    int64_t now = clock_mono_ms();
    if (l->blocked)
        for (size_t i = 0; i < l->o.topology.queues_len; i++)
            l->queues[i].heard = now;
    ping(l, now);
    metric_set(&l->counts.unconfirmed, ring_open(&l->ring));
    metric_set(&l->counts.unconfirmed_late, ring_older(&l->ring, now - LATE_AFTER_MS));
}

static void drain_wake(struct mq_link *l)
{
    uint64_t count;
    ssize_t rc = read(l->wake, &count, sizeof count);
    (void)rc;
}

static bool stopping(struct mq_link *l)
{
    pthread_mutex_lock(&l->lock);
    bool stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

/* Until something arrives, is to be sent, or a tick has passed. */
static void wait_for_work(struct mq_link *l)
{
    bool behind = !l->blocked && !ring_full(&l->ring) && l->sending_at < l->sending.len;
    struct pollfd fds[2] = {
        {.fd = amqp_get_sockfd(l->conn), .events = (short)(behind ? POLLIN | POLLOUT : POLLIN)},
        {.fd = l->wake, .events = POLLIN}};
    bool have = amqp_frames_enqueued(l->conn) || amqp_data_in_buffer(l->conn);
    if (poll(fds, 2, have ? 0 : TICK_MS) > 0 && fds[1].revents)
        drain_wake(l);
}

static void serve(struct mq_link *l)
{
    int64_t ticked = 0;
    while (l->conn && !stopping(l)) {
        if (clock_mono_ms() - ticked >= TICK_MS) {
            ticked = clock_mono_ms();
            tick(l);
        }
        send_answers(l);
        send_waiting(l);
        if (l->conn)
            wait_for_work(l);
        link_read(l);
    }
    if (l->conn) {
        send_answers(l);
        if (l->conn)
            amqp_connection_close(l->conn, AMQP_REPLY_SUCCESS);
        link_down(l, "closed");
    }
}

/* Between tries; spread, so that a broker's return is not met by everybody at once. */
static void pause_before_retry(struct mq_link *l, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms / 2 + rand_r(&l->seed) % (ms / 2 + 1);
    for (;;) {
        int64_t left = until - clock_mono_ms();
        if (left <= 0 || stopping(l))
            return;
        struct pollfd p = {.fd = l->wake, .events = POLLIN};
        if (poll(&p, 1, (int)left) > 0)
            drain_wake(l);
    }
}

static void *link_thread(void *arg)
{
    struct mq_link *l = arg;
    int64_t wait_ms = RETRY_LEAST_MS;
    while (!stopping(l)) {
        l->generation++;
        ring_init(&l->ring);
        if (link_connect(l)) {
            int64_t since = clock_mono_ms();
            metric_add(&l->counts.connects, 1);
            set_up(l, true);
            link_event(l, MQ_UP, "");
            serve(l);
            if (clock_mono_ms() - since > RETRY_MOST_MS)
                wait_ms = RETRY_LEAST_MS;
        }
        if (!stopping(l))
            pause_before_retry(l, wait_ms);
        wait_ms = wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : wait_ms * 2;
    }
    return NULL;
}

static void wake(struct mq_link *l)
{
    uint64_t one = 1;
    ssize_t rc = write(l->wake, &one, sizeof one);
    (void)rc;
}

struct error *mq_publish(struct mq_link *l, const struct mq_message *m, mq_confirm cb, void *arg)
{
    if (m->len > MQ_BODY_MAX)
        return error_new(ERROR_TOO_LARGE, "a message of %zu bytes", m->len);
    struct outgoing out = {.exchange = xstrdup(m->exchange),
                           .key = xstrdup(m->key),
                           .body = xmemdup(m->len ? m->body : "", m->len ? m->len : 1),
                           .len = m->len,
                           .ttl_ms = m->ttl_ms,
                           .persistent = m->persistent,
                           .cb = cb,
                           .arg = arg};
    pthread_mutex_lock(&l->lock);
    bool up = l->up;
    bool room = l->waiting < MQ_QUEUE_MAX && l->waiting_bytes + m->len <= MQ_QUEUE_BYTES_MAX;
    if (up && room) {
        array_push(&l->queued, out);
        l->waiting++;
        l->waiting_bytes += m->len;
        metric_set(&l->counts.waiting, l->waiting);
    }
    pthread_mutex_unlock(&l->lock);
    if (up && room) {
        wake(l);
        return NULL;
    }
    outgoing_free(&out);
    metric_add(&l->counts.refused, 1);
    return error_new(ERROR_UNAVAILABLE, up ? "too many messages wait for the broker" : "no link to the broker");
}

static void answer(struct mq_link *l, struct mq_token token, bool reject)
{
    pthread_mutex_lock(&l->lock);
    array_push(&l->answers, ((struct answer){token, reject}));
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

void mq_ack(struct mq_link *l, struct mq_token token)
{
    answer(l, token, false);
}

void mq_reject(struct mq_link *l, struct mq_token token)
{
    answer(l, token, true);
}

bool mq_is_up(struct mq_link *l)
{
    pthread_mutex_lock(&l->lock);
    bool up = l->up;
    pthread_mutex_unlock(&l->lock);
    return up;
}

void mq_register_metrics(struct mq_link *l, struct metrics *m, const char *labels)
{
    l->metrics = m;
    metrics_register(m, rows, ARRAY_SIZE(rows), &l->counts, labels);
}

static void link_free(struct mq_link *l)
{
    if (l->metrics)
        metrics_remove(l->metrics, &l->counts);
    for (size_t i = 0; i < l->o.topology.queues_len; i++)
        free(l->queues[i].name);
    free(l->queues);
    free(l->name);
    free(l->nonce);
    mq_url_free(&l->url);
    array_free(&l->answers);
    if (l->wake >= 0)
        close(l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
DEFINE_CLEANUP(struct mq_link *, link_free)

struct error *mq_open(const struct mq_options *o, struct mq_link **ret)
{
    _cleanup_(link_freep) struct mq_link *l = xnew0(struct mq_link);
    l->o = *o;
    l->name = xstrdup(o->name);
    l->queues = xcalloc(o->topology.queues_len + 1, sizeof *l->queues);
    pthread_mutex_init(&l->lock, NULL);
    random_bytes(&l->seed, sizeof l->seed);
    l->nonce = xstrdup(id_random("").text);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0)
        return error_errno(errno, "making an eventfd");
    RETURN_IF_ERROR(mq_url_parse(o->url, &l->url));
    l->o.url = NULL;
    *ret = l; /* before the thread: its callbacks may use the owner's pointer at once */
    int rc = pthread_create(&l->thread, NULL, link_thread, l);
    if (rc) {
        *ret = NULL;
        return error_errno(rc, "starting the broker's thread");
    }
    TAKE_PTR(l);
    return NULL;
}

void mq_close(struct mq_link *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_mutex_unlock(&l->lock);
    wake(l);
    pthread_join(l->thread, NULL);
    link_free(l);
}
