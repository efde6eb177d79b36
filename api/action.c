/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/action.h"

static int compare_action(const void *key, const void *row)
{
    return strcmp(key, ((const struct api_action *)row)->name);
}

const struct api_action *action_find(const struct api_action *table, size_t len, const char *name)
{
    return bsearch(name, table, len, sizeof *table, compare_action);
}

static int compare_name(const void *key, const void *row)
{
    return strcmp(key, *(const char *const *)row);
}

bool name_listed(const char *const *names, size_t len, const char *name)
{
    return bsearch(name, names, len, sizeof *names, compare_name) != NULL;
}

static int compare_empty(const void *key, const void *row)
{
    return strcmp(key, ((const struct empty_set *)row)->action);
}

const char *empty_set_of(const char *action)
{
    const struct empty_set *row = bsearch(action, empty_sets, empty_sets_len, sizeof *empty_sets, compare_empty);
    return row ? row->set : NULL;
}
