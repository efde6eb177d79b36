/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H
/* Tables for people, from arrays of JSON objects.  Control characters never reach the terminal. */
#include "common/base/str.h"
#include "common/json/json.h"

enum column_kind {
    COLUMN_TEXT,   /* a text or number */
    COLUMN_AGO,    /* seconds, as "12s", "3m", "2h", "5d" */
    COLUMN_SHARE,  /* "used/all": `key` and `other` */
    COLUMN_SLOTS,  /* a list of {type, free}: "m1.small 4, …" */
};

struct column {
    const char *title;
    enum column_kind kind;
    const char *key, *other;
};

/* Titles and one line an object; what lacks is "-". */
void table_add(struct str *out, const struct column *columns, size_t n, const json_t *rows);
/* The columns of one object below each other, "title: value". */
void table_add_one(struct str *out, const struct column *columns, size_t n, const json_t *row);
/* Text fit for a terminal. */
void table_add_text(struct str *out, const char *text);
#endif
