/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DAEMON_DAEMON_H
#define COMMON_DAEMON_DAEMON_H
/* The life of a daemon: configuration, log, signals, main loop, service manager.
 *
 * main() calls daemon_run() with the table of its configuration and two functions: start() opens everything (threads
 * may begin here: signals are blocked already, so all of them inherit that) and stop() closes it again.  SIGTERM and
 * SIGINT end the loop, then stop() runs; SIGPIPE and SIGHUP are ignored.  The service manager hears READY=1 after
 * start() and STOPPING=1 before stop(). */
#include "common/config/config.h"
#include "common/daemon/loop.h"
#include "common/daemon/metrics.h"

/* What every daemon's configuration struct begins with; DAEMON_KEYS are the rows for it. */
struct daemon_config {
    char *log_level;
};
/* clang-format off */
#define DAEMON_KEYS(struct_type, member)                                                           \
    {.name = "log-level", .type = CONFIG_STRING, .value = "info", .required = true,                \
     .offset = offsetof(struct_type, member) + offsetof(struct daemon_config, log_level),          \
     .doc = "The least level that is logged: debug, info, warning or error."}
/* clang-format on */

struct daemon;

struct daemon_ops {
    const struct config_program *config;
    size_t config_size; /* of the configuration struct, which begins with struct daemon_config */
    /* Opens everything; `*ret_state` goes to stop().  An error ends the daemon with status 1. */
    struct error *(*start)(struct daemon *d, const void *config, void **ret_state);
    void (*stop)(void *state);
    /* For --restore FILE: makes the state that start() opens from a backup's file. NULL: there is no such flag. */
    struct error *(*restore)(const void *config, const char *file);
};

/* Runs the daemon to its end; the value is main()'s. */
int daemon_run(const struct daemon_ops *ops, int argc, char **argv);
struct loop *daemon_loop(struct daemon *d);
struct metrics *daemon_metrics(struct daemon *d);
/* Ends the daemon from any thread: `why` (taken over) is logged, stop() runs, the status is 1. */
void daemon_fail(struct daemon *d, struct error *why);
#endif
