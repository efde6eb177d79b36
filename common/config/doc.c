/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/config/internal.h"
#include <ctype.h>
#include "common/base/mem.h"

static const char *const type_words[] = {
    [CONFIG_STRING] = "TEXT",    [CONFIG_U64] = "NUMBER", [CONFIG_BOOL] = "yes|no",      [CONFIG_ADDRESS] = "HOST:PORT",
    [CONFIG_PATH] = "/PATH",     [CONFIG_LIST] = "A,B",   [CONFIG_DURATION] = "DURATION"};

static const struct {
    const char *flag, *doc;
} own_flags[] = {{"--config FILE", "Read this file instead of the default one."},
                 {"--check-config", "Say ok, or everything that is wrong with file and flags, and end."},
                 {"--help", "Print this and end."},
                 {"--version", "Print the version and end."},
                 {"--restore FILE", "Make the state of a backup's file, where there is none yet, and end; the daemon must not run."}};

static size_t flags_of(const struct config_program *p)
{
    return sizeof own_flags / sizeof own_flags[0] - (p->restores ? 0 : 1); /* the last row */
}

void config_help(const struct config_program *p, struct str *out)
{
    str_printf(out, "%s: %s\n\nusage: %s [--config FILE] [--KEY VALUE ...]\n\n", p->name, p->summary, p->name);
    for (size_t i = 0; i < flags_of(p); i++)
        str_printf(out, "  %-26s %s\n", own_flags[i].flag, own_flags[i].doc);
    str_add(out, "\nKeys, in the file as `key = value` or as flags:\n");
    for (const struct config_key *k = p->keys; k < p->keys + p->len; k++) {
        _cleanup_free_ char *flag = xasprintf("--%s %s", k->name, type_words[k->type]);
        str_printf(out, "  %-26s %s", flag, k->doc);
        if (k->value && *k->value && !k->secret)
            str_printf(out, " [%s]", k->value);
        str_add(out, k->required ? " (must be set)\n" : "\n");
    }
    if (p->file)
        str_printf(out, "\nThe file is %s where none is named.\n", p->file);
}

/* Text with what troff would take for markup escaped. */
static void add_troff(struct str *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        str_add(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\')
            str_add(out, "\\e");
        else if (*text == '-')
            str_add(out, "\\-");
        else
            str_add_char(out, *text);
    }
}

static void add_item(struct str *out, const char *bold, const char *roman)
{
    str_add(out, ".TP\n.B ");
    add_troff(out, bold);
    str_add_char(out, '\n');
    add_troff(out, roman);
    str_add_char(out, '\n');
}

void config_man(const struct config_program *p, struct str *out)
{
    str_add(out, ".TH ");
    for (const char *c = p->name; *c; c++)
        str_add_char(out, (char)toupper((unsigned char)*c));
    str_printf(out, " 8 \"\" \"%s %s\" \"Mallee\"\n.SH NAME\n", PACKAGE_NAME, PACKAGE_VERSION);
    add_troff(out, p->name);
    str_add(out, " \\- ");
    add_troff(out, p->summary);
    str_printf(out, "\n.SH SYNOPSIS\n.B %s\n[\\-\\-config FILE] [\\-\\-KEY VALUE ...]\n.SH OPTIONS\n", p->name);
    for (size_t i = 0; i < flags_of(p); i++)
        add_item(out, own_flags[i].flag, own_flags[i].doc);
    str_add(out, ".SH KEYS\nEach is a line\n.B key = value\nof the file, or a flag\n.BR \\-\\-key \" value.\"\n");
    for (const struct config_key *k = p->keys; k < p->keys + p->len; k++) {
        _cleanup_free_ char *head = xasprintf("%s = %s", k->name, type_words[k->type]);
        _cleanup_str_ struct str body = STR_INIT;
        str_add(&body, k->doc);
        if (k->value && *k->value && !k->secret)
            str_printf(&body, " Default: %s.", k->value);
        if (k->required)
            str_add(&body, " Must be set.");
        if (k->secret)
            str_add(&body, " A secret: the file should be readable by its owner only.");
        add_item(out, head, str_text(&body));
    }
    if (p->file) {
        str_add(out, ".SH FILES\n");
        add_troff(out, p->file);
        str_add_char(out, '\n');
    }
}
