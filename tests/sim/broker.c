/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tests/sim/world.h"

#define PREFETCH 24

static struct queue *find_queue(const struct world *w, enum queue_kind kind, int zone, int node,
                                const struct proc *owner)
{
    array_each(&w->queues, it) {
        struct queue *q = *it;
        if (q->kind != kind || !q->exists)
            continue;
        if (kind == QUEUE_OWN ? q->owner == owner : q->zone == zone && (kind == QUEUE_COMMAND || q->node == node))
            return q;
    }
    return NULL;
}

static struct queue *declare(struct world *w, enum queue_kind kind, int zone, int node, struct proc *owner)
{
    struct queue *q = find_queue(w, kind, zone, node, owner);
    if (q)
        return q;
    array_each(&w->queues, it) {
        if (!(*it)->exists) {
            q = *it;
            break;
        }
    }
    if (!q) {
        q = xnew0(struct queue);
        array_push(&w->queues, q);
    }
    q->kind = kind;
    q->zone = zone;
    q->node = node;
    q->owner = kind == QUEUE_OWN ? owner : NULL;
    q->exists = true;
    return q;
}

static void drop_items(struct queue *q)
{
    array_each(&q->items, item)
        message_free(&item->message);
    q->items.len = 0;
}

static void put(struct world *w, struct queue *q, const struct message *m)
{
    struct queued *item = array_add(&q->items);
    item->message = message_copy(m);
    item->token = ++w->tokens;
    item->ready_at = w->now;
    if (w->faults_on && chance(w, 0.05)) {
        item->ready_at += (int64_t)rnd_below(w, 8000);
        w->struck[FAULT_DELAY]++;
    }
}

static int zone_index(const struct world *w, const struct id *zone)
{
    (void)w;
    return zone->text[strlen(zone->text) - 1] - 'a';
}

static int node_index(const struct id *node)
{
    return node->text[strlen(node->text) - 1] - '0';
}

/* Puts the message into every queue that is bound for it; the number of queues. */
static int route(struct world *w, const char *exchange, const struct id *zone, const struct id *last,
                 const struct message *m)
{
    int z = zone_index(w, zone), routed = 0;
    if (streq(exchange, "cluster") && !last) {
        struct queue *q = find_queue(w, QUEUE_COMMAND, z, 0, NULL);
        return q ? put(w, q, m), 1 : 0;
    }
    if (streq(exchange, "node")) {
        struct queue *q = find_queue(w, QUEUE_NODE, z, node_index(last), NULL);
        return q ? put(w, q, m), 1 : 0;
    }
    array_each(&w->queues, it) {
        struct queue *q = *it;
        if (q->kind != QUEUE_OWN || !q->exists)
            continue;
        const struct proc *p = q->owner;
        bool control = streq(exchange, "cluster") && p->kind == PROC_CLUSTER && p->zone == z &&
                       id_eq(&p->cluster->process, last);
        bool report = streq(exchange, "report") &&
                      (p->kind == PROC_CLOUD || (p->kind == PROC_CLUSTER && p->zone == z));
        if (control || report) {
            put(w, q, m);
            routed++;
        }
    }
    return routed;
}

void broker_publish(struct world *w, struct proc *p, const char *exchange, const struct id *zone,
                    const struct id *last, const struct message *m, uint64_t attempt, uint64_t ack_token)
{
    struct confirm answer = {attempt, ack_token, PUBLISH_LOST};
    if (p->connected && w->broker_up) {
        bool lost = w->faults_on && chance(w, 0.01);
        bool before = chance(w, 0.5);
        if (lost)
            w->struck[FAULT_DROP]++;
        int routed = lost && before ? 0 : route(w, exchange, zone, last, m);
        if (w->faults_on && chance(w, 0.02)) {
            route(w, exchange, zone, last, m);
            w->struck[FAULT_DOUBLE]++;
        }
        if (!lost)
            answer.result = routed ? PUBLISH_CONFIRMED : PUBLISH_RETURNED;
        if (!lost && !routed)
            w->struck[FAULT_UNROUTABLE]++;
    }
    trace(w, "%s publishes %s of %s g%ju %s to %s.%s observed %d epoch %ju: %s", exchange,
          message_type_name(m->type), m->id.text, (uintmax_t)m->generation, m->present ? "present" : "absent",
          zone->text, m->node.text, (int)m->observed, (uintmax_t)m->epoch.n,
          answer.result == PUBLISH_CONFIRMED ? "confirmed" : answer.result == PUBLISH_RETURNED ? "returned" : "lost");
    if (attempt || ack_token)
        array_push(&p->confirms, answer);
}

void broker_ack(struct world *w, struct proc *p, uint64_t token)
{
    (void)p;
    array_each(&w->queues, it) {
        struct queue *q = *it;
        for (size_t k = 0; k < q->items.len; k++) {
            if (q->items.data[k].token == token && q->items.data[k].out) {
                message_free(&q->items.data[k].message);
                array_remove(&q->items, k);
                return;
            }
        }
    }
}

static void give_back(struct queue *q)
{
    array_each(&q->items, item)
        item->out = false;
}

void broker_disconnect(struct world *w, struct proc *p)
{
    if (!p->connected)
        return;
    p->connected = false;
    array_each(&p->confirms, confirm)
        confirm->result = PUBLISH_LOST;
    array_each(&w->queues, it) {
        struct queue *q = *it;
        if (!q->exists || q->owner != p)
            continue;
        if (q->kind == QUEUE_OWN) {
            drop_items(q);
            q->exists = false;
        } else {
            give_back(q);
        }
        q->owner = NULL;
    }
}

void broker_crash(struct world *w, bool wipe)
{
    trace(w, "broker crash, wipe %d", wipe);
    w->broker_up = false;
    w->broker_back_at = w->now + 2000 + (int64_t)rnd_below(w, 8000);
    array_each(&w->procs, p)
        broker_disconnect(w, *p);
    if (!wipe)
        return;
    array_each(&w->queues, it) {
        drop_items(*it);
        (*it)->exists = false;
    }
}

static void connect_proc(struct world *w, struct proc *p)
{
    p->connected = true;
    if (p->kind == PROC_NODE) {
        declare(w, QUEUE_NODE, p->zone, p->node, NULL)->owner = p;
        node_on_connected(p->node_model);
        return;
    }
    declare(w, QUEUE_OWN, p->zone, 0, p);
    if (p->kind == PROC_CLUSTER) {
        declare(w, QUEUE_COMMAND, p->zone, 0, NULL);
        cluster_on_connected(p->cluster);
        cluster_settle(w, p);
    } else {
        cloud_on_connected(p->cloud);
        cloud_settle(w, p);
    }
}

void broker_connect_all(struct world *w)
{
    if (!w->broker_up) {
        if (w->now < w->broker_back_at)
            return;
        w->broker_up = true;
    }
    array_each(&w->procs, it) {
        struct proc *p = *it;
        if (p->up && !p->paused && !p->connected && w->now >= p->connect_at) {
            p->connect_at = w->now + 200 + (int64_t)rnd_below(w, 2000);
            connect_proc(w, p);
        }
        /* the broker gives up a client that is silent too long */
        if (p->up && p->paused && p->connected && w->now - p->paused_at > 8000)
            broker_disconnect(w, p);
    }
    /* single active consumer: the first that is there, until it goes */
    array_each(&w->queues, it) {
        struct queue *q = *it;
        if (q->kind != QUEUE_COMMAND || !q->exists || q->owner)
            continue;
        array_each(&w->procs, p) {
            if ((*p)->kind == PROC_CLUSTER && (*p)->zone == q->zone && (*p)->up && (*p)->connected) {
                q->owner = *p;
                break;
            }
        }
    }
}

/* The first item that may be delivered; NULL: none. */
static struct queued *ready_item(const struct world *w, struct queue *q)
{
    size_t out = 0;
    array_each(&q->items, item) {
        out += item->out;
        if (!item->out && item->ready_at <= w->now)
            return out < PREFETCH ? item : NULL;
    }
    return NULL;
}

static void hand_over(struct world *w, struct queue *q, struct queued *item)
{
    struct proc *p = q->owner;
    struct message m = message_copy(&item->message);
    uint64_t token = item->token;
    trace(w, "-> %s%d.%d gets %s of %s g%ju node %s", p->kind == PROC_CLOUD ? "cloud" : p->kind == PROC_NODE ? "node" : "cluster",
          p->zone, p->node, message_type_name(m.type), m.id.text, (uintmax_t)m.generation, m.node.text);
    if (q->kind == QUEUE_OWN) {
        message_free(&item->message);
        array_remove(&q->items, (size_t)(item - q->items.data));
    } else {
        item->out = true;
    }
    if (p->kind == PROC_CLOUD) {
        cloud_on_message(p->cloud, &m);
        cloud_settle(w, p);
    } else if (p->kind == PROC_NODE) {
        node_on_delivery(p->node_model, token, &m);
        law_obeyed(w, p, &m);
        node_settle(w, p);
    } else {
        if (q->kind == QUEUE_COMMAND)
            cluster_on_delivery(p->cluster, token, &m);
        else if (m.type == MESSAGE_EPOCH_GRANT || m.type == MESSAGE_SNAPSHOT)
            cluster_on_control(p->cluster, &m);
        else
            cluster_on_report(p->cluster, &m);
        cluster_settle(w, p);
    }
    message_free(&m);
}

bool broker_deliver(struct world *w)
{
    if (!w->broker_up || !w->queues.len)
        return false;
    size_t first = (size_t)rnd_below(w, w->queues.len);
    for (size_t k = 0; k < w->queues.len; k++) {
        struct queue *q = w->queues.data[(first + k) % w->queues.len];
        if (!q->exists || !q->owner || !q->owner->up || q->owner->paused || !q->owner->connected)
            continue;
        struct queued *item = ready_item(w, q);
        if (item) {
            hand_over(w, q, item);
            return true;
        }
    }
    return false;
}

static void take_confirm(struct world *w, struct proc *p, size_t at)
{
    struct confirm answer = p->confirms.data[at];
    array_remove(&p->confirms, at);
    if (answer.ack_token && answer.result != PUBLISH_LOST)
        broker_ack(w, p, answer.ack_token);
    if (!answer.attempt || p->kind != PROC_CLOUD)
        return;
    cloud_published(p->cloud, answer.attempt, answer.result);
    if (answer.result == PUBLISH_RETURNED) {
        array_each(&p->cloud->outbox, o) {
            if ((*o)->attempt == answer.attempt && (*o)->state == OUTBOX_SENT)
                broken(w, "a returned publish counts as sent: %s", (*o)->id.text);
        }
    }
    cloud_settle(w, p);
}

bool broker_confirm(struct world *w)
{
    size_t first = (size_t)rnd_below(w, w->procs.len);
    for (size_t k = 0; k < w->procs.len; k++) {
        struct proc *p = w->procs.data[(first + k) % w->procs.len];
        if (p->up && !p->paused && p->confirms.len) {
            take_confirm(w, p, (size_t)rnd_below(w, p->confirms.len));
            return true;
        }
    }
    return false;
}

bool broker_idle(const struct world *w)
{
    array_each(&w->queues, it) {
        if ((*it)->exists && (*it)->items.len)
            return false;
    }
    return true;
}
