/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_MQ_INTERNAL_H
#define COMMON_MQ_INTERNAL_H
/* Between the files of common/mq only. */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <pthread.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/daemon/metrics.h"
#include "common/mq/mq.h"
#include "common/mq/ring.h"
#include "common/mq/url.h"

#define MQ_HEARTBEAT 4
#define MQ_CHANNEL_PUBLISH 1
#define MQ_CHANNEL_CONSUME 2
#define MQ_CHANNELS 3
#define MQ_PING_TYPE "mallee.ping"

/* A message that arrives: a method, a header, body frames, on one channel. */
struct assembly {
    bool active, returned;
    uint64_t tag;
    size_t queue;
    bool redelivered, ping, too_large;
    uint64_t expected, got;
    char *exchange, *key, *user_id, *message_id;
    struct str body;
};

struct outgoing {
    char *exchange, *key, *body;
    size_t len;
    uint64_t ttl_ms;
    bool persistent, ping;
    mq_confirm cb;
    void *arg;
};

struct answer {
    struct mq_token token;
    bool reject;
};

struct mq_counts {
    metric published, confirmed, returned, nacked, lost, refused, delivered, acked, rejected, connects, up, blocked,
        waiting, unconfirmed, unconfirmed_late, too_large;
};

struct own_queue {
    char *name;         /* as the broker named it */
    int64_t heard;      /* last ping that arrived */
    int64_t pinged;
    unsigned timeouts;  /* consumes in a row that were not answered; see heal_queue() */
};

struct mq_link {
    struct mq_options o;
    char *name;
    char *nonce; /* body of this link's pings */
    struct mq_url url;
    pthread_t thread;
    int wake; /* eventfd */
    struct metrics *metrics;
    struct mq_counts counts;

    /* The link's thread only. */
    amqp_connection_state_t conn; /* NULL: down */
    uint64_t generation;
    struct ring ring;
    struct assembly arriving[MQ_CHANNELS];
    struct own_queue *queues; /* one per queue of the topology */
    ARRAY(struct outgoing) sending;
    size_t sending_at;
    bool blocked;
    unsigned seed;

    pthread_mutex_t lock; /* guards the rest */
    ARRAY(struct outgoing) queued;
    ARRAY(struct answer) answers;
    size_t waiting, waiting_bytes; /* queued and sending */
    bool up, stop;
};

/* link.c: drops the connection; everything open is lost. */
void link_down(struct mq_link *l, const char *format, ...) _printf_(2, 3);
/* True for a normal reply; else the connection is dropped. */
bool link_check(struct mq_link *l, const char *what, amqp_rpc_reply_t reply);
void link_event(struct mq_link *l, enum mq_event event, const char *why);
/* connect.c: true when connected and declared. */
bool link_connect(struct mq_link *l);
/* frames.c: handles all that has arrived. */
void link_read(struct mq_link *l);
void assembly_clear(struct assembly *a);
void outgoing_free(struct outgoing *m);
#endif
