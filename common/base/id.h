/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_ID_H
#define COMMON_BASE_ID_H
/* Identifiers.  A struct id is a short token ("i-0123456789abcdef0", "us-east-1a", a node's "n-…"), held by
 * value: at most ID_MAX bytes of letters, digits, '-', '_' and '.'.  Empty means none. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ID_MAX 39

struct id {
    char text[ID_MAX + 1];
};

/* True where `text` is a token as above and not empty. */
bool id_valid(const char *text);
/* The id of a text known to be valid; an invalid one aborts. */
struct id id_of(const char *text);
/* Parses a text from outside; false and an empty id where it is not valid. */
bool id_parse(const char *text, struct id *ret);
/* prefix + 17 random hex digits, EC2's long form ("i-" -> "i-0a1b…"). */
struct id id_random(const char *prefix);
/* Fills data with bytes of the system's random source. */
void random_bytes(void *data, size_t size);

static inline bool id_eq(const struct id *a, const struct id *b)
{
    return strcmp(a->text, b->text) == 0;
}
static inline bool id_is(const struct id *a, const char *text)
{
    return strcmp(a->text, text) == 0;
}
static inline bool id_none(const struct id *a)
{
    return !a->text[0];
}
#endif
