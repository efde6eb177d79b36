/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_MQ_MQ_H
#define COMMON_MQ_MQ_H
/* A link to the message broker: one thread, one connection, kept up for as long as the link lives.
 *
 * mq_open() starts the thread, which connects, declares the topology it was given (anew at every connect: the broker
 * may have been wiped), consumes, and after any loss comes back by itself, 0.2 to 5 s later, spread.  Everything is
 * at least once, and nothing is remembered over a loss: a publish that was not confirmed is told as MQ_LOST, a
 * delivery that was not acked comes again.
 *
 * Threading: all callbacks run on the link's thread, one at a time, with no lock held; they must not block (post to
 * the main loop, queue a database write) and may call mq_publish(), mq_ack() and mq_reject(), which any thread may.
 * mq_close() must not be called from a callback; after it none comes.
 *
 * A publish is `mandatory`: one that no queue wants is MQ_RETURNED.  Every publish that mq_publish() accepted gets
 * exactly one verdict.  At most MQ_WINDOW (256) are on their way; MQ_QUEUE_MAX more may wait; beyond that, and while
 * the link is down, mq_publish() refuses with ERROR_UNAVAILABLE.
 *
 * A deaf consumer is noticed: every 5 s the link sends itself a message through each queue it consumes alone; one
 * that stays away for 15 s, or a consumer that the broker cancels, means a new connection. */
#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

#define MQ_QUEUE_MAX 4096
#define MQ_QUEUE_BYTES_MAX ((size_t)64 << 20)
#define MQ_BODY_MAX ((size_t)1 << 20)

struct mq_link;

enum mq_queue_flags {
    MQ_QUORUM = 1,        /* a durable quorum queue; without it: durable and classic */
    MQ_SINGLE_ACTIVE = 2, /* one consumer at a time has it, the others stand by */
    MQ_OWN = 4,           /* this connection's: server-named, classic, exclusive, auto-delete; name is NULL */
    MQ_CONSUME = 8,       /* deliveries go to on_delivery() */
    MQ_DEAD_LETTER = 16,  /* after 5 redeliveries, or a reject, to the bounded queue "mallee.dead" */
    MQ_PASSIVE = 32,      /* somebody else declares and binds it */
};

struct mq_binding {
    const char *exchange;
    const char *key;
};

struct mq_queue {
    const char *name;
    unsigned flags;
    const struct mq_binding *bindings;
    size_t bindings_len;
    uint16_t prefetch; /* deliveries not yet acked; 0: 64 */
};

struct mq_exchange {
    const char *name;
    const char *type; /* "topic", "direct", "fanout"; all are durable */
};

struct mq_topology {
    const struct mq_exchange *exchanges;
    size_t exchanges_len;
    const struct mq_queue *queues;
    size_t queues_len;
};

enum mq_event {
    MQ_UP,
    MQ_DOWN,
    MQ_BLOCKED,   /* the broker takes no publishes: low on memory or disk */
    MQ_UNBLOCKED,
};

enum mq_verdict {
    MQ_CONFIRMED, /* a queue has it, on disk where both are durable */
    MQ_RETURNED,  /* no queue wanted it */
    MQ_NACKED,    /* the broker refused it */
    MQ_LOST,      /* the connection went first: unknown */
};
typedef void (*mq_confirm)(void *arg, enum mq_verdict verdict);

/* Names a delivery to mq_ack(); one of an older connection is ignored. */
struct mq_token {
    uint64_t generation, tag;
};

/* Lent for the length of the callback. */
struct mq_delivery {
    size_t queue; /* index into the topology */
    const char *exchange, *key;
    const char *user_id; /* the publisher's, as the broker checked it; NULL: none given */
    bool redelivered;
    const char *body;
    size_t len;
    struct mq_token token;
};

struct mq_options {
    const char *url;  /* amqp://… */
    const char *name; /* shown by the broker and in the log */
    struct mq_topology topology; /* borrowed: outlives the link */
    bool no_ping;     /* the user may not publish to its own queues */
    bool guest;       /* exchanges and the dead-letter queue are made by others; the link declares its queues only, and
                       * pings through their bindings, never through the exchange that reaches every queue by name */
    void *arg;        /* of the callbacks */
    void (*on_delivery)(void *arg, const struct mq_delivery *d);
    void (*on_event)(void *arg, enum mq_event event, const char *why); /* may be NULL */
};

struct mq_message {
    const char *exchange, *key;
    const void *body; /* copied */
    size_t len;
    uint64_t ttl_ms;  /* 0: for ever */
    bool persistent;
};

struct error *mq_open(const struct mq_options *o, struct mq_link **ret) _must_check_;
/* Stops and frees; open publishes are MQ_LOST.  Waits for the thread, at most a few seconds. */
void mq_close(struct mq_link *l);
DEFINE_CLEANUP(struct mq_link *, mq_close)

/* `cb` may be NULL. */
struct error *mq_publish(struct mq_link *l, const struct mq_message *m, mq_confirm cb, void *arg) _must_check_;
void mq_ack(struct mq_link *l, struct mq_token token);
/* Not requeued: it goes where the queue's dead letters go. */
void mq_reject(struct mq_link *l, struct mq_token token);
bool mq_is_up(struct mq_link *l);

struct metrics;
/* They go with mq_close(). */
void mq_register_metrics(struct mq_link *l, struct metrics *m, const char *labels);
#endif
