/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H
/* What `mallee` can be told to do, one row each: the words, the admin action behind them, how its answer is shown. */
#include "common/base/str.h"
#include "common/json/json.h"

struct command {
    const char *noun, *verb; /* verb NULL: one word */
    const char *argument;    /* name of what follows; NULL: nothing does */
    const char *action;      /* of the admin API */
    const char *member;      /* of the action's input that the argument is */
    void (*show)(struct str *out, const json_t *answer); /* for people */
    const char *doc;
};
extern const struct command commands[];
extern const size_t commands_len;

/* The row that the words begin with; `*ret_words` is how many name it.  NULL: none. */
const struct command *command_find(char *const *words, size_t n, size_t *ret_words);
#endif
