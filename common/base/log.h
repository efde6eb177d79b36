/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H
/* One JSON object a line on stderr: time, level, daemon, request (the API request that caused it, where there is
 * one), message.  Text from outside is escaped, so a line stays a line.  Secrets are never passed here.  Any thread. */
#include "common/base/error.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR,
};

/* Once at start, before threads. */
void log_setup(const char *daemon, enum log_level least);
/* "debug", "info", "warning" or "error". */
struct error *log_level_parse(const char *text, enum log_level *ret) _must_check_;
/* The request id of what this thread is doing; NULL: none.  Copied. */
void log_set_request(const char *request_id);
const char *log_request(void);

void log_at(enum log_level level, const char *format, ...) _printf_(2, 3);
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
/* Logs and frees an error that ends here: "what: message (origin)". */
void log_failure(enum log_level level, struct error *e, const char *what);
#endif
