/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/map.h"
#include <stdint.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/base/id.h"

struct entry {
    struct entry *next;
    void *value;
    char key[];
};

struct map {
    struct entry **buckets;
    size_t count, size;
    uint64_t seed; /* keys from outside cannot be made to collide */
};

struct map *map_new(void)
{
    struct map *m = xnew0(struct map);
    m->count = 16;
    m->buckets = xcalloc(m->count, sizeof *m->buckets);
    random_bytes(&m->seed, sizeof m->seed);
    return m;
}

static size_t bucket_of(const struct map *m, const char *key)
{
    uint64_t h = 14695981039346656037u ^ m->seed;
    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        h = (h ^ *p) * 1099511628211u;
    h ^= h >> 29;
    return (size_t)(h & (m->count - 1));
}

void map_free(struct map *m, void (*free_value)(void *))
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        for (struct entry *e = m->buckets[i], *next; e; e = next) {
            next = e->next;
            if (free_value)
                free_value(e->value);
            free(e);
        }
    }
    free(m->buckets);
    free(m);
}

static void grow(struct map *m)
{
    struct map bigger = {.count = m->count * 2, .size = m->size, .seed = m->seed};
    bigger.buckets = xcalloc(bigger.count, sizeof *bigger.buckets);
    for (size_t i = 0; i < m->count; i++) {
        for (struct entry *e = m->buckets[i], *next; e; e = next) {
            next = e->next;
            size_t at = bucket_of(&bigger, e->key);
            e->next = bigger.buckets[at];
            bigger.buckets[at] = e;
        }
    }
    free(m->buckets);
    *m = bigger;
}

void *map_get(const struct map *m, const char *key)
{
    for (struct entry *e = m->buckets[bucket_of(m, key)]; e; e = e->next) {
        if (strcmp(e->key, key) == 0)
            return e->value;
    }
    return NULL;
}

void *map_set(struct map *m, const char *key, void *value)
{
    size_t at = bucket_of(m, key);
    for (struct entry *e = m->buckets[at]; e; e = e->next) {
        if (strcmp(e->key, key) == 0) {
            void *former = e->value;
            e->value = value;
            return former;
        }
    }
    if (m->size >= m->count) {
        grow(m);
        at = bucket_of(m, key);
    }
    size_t len = strlen(key);
    struct entry *e = xmalloc(sizeof *e + len + 1);
    e->value = value;
    memcpy(e->key, key, len + 1);
    e->next = m->buckets[at];
    m->buckets[at] = e;
    m->size++;
    return NULL;
}

void *map_take(struct map *m, const char *key)
{
    for (struct entry **at = &m->buckets[bucket_of(m, key)]; *at; at = &(*at)->next) {
        if (strcmp((*at)->key, key) == 0) {
            struct entry *e = *at;
            void *value = e->value;
            *at = e->next;
            free(e);
            m->size--;
            return value;
        }
    }
    return NULL;
}

size_t map_size(const struct map *m)
{
    return m->size;
}

int map_next(const struct map *m, struct map_cursor *at, const char **ret_key, void **ret_value)
{
    /* The cursor holds the entry to return next, so that the one returned before may go. */
    struct entry *e = at->entry;
    while (!e && at->bucket < m->count)
        e = m->buckets[at->bucket++];
    if (!e)
        return 0;
    if (ret_key)
        *ret_key = e->key;
    if (ret_value)
        *ret_value = e->value;
    at->entry = e->next;
    return 1;
}
