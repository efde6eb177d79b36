/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACTION_H
#define API_ACTION_H
/* Actions by name. */
#include "api/shape.h"

/* Names of all of EC2's actions, sorted: one that is here and has no handler is UnsupportedOperation. */
extern const char *const aws_actions[];
extern const size_t aws_actions_len;

/* Describe actions for what can never be here: an empty set under `set` is the true answer.  Sorted by name. */
struct empty_set {
    const char *action, *set;
};
extern const struct empty_set empty_sets[];
extern const size_t empty_sets_len;
/* The name of the empty set; NULL: the action is none of these. */
const char *empty_set_of(const char *action);

/* The row of a table sorted by name; NULL: none. */
const struct api_action *action_find(const struct api_action *table, size_t len, const char *name);
bool name_listed(const char *const *names, size_t len, const char *name);
#endif
