/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H
/* Memory that is there or the process ends: the service manager restarts us, and every accepted
 * request survives that.  Sizes from outside are bounded by the caller before they come here. */
#include <stddef.h>
#include "common/base/cleanup.h"

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
/* Grows or shrinks to count * size bytes; an overflow of the product aborts. */
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t max);
void *xmemdup(const void *data, size_t size);
char *xasprintf(const char *format, ...) _printf_(1, 2);
/* Overwrites secrets in a way the compiler keeps. */
void wipe(void *data, size_t size);

#define xnew0(type) ((type *)xcalloc(1, sizeof(type)))
#endif
