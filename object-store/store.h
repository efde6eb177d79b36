/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_STORE_H
#define OBJECT_STORE_STORE_H
/* The object store daemon: an HTTP server that speaks S3, an index, a folder of bytes.
 *
 * HTTP threads only copy bytes and check signatures; all that blocks runs on the workers.  A write is answered after its
 * bytes and its index entry are on stable storage.  A struct store lives from start() to stop(). */
#include "common/daemon/daemon.h"
#include "common/db/db.h"
#include "common/http-server/http-server.h"
#include "common/workers/workers.h"
#include "object-store/engine.h"
#include "object-store/identity.h"

struct store {
    struct daemon *daemon;
    struct metrics *metrics;
    struct db *db;
    struct engine *engine;
    struct identity *identity;
    struct workers *workers;
    struct http_server *http;
    struct http_server *node_http; /* the same for nodes; NULL: none */
    struct http_server *guest_http; /* S3 without /healthz and /metrics, for instances; NULL: none */
    struct loop_timer *sweeper;
    char *region;
    char *state_dir;
    bool keep_unnamed;      /* files that no object names are left alone: backup.h */
    _Atomic bool copying;   /* a copy of the index is made */
    int64_t garbage_delay;  /* ms */
    _Atomic bool closing;   /* new requests are refused */
    _Atomic unsigned busy;  /* jobs on the workers */
};

extern const struct daemon_ops store_daemon;
#endif
