/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACTION_H
#define API_ACTION_H
/* Actions by name. */
#include "api/shape.h"

/* Names of all of EC2's actions, sorted: one that is here and has no handler is UnsupportedOperation. */
extern const char *const aws_actions[];
extern const size_t aws_actions_len;

/* The row of a table sorted by name; NULL: none. */
const struct api_action *action_find(const struct api_action *table, size_t len, const char *name);
bool name_listed(const char *const *names, size_t len, const char *name);
#endif
