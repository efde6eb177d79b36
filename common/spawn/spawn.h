/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SPAWN_SPAWN_H
#define COMMON_SPAWN_SPAWN_H
/* Runs another program and waits for it: an argv, never a shell.
 *
 * The child gets its own process group, default signals, stdin from /dev/null or holding `input`, no descriptor of ours,
 * and PATH, LANG=C only as environment.  stdout and stderr are kept together, up to a bound; what comes after is read and
 * dropped.  Past the deadline the whole group is killed.  Blocks: called from worker threads; any thread. */
#include <stdint.h>
#include "common/base/str.h"

struct spawn {
    const char *const *argv; /* ends with NULL; argv[0] is looked for in PATH */
    size_t max_output;       /* 0: 16 KiB */
    uint64_t deadline_ms;    /* 0: 30 s */
    const char *input;       /* what its stdin holds; NULL: nothing */
};

struct spawn_result {
    int status; /* exit status; 128 + signal where one ended it */
    struct str output;
};

void spawn_result_free(struct spawn_result *r);

/* Fails where the program could not be started, or with ERROR_TIMEOUT where it was killed for its deadline; any
 * exit status is a success. */
struct error *spawn_run(const struct spawn *s, struct spawn_result *ret) _must_check_;
/* The same; an exit status other than 0 is an error that holds the last line of output. */
struct error *spawn_check(const struct spawn *s) _must_check_;
#endif
