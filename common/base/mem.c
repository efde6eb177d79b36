/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *check(void *data)
{
    if (!data) {
        static const char text[] = "out of memory\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        abort();
    }
    return data;
}

void *xmalloc(size_t size)
{
    return check(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return check(calloc(count ? count : 1, size ? size : 1));
}

void *xreallocarray(void *old, size_t count, size_t size)
{
    return check(reallocarray(old, count ? count : 1, size));
}

char *xstrdup(const char *text)
{
    return text ? check(strdup(text)) : NULL;
}

char *xstrndup(const char *text, size_t max)
{
    return check(strndup(text, max));
}

void *xmemdup(const void *data, size_t size)
{
    return memcpy(xmalloc(size), data, size);
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return check(text);
}

void wipe(void *data, size_t size)
{
    if (data)
        explicit_bzero(data, size);
}
