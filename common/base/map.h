/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H
/* A hash map from text to pointers.  Keys are copied, values belong to the caller.  Not thread-safe.
 * Iteration order is that of the buckets: whoever needs a stable order sorts. */
#include <stddef.h>

struct map;

struct map *map_new(void);
/* Frees the map; `free_value` (or NULL) is called for each value. */
void map_free(struct map *m, void (*free_value)(void *));
void *map_get(const struct map *m, const char *key);
/* Sets and returns the former value (NULL: none). */
void *map_set(struct map *m, const char *key, void *value);
/* Removes and returns the value (NULL: none). */
void *map_take(struct map *m, const char *key);
size_t map_size(const struct map *m);

struct map_cursor {
    size_t bucket;
    void *entry;
};
/* Steps through; start with a zeroed cursor.  The entry just returned may be removed meanwhile. */
int map_next(const struct map *m, struct map_cursor *at, const char **ret_key, void **ret_value);
#endif
