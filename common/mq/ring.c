/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/mq/ring.h"
#include <string.h>

static struct ring_slot *slot(struct ring *r, uint64_t tag)
{
    return &r->slots[tag % MQ_WINDOW];
}

void ring_init(struct ring *r)
{
    memset(r, 0, sizeof *r);
    r->oldest = r->next = 1;
}

bool ring_full(const struct ring *r)
{
    return r->next - r->oldest >= MQ_WINDOW;
}

uint64_t ring_add(struct ring *r, mq_confirm cb, void *arg, int64_t now)
{
    *slot(r, r->next) = (struct ring_slot){cb, arg, now, true, false};
    return r->next++;
}

void ring_returned(struct ring *r, uint64_t tag)
{
    if (tag >= r->oldest && tag < r->next)
        slot(r, tag)->returned = true;
}

/* The slot is closed before the callback: that one may publish and so add to the ring. */
static bool settle_one(struct ring *r, uint64_t tag, enum mq_verdict verdict)
{
    struct ring_slot s = *slot(r, tag);
    slot(r, tag)->open = false;
    if (s.returned && verdict == MQ_CONFIRMED)
        verdict = MQ_RETURNED;
    if (s.cb)
        s.cb(s.arg, verdict);
    return verdict == MQ_RETURNED;
}

static void advance(struct ring *r)
{
    while (r->oldest < r->next && !slot(r, r->oldest)->open)
        r->oldest++;
}

size_t ring_settle(struct ring *r, uint64_t tag, bool multiple, enum mq_verdict verdict, size_t *ret_returned)
{
    size_t settled = 0, returned = 0;
    uint64_t last = tag < r->next ? tag : r->next - 1;
    if (!multiple && (tag < r->oldest || tag >= r->next))
        last = 0;
    for (uint64_t t = multiple ? r->oldest : tag; t <= last; t++) {
        if (!slot(r, t)->open)
            continue;
        settled++;
        returned += settle_one(r, t, verdict);
    }
    advance(r);
    *ret_returned = returned;
    return settled - returned;
}

size_t ring_lose(struct ring *r)
{
    size_t n = 0;
    for (uint64_t t = r->oldest; t < r->next; t++) {
        if (slot(r, t)->open) {
            n++;
            settle_one(r, t, MQ_LOST);
        }
    }
    ring_init(r);
    return n;
}

size_t ring_open(const struct ring *r)
{
    return ring_older(r, INT64_MAX);
}

size_t ring_older(const struct ring *r, int64_t limit)
{
    size_t n = 0;
    for (uint64_t t = r->oldest; t < r->next; t++) {
        const struct ring_slot *s = &r->slots[t % MQ_WINDOW];
        n += s->open && s->sent_at < limit;
    }
    return n;
}
