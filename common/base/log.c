/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const char *log_daemon = "mallee";
static enum log_level log_least = LOG_INFO;
static __thread char log_request_id[64];

void log_setup(const char *daemon, enum log_level least)
{
    log_daemon = daemon;
    log_least = least;
}

struct error *log_level_parse(const char *text, enum log_level *ret)
{
    for (int i = 0; i < 4; i++) {
        if (streq(text, level_names[i])) {
            *ret = (enum log_level)i;
            return NULL;
        }
    }
    return error_new(ERROR_INVALID, "log level '%.20s' is none of debug, info, warning, error", text);
}

void log_set_request(const char *request_id)
{
    size_t len = request_id ? strnlen(request_id, sizeof log_request_id - 1) : 0;
    if (len)
        memcpy(log_request_id, request_id, len);
    log_request_id[len] = '\0';
}

const char *log_request(void)
{
    return log_request_id[0] ? log_request_id : NULL;
}

static void add_quoted(struct str *out, const char *text)
{
    str_add_char(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_printf(out, "\\%c", *p);
        else if (*p < ' ' || *p == 127)
            str_printf(out, "\\u%04x", *p);
        else
            str_add_char(out, (char)*p);
    }
    str_add_char(out, '"');
}

static void write_all(const char *data, size_t len)
{
    while (len) {
        ssize_t done = write(STDERR_FILENO, data, len);
        if (done <= 0)
            return;
        data += done;
        len -= (size_t)done;
    }
}

void log_at(enum log_level level, const char *format, ...)
{
    if (level < log_least)
        return;
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        abort();
    _cleanup_str_ struct str line = STR_INIT;
    _cleanup_free_ char *time = clock_iso8601(clock_wall_ms());
    str_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"daemon\":\"%s\"", time, level_names[level],
               log_daemon);
    if (log_request_id[0]) {
        str_add(&line, ",\"request\":");
        add_quoted(&line, log_request_id);
    }
    str_add(&line, ",\"message\":");
    add_quoted(&line, text);
    str_add(&line, "}\n");
    free(text);
    write_all(line.data, line.len);
}

void log_failure(enum log_level level, struct error *e, const char *what)
{
    if (!e)
        return;
    log_at(level, "%s: %s (%s)", what, error_message(e), error_origin(e));
    error_free(e);
}
