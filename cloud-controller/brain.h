/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_BRAIN_H
#define CLOUD_CONTROLLER_BRAIN_H
/* The cloud's model (core/cloud.h) on its database and its link to the broker.
 *
 * The model lives on the database's writer thread: every change is a function that runs there in a transaction; what
 * it changed is written in the same transaction, and what it sends is published after the commit, after the flush
 * where the model asked for one.  If rows cannot be written after the model changed, the daemon ends: it starts again
 * from what is stored.  brain_new() loads; brain_connect() begins to talk. */
#include "cloud-controller/store/store.h"
#include "common/daemon/daemon.h"
#include "common/mq/mq.h"

struct brain;
struct keys;

struct brain_options {
    struct daemon *daemon;
    struct db *db;
    struct timing timing;
    const char *amqp_url;
    const struct keys *keys; /* of images, wrapped for the nodes that launch them */
};

struct error *brain_new(const struct brain_options *o, struct brain **ret) _must_check_;
struct error *brain_connect(struct brain *b) _must_check_;
/* Stops talking; the database is closed after this and before brain_free(). */
void brain_disconnect(struct brain *b);
void brain_free(struct brain *b);
struct db *brain_db(struct brain *b);
const struct timing *brain_timing(const struct brain *b);
bool brain_connected(struct brain *b);

/* Runs on the writer thread.  It checks first and changes the model last: once it has, it must not fail. */
typedef struct error *(*brain_fn)(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg);
/* Runs fn and waits until what it changed is on stable storage. Any thread but the writer's. `mode` as in db.h. */
struct error *brain_change(struct brain *b, unsigned mode, brain_fn fn, void *arg) _must_check_;

/* Waiting for an operation's end, on a handler's thread: begin before the change that makes the operation, which then
 * cannot end unseen; end waits at most `ms` and is always called.  What it brought is the caller's. */
struct brain_wait {
    struct id operation;
    bool done, ok;
    char *body, *text;
};
void brain_wait_begin(struct brain *b, struct brain_wait *w);
void brain_wait_end(struct brain *b, struct brain_wait *w, int64_t ms);
#endif
