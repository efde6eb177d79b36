/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/message.h"

static const char *const type_names[MESSAGE_TYPES] = {
    "hello",    "object",        "boot-answer", "inventory-request", "epoch-grant",
    "snapshot", "epoch-request", "placement",   "cluster-heartbeat", "applied",
    "observed", "heartbeat",     "inventory",   "boot",
};

static const char *const kind_names[KINDS] = {"reservation", "instance", "group", "subnet", "operation"};

void message_free(struct message *m)
{
    array_free(&m->items);
    array_free(&m->slots);
    free(m->body);
    free(m->text);
    m->body = m->text = NULL;
}

struct message message_copy(const struct message *m)
{
    struct message copy = *m;
    copy.items.data = m->items.len ? xmemdup(m->items.data, m->items.len * sizeof *m->items.data) : NULL;
    copy.items.cap = copy.items.len;
    copy.slots.data = m->slots.len ? xmemdup(m->slots.data, m->slots.len * sizeof *m->slots.data) : NULL;
    copy.slots.cap = copy.slots.len;
    copy.body = xstrdup(m->body);
    copy.text = xstrdup(m->text);
    return copy;
}

const char *message_type_name(enum message_type type)
{
    return type_names[type];
}

const char *object_kind_name(enum object_kind kind)
{
    return kind_names[kind];
}

bool object_kind_shared(enum object_kind kind)
{
    return kind == KIND_GROUP || kind == KIND_SUBNET;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int epoch_compare(struct epoch a, struct epoch b)
{
    return a.era != b.era ? compare(a.era, b.era) : compare(a.n, b.n);
}

int observed_compare(uint64_t run_a, uint64_t seq_a, uint64_t run_b, uint64_t seq_b)
{
    return run_a != run_b ? compare(run_a, run_b) : compare(seq_a, seq_b);
}

bool size_fits(struct size need, struct size room)
{
    return need.vcpus <= room.vcpus && need.memory_mib <= room.memory_mib &&
           need.disk_gib <= room.disk_gib;
}

struct size size_add(struct size a, struct size b)
{
    return (struct size){a.vcpus + b.vcpus, a.memory_mib + b.memory_mib, a.disk_gib + b.disk_gib};
}

static uint64_t subtract(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

struct size size_subtract(struct size a, struct size b)
{
    return (struct size){subtract(a.vcpus, b.vcpus), subtract(a.memory_mib, b.memory_mib),
                         subtract(a.disk_gib, b.disk_gib)};
}
