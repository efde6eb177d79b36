/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_COLLECT_H
#define IMAGE_SERVICE_COLLECT_H
/* Removes the chunks that no manifest names: what jobs that failed, were ended or died left behind.
 *
 * Chunks of one making lie together, "chunks/IMAGE/EDITION/…", and the manifest's object says in clear which edition it
 * names (make.h).  Such a folder is kept where
 *   - the image's manifest names that edition, or is there and does not say which one,
 *   - the Cloud Controller knows of a job that may be running, whichever process may run it, or cannot be asked;
 * of what is left a chunk goes once it is older than the delay, by the store's own clock.  The job is asked for before
 * the manifest is looked at for the last time: a job that is over by then has put its manifest, and one that was given
 * up and goes on all the same finds out before it puts one.  A manifest itself never goes here: the Cloud Controller
 * alone decides that.
 *
 * A listing is read page by page: memory is a few pages, however many chunks there are.  Blocks; one thread. */
#include <stdatomic.h>
#include "api/s3-client.h"
#include "common/base/id.h"
#include "common/daemon/metrics.h"

struct collection {
    struct aws_caller *store; /* may write the system bucket */
    int64_t delay_ms;
    /* Whether a job of the image may be running, now, anywhere. */
    struct error *(*running)(void *arg, const struct id *image, bool *ret);
    void *arg;
    const atomic_bool *stop; /* the rest is left for another time */
    metric *removed;
};

struct error *collect_chunks(const struct collection *c) _must_check_;
#endif
