/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_MQ_RING_H
#define COMMON_MQ_RING_H
/* The publishes that wait for the broker's confirm.
 *
 * Each has the delivery tag that the broker will name: 1, 2, 3 … on a channel.  A return ("no queue wanted it") comes
 * before the ack of its tag and marks it; acks come out of order and, with `multiple`, for all tags up to one.  Every
 * publish added is settled exactly once.  The link's thread only. */
#include "common/mq/mq.h"

#define MQ_WINDOW 256

struct ring_slot {
    mq_confirm cb;
    void *arg;
    int64_t sent_at;
    bool open, returned;
};

struct ring {
    struct ring_slot slots[MQ_WINDOW];
    uint64_t oldest, next; /* open tags lie in [oldest, next) */
};

void ring_init(struct ring *r);
bool ring_full(const struct ring *r);
/* The tag of the next publish. */
uint64_t ring_add(struct ring *r, mq_confirm cb, void *arg, int64_t now);
void ring_returned(struct ring *r, uint64_t tag);
/* Settles `tag`, or all up to it; returns how many ended as `verdict` or as returned.  Unknown tags are ignored. */
size_t ring_settle(struct ring *r, uint64_t tag, bool multiple, enum mq_verdict verdict, size_t *ret_returned);
/* Settles all that is open as MQ_LOST and begins again with tag 1. */
size_t ring_lose(struct ring *r);
size_t ring_open(const struct ring *r);
/* Publishes that have been open since before `limit`. */
size_t ring_older(const struct ring *r, int64_t limit);
#endif
