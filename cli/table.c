/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/table.h"
#include "common/base/mem.h"

/* Control characters (C1 included, which some terminals obey) become '?'. */
void table_add_text(struct str *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
        if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            text++, str_add_char(out, '?');
        else
            str_add_char(out, c < ' ' || c == 127 ? '?' : (char)c);
    }
}

static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void add_value(struct str *out, const json_t *v)
{
    if (json_is_string(v) && *json_string_value(v))
        table_add_text(out, json_string_value(v));
    else if (json_is_integer(v))
        str_printf(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        str_add(out, json_is_true(v) ? "yes" : "no");
    else
        str_add_char(out, '-');
}

static void add_ago(struct str *out, const json_t *v)
{
    long long s = json_integer_value(v);
    if (!json_is_integer(v))
        str_add_char(out, '-');
    else if (s < 120)
        str_printf(out, "%llds", s);
    else if (s < 7200)
        str_printf(out, "%lldm", s / 60);
    else if (s < 172800)
        str_printf(out, "%lldh", s / 3600);
    else
        str_printf(out, "%lldd", s / 86400);
}

static void add_slots(struct str *out, const json_t *slots)
{
    if (!json_array_size(slots))
        str_add_char(out, '-');
    for (size_t i = 0; i < json_array_size(slots); i++) {
        const json_t *slot = json_array_get(slots, i);
        if (i)
            str_add(out, ", ");
        add_value(out, json_object_get(slot, "type"));
        str_add_char(out, ' ');
        add_value(out, json_object_get(slot, "free"));
    }
}

static char *cell(const struct column *c, const json_t *row)
{
    struct str out = STR_INIT;
    const json_t *v = json_object_get(row, c->key);
    switch (c->kind) {
    case COLUMN_TEXT:
        add_value(&out, v);
        break;
    case COLUMN_AGO:
        add_ago(&out, v);
        break;
    case COLUMN_SHARE:
        add_value(&out, v);
        str_add_char(&out, '/');
        add_value(&out, json_object_get(row, c->other));
        break;
    case COLUMN_SLOTS:
        add_slots(&out, v);
        break;
    }
    return str_take(&out);
}

/* The last column is not padded. */
static void add_cell(struct str *out, const char *text, size_t wide, bool last)
{
    str_add(out, text);
    for (size_t n = width(text); !last && n < wide + 2; n++)
        str_add_char(out, ' ');
    if (last)
        str_add_char(out, '\n');
}

void table_add(struct str *out, const struct column *columns, size_t n, const json_t *rows)
{
    size_t lines = json_array_size(rows);
    char **cells = xcalloc(lines * n + 1, sizeof *cells);
    size_t *wide = xcalloc(n, sizeof *wide);
    for (size_t i = 0; i < n; i++)
        wide[i] = width(columns[i].title);
    for (size_t i = 0; i < lines * n; i++) {
        cells[i] = cell(&columns[i % n], json_array_get(rows, i / n));
        if (width(cells[i]) > wide[i % n])
            wide[i % n] = width(cells[i]);
    }
    for (size_t i = 0; i < n; i++)
        add_cell(out, columns[i].title, wide[i], i == n - 1);
    for (size_t i = 0; i < lines * n; i++) {
        add_cell(out, cells[i], wide[i % n], i % n == n - 1);
        free(cells[i]);
    }
    free(cells);
    free(wide);
}

void table_add_one(struct str *out, const struct column *columns, size_t n, const json_t *row)
{
    size_t wide = 0;
    for (size_t i = 0; i < n; i++)
        wide = width(columns[i].title) > wide ? width(columns[i].title) : wide;
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *text = cell(&columns[i], row);
        add_cell(out, columns[i].title, wide, false);
        add_cell(out, text, 0, true);
    }
}
