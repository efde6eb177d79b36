/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mq/internal.h"

#define DEAD "mallee.dead"
#define DEAD_MAX 10000
#define DELIVERY_LIMIT 5
#define DEFAULT_PREFETCH 64
#define USER_TIMEOUT_MS 8000
#define RPC_TIMEOUT_S 3
#define HEAL_TIMEOUT_S 15
#define HEAL_AFTER 2

#define TEXT(s) amqp_cstring_bytes(s)
#define ARG_TEXT(k, v)                                                                                                 \
    ((amqp_table_entry_t){TEXT(k), {AMQP_FIELD_KIND_UTF8, {.bytes = TEXT(v)}}})
#define ARG_NUMBER(k, v) ((amqp_table_entry_t){TEXT(k), {AMQP_FIELD_KIND_I32, {.i32 = (v)}}})
#define ARG_TRUE(k) ((amqp_table_entry_t){TEXT(k), {AMQP_FIELD_KIND_BOOLEAN, {.boolean = 1}}})

static bool open_socket(struct mq_link *l)
{
    struct timeval timeout = {RPC_TIMEOUT_S, 0};
    unsigned user_timeout = USER_TIMEOUT_MS;
    int on = 1;
    l->conn = amqp_new_connection();
    amqp_socket_t *s = l->conn ? amqp_tcp_socket_new(l->conn) : NULL;
    if (!s)
        abort();
    amqp_set_handshake_timeout(l->conn, &timeout);
    amqp_set_rpc_timeout(l->conn, &timeout);
    int rc = amqp_socket_open_noblock(s, l->url.host, l->url.port, &timeout);
    if (rc != AMQP_STATUS_OK) {
        link_down(l, "connecting to %s:%u: %s", l->url.host, l->url.port, amqp_error_string2(rc));
        return false;
    }
    int fd = amqp_get_sockfd(l->conn);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

/* Without consumer_cancel_notify a deleted queue would end its consumer silently. */
static bool log_in(struct mq_link *l)
{
    amqp_table_entry_t capabilities[] = {ARG_TRUE("consumer_cancel_notify"), ARG_TRUE("connection.blocked")};
    amqp_table_entry_t properties[] = {
        {TEXT("capabilities"), {AMQP_FIELD_KIND_TABLE, {.table = {2, capabilities}}}},
        ARG_TEXT("connection_name", l->name),
    };
    amqp_table_t table = {2, properties};
    if (!link_check(l, "login",
                    amqp_login_with_properties(l->conn, l->url.vhost, 0, 131072, MQ_HEARTBEAT, &table,
                                               AMQP_SASL_METHOD_PLAIN, l->url.user, l->url.password)))
        return false;
    for (amqp_channel_t c = MQ_CHANNEL_PUBLISH; c <= MQ_CHANNEL_CONSUME; c++) {
        amqp_channel_open(l->conn, c);
        if (!link_check(l, "opening a channel", amqp_get_rpc_reply(l->conn)))
            return false;
    }
    amqp_confirm_select(l->conn, MQ_CHANNEL_PUBLISH);
    return link_check(l, "asking for confirms", amqp_get_rpc_reply(l->conn));
}

static bool declare_exchange(struct mq_link *l, const char *name, const char *type)
{
    amqp_exchange_declare(l->conn, MQ_CHANNEL_CONSUME, TEXT(name), TEXT(type), 0, 1, 0, 0, amqp_empty_table);
    return link_check(l, name, amqp_get_rpc_reply(l->conn));
}

static bool bind_queue(struct mq_link *l, const char *queue, const char *exchange, const char *key)
{
    amqp_queue_bind(l->conn, MQ_CHANNEL_CONSUME, TEXT(queue), TEXT(exchange), TEXT(key), amqp_empty_table);
    return link_check(l, queue, amqp_get_rpc_reply(l->conn));
}

static bool declare_dead(struct mq_link *l)
{
    amqp_table_entry_t args[] = {ARG_NUMBER("x-max-length", DEAD_MAX)};
    if (!declare_exchange(l, DEAD, "fanout"))
        return false;
    amqp_queue_declare(l->conn, MQ_CHANNEL_CONSUME, TEXT(DEAD), 0, 1, 0, 0, (amqp_table_t){1, args});
    return link_check(l, DEAD, amqp_get_rpc_reply(l->conn)) && bind_queue(l, DEAD, DEAD, "");
}

static amqp_table_t queue_arguments(const struct mq_queue *q, amqp_table_entry_t args[static 4])
{
    int n = 0;
    if (q->flags & MQ_QUORUM)
        args[n++] = ARG_TEXT("x-queue-type", "quorum");
    if (q->flags & MQ_SINGLE_ACTIVE)
        args[n++] = ARG_TRUE("x-single-active-consumer");
    if (q->flags & MQ_DEAD_LETTER)
        args[n++] = ARG_TEXT("x-dead-letter-exchange", DEAD);
    if ((q->flags & MQ_DEAD_LETTER) && (q->flags & MQ_QUORUM))
        args[n++] = ARG_NUMBER("x-delivery-limit", DELIVERY_LIMIT);
    return (amqp_table_t){n, args};
}

static bool declare_queue(struct mq_link *l, size_t i)
{
    const struct mq_queue *q = &l->o.topology.queues[i];
    struct own_queue *own = &l->queues[i];
    bool mine = q->flags & MQ_OWN;
    free(own->name);
    own->name = q->name ? xstrdup(q->name) : NULL;
    if (q->flags & MQ_PASSIVE)
        return true;
    amqp_table_entry_t args[4];
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(l->conn, MQ_CHANNEL_CONSUME, mine ? amqp_empty_bytes : TEXT(q->name), 0, !mine, mine, mine,
                           queue_arguments(q, args));
    if (!link_check(l, mine ? "own queue" : q->name, amqp_get_rpc_reply(l->conn)))
        return false;
    free(own->name);
    own->name = xstrndup(ok->queue.bytes, ok->queue.len);
    for (size_t b = 0; b < q->bindings_len; b++)
        if (!bind_queue(l, own->name, q->bindings[b].exchange, q->bindings[b].key))
            return false;
    return true;
}

/* A quorum queue whose broker was killed within half a second of making it may come back as a name without a process:
 * it can be declared, and consuming from it is never answered.  Then it is made anew; what was in it comes again from
 * those who sent it, as after a wipe. */
static bool heal_queue(struct mq_link *l, size_t i)
{
    const struct mq_queue *q = &l->o.topology.queues[i];
    struct own_queue *own = &l->queues[i];
    if (own->timeouts < HEAL_AFTER || !(q->flags & MQ_QUORUM) || (q->flags & MQ_PASSIVE))
        return true;
    struct timeval longer = {HEAL_TIMEOUT_S, 0}, usual = {RPC_TIMEOUT_S, 0};
    log_warning("broker link %s: queue %s does not answer: making it anew", l->name, q->name);
    own->timeouts = 0;
    amqp_set_rpc_timeout(l->conn, &longer);
    amqp_queue_delete(l->conn, MQ_CHANNEL_CONSUME, TEXT(q->name), 0, 0);
    if (!link_check(l, "deleting a queue", amqp_get_rpc_reply(l->conn)))
        return false;
    amqp_set_rpc_timeout(l->conn, &usual);
    return true;
}

static bool consume(struct mq_link *l, size_t i)
{
    const struct mq_queue *q = &l->o.topology.queues[i];
    if (!(q->flags & MQ_CONSUME))
        return true;
    _cleanup_free_ char *tag = xasprintf("%zu", i);
    amqp_basic_qos(l->conn, MQ_CHANNEL_CONSUME, 0, q->prefetch ? q->prefetch : DEFAULT_PREFETCH, 0);
    if (!link_check(l, "prefetch", amqp_get_rpc_reply(l->conn)))
        return false;
    amqp_basic_consume(l->conn, MQ_CHANNEL_CONSUME, TEXT(l->queues[i].name), TEXT(tag), 0, 0, 0, amqp_empty_table);
    l->queues[i].heard = clock_mono_ms();
    l->queues[i].pinged = 0;
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(l->conn);
    bool late = reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT;
    l->queues[i].timeouts = late ? l->queues[i].timeouts + 1 : 0;
    return link_check(l, "consuming", reply);
}

bool link_connect(struct mq_link *l)
{
    const struct mq_topology *t = &l->o.topology;
    bool dead = false;
    if (!open_socket(l) || !log_in(l))
        return false;
    for (size_t i = 0; !l->o.guest && i < t->exchanges_len; i++)
        if (!declare_exchange(l, t->exchanges[i].name, t->exchanges[i].type))
            return false;
    for (size_t i = 0; i < t->queues_len; i++)
        dead |= (t->queues[i].flags & MQ_DEAD_LETTER) && !(t->queues[i].flags & MQ_PASSIVE);
    if (dead && !l->o.guest && !declare_dead(l))
        return false;
    for (size_t i = 0; i < t->queues_len; i++)
        if (!heal_queue(l, i) || !declare_queue(l, i))
            return false;
    for (size_t i = 0; i < t->queues_len; i++)
        if (!consume(l, i))
            return false;
    return true;
}
