/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <sys/time.h>
#include "common/base/clock.h"
#include "common/mq/internal.h"

void assembly_clear(struct assembly *a)
{
    free(a->exchange);
    free(a->key);
    free(a->user_id);
    free(a->message_id);
    str_free(&a->body);
    memset(a, 0, sizeof *a);
}

static char *copy(amqp_bytes_t b)
{
    return xstrndup(b.bytes ? b.bytes : "", b.len);
}

static void settle(struct mq_link *l, uint64_t tag, bool multiple, enum mq_verdict verdict)
{
    size_t returned = 0;
    size_t n = ring_settle(&l->ring, tag, multiple, verdict, &returned);
    metric_add(verdict == MQ_CONFIRMED ? &l->counts.confirmed : &l->counts.nacked, n);
    metric_add(&l->counts.returned, returned);
}

static void begin_delivery(struct mq_link *l, const amqp_basic_deliver_t *m, struct assembly *a)
{
    uint64_t queue = 0;
    _cleanup_free_ char *consumer = copy(m->consumer_tag);
    assembly_clear(a);
    struct error *e = parse_u64(consumer, l->o.topology.queues_len - 1, &queue);
    if (e) {
        error_ignore(e);
        link_down(l, "a delivery for an unknown consumer");
        return;
    }
    a->active = true;
    a->tag = m->delivery_tag;
    a->redelivered = m->redelivered;
    a->queue = (size_t)queue;
    a->exchange = copy(m->exchange);
    a->key = copy(m->routing_key);
}

static void begin_return(struct assembly *a)
{
    assembly_clear(a);
    a->active = a->returned = true;
}

static void deliver(struct mq_link *l, struct assembly *a)
{
    if (a->ping) {
        /* Another link's, of a queue bound alike, says nothing of ours. */
        if (streq(str_text(&a->body), l->nonce))
            l->queues[a->queue].heard = clock_mono_ms();
        amqp_basic_ack(l->conn, MQ_CHANNEL_CONSUME, a->tag, 0);
        return;
    }
    if (a->too_large) {
        metric_add(&l->counts.too_large, 1);
        amqp_basic_reject(l->conn, MQ_CHANNEL_CONSUME, a->tag, 0);
        return;
    }
    metric_add(&l->counts.delivered, 1);
    struct mq_delivery d = {.queue = a->queue,
                            .exchange = a->exchange,
                            .key = a->key,
                            .user_id = a->user_id,
                            .redelivered = a->redelivered,
                            .body = str_text(&a->body),
                            .len = a->body.len,
                            .token = {l->generation, a->tag}};
    l->o.on_delivery(l->o.arg, &d);
}

/* A return names no tag: our message id is the tag. */
static void mark_returned(struct mq_link *l, const char *message_id)
{
    uint64_t tag;
    struct error *e = parse_u64(message_id ? message_id : "", UINT64_MAX, &tag);
    if (e)
        error_ignore(e);
    else
        ring_returned(&l->ring, tag);
}

static void complete(struct mq_link *l, struct assembly *a)
{
    if (a->got < a->expected)
        return;
    if (a->returned)
        mark_returned(l, a->message_id);
    else
        deliver(l, a);
    assembly_clear(a);
}

static void on_header(struct mq_link *l, const amqp_frame_t *f, struct assembly *a)
{
    const amqp_basic_properties_t *p = f->payload.properties.decoded;
    a->expected = f->payload.properties.body_size;
    a->too_large = a->expected > MQ_BODY_MAX;
    if (p->_flags & AMQP_BASIC_USER_ID_FLAG)
        a->user_id = copy(p->user_id);
    if (p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG)
        a->message_id = copy(p->message_id);
    if (p->_flags & AMQP_BASIC_TYPE_FLAG) {
        _cleanup_free_ char *type = copy(p->type);
        a->ping = streq(type, MQ_PING_TYPE);
    }
    complete(l, a);
}

static void on_body(struct mq_link *l, const amqp_frame_t *f, struct assembly *a)
{
    amqp_bytes_t part = f->payload.body_fragment;
    a->got += part.len;
    if (!a->too_large && !a->returned)
        str_add_n(&a->body, part.bytes, part.len);
    complete(l, a);
}

static void set_blocked(struct mq_link *l, bool blocked, const char *why)
{
    l->blocked = blocked;
    metric_set(&l->counts.blocked, blocked);
    link_event(l, blocked ? MQ_BLOCKED : MQ_UNBLOCKED, why);
}

static void on_method(struct mq_link *l, amqp_frame_t *f)
{
    void *decoded = f->payload.method.decoded;
    amqp_rpc_reply_t closed = {.reply_type = AMQP_RESPONSE_SERVER_EXCEPTION, .reply = f->payload.method};
    switch (f->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD: {
        amqp_basic_ack_t *m = decoded;
        settle(l, m->delivery_tag, m->multiple, MQ_CONFIRMED);
        break;
    }
    case AMQP_BASIC_NACK_METHOD: {
        amqp_basic_nack_t *m = decoded;
        settle(l, m->delivery_tag, m->multiple, MQ_NACKED);
        break;
    }
    case AMQP_BASIC_DELIVER_METHOD:
        begin_delivery(l, decoded, &l->arriving[f->channel]);
        break;
    case AMQP_BASIC_RETURN_METHOD:
        begin_return(&l->arriving[f->channel]);
        break;
    case AMQP_BASIC_CANCEL_METHOD:
        link_down(l, "the broker cancelled a consumer: its queue was deleted");
        break;
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
        link_check(l, "closed by the broker", closed);
        break;
    case AMQP_CONNECTION_BLOCKED_METHOD: {
        _cleanup_free_ char *why = copy(((amqp_connection_blocked_t *)decoded)->reason);
        set_blocked(l, true, why);
        break;
    }
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        set_blocked(l, false, "");
        break;
    default:
        break;
    }
}

static void on_frame(struct mq_link *l, amqp_frame_t *f)
{
    if (f->channel >= MQ_CHANNELS) {
        link_down(l, "a frame on channel %u", f->channel);
        return;
    }
    struct assembly *a = &l->arriving[f->channel];
    if (f->frame_type == AMQP_FRAME_METHOD)
        on_method(l, f);
    else if (f->frame_type == AMQP_FRAME_HEADER && a->active)
        on_header(l, f, a);
    else if (f->frame_type == AMQP_FRAME_BODY && a->active)
        on_body(l, f, a);
    else
        link_down(l, "a frame of type %u out of place", f->frame_type);
}

/* A bounded number at a time, so that publishes and acks go out meanwhile. */
void link_read(struct mq_link *l)
{
    for (int i = 0; i < 256 && l->conn; i++) {
        amqp_frame_t f;
        struct timeval now = {0, 0};
        int rc = amqp_simple_wait_frame_noblock(l->conn, &f, &now);
        if (rc == AMQP_STATUS_TIMEOUT)
            return;
        if (rc != AMQP_STATUS_OK) {
            link_down(l, "%s", amqp_error_string2(rc));
            return;
        }
        on_frame(l, &f);
        if (l->conn)
            amqp_maybe_release_buffers(l->conn);
    }
}
