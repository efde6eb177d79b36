/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ID_LIST_H
#define CORE_ID_LIST_H
/* A few ids as one text, "subnet-1 sg-1 sg-2": what a row stores as it is.  NULL is the empty list. */
#include "common/base/id.h"

/* Allocated; NULL where there are none. */
char *id_list_make(const struct id *ids, size_t count);
bool id_list_has(const char *list, const struct id *id);
/* The next id of the list, moving the cursor, which starts as the list; false at its end. */
bool id_list_next(const char **cursor, struct id *ret);
#endif
