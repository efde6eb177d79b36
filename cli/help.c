/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/help.h"
#include "cli/commands.h"
#include "common/base/array.h"

struct line {
    const char *words, *doc;
};

/* What is more than one call of the admin API. */
static const struct line own_commands[] = {
    {"image import FILE", "make an image of a raw or qcow2 disk; prints its id"},
    {"backup FOLDER", "copy the cloud's database and key and the store's index into a new folder; it is a secret"},
    {"restore FOLDER", "make both of a backup, on the controllers' machine, where they do not run and have no state"},
    {"doctor", "is this machine fit? KVM, bridge filtering, limits, time, disk, ports, programs"},
};
static const struct line options[] = {
    {"--json", "the answer as one JSON object, for scripts"},
    {"--url URL", "of the admin API; else MALLEE_ADMIN_URL, else http://127.0.0.1:8773"},
    {"--email ADDRESS", "of a new account"},
    {"--name NAME", "of a new image"},
    {"--public", "every account may launch the new image"},
    {"--cloud-config FILE", "the Cloud Controller's, for `restore`"},
    {"--store-config FILE", "the object store's, for `restore`"},
    {"--man", "this as a manual page"},
    {"--help, --version", "what else"},
};
static const struct line variables[] = {
    {"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", "the administrator's keys"},
    {"AWS_SESSION_TOKEN", "goes with temporary ones"},
    {"AWS_DEFAULT_REGION", "the region's name; us-east-1"},
    {"AWS_CA_BUNDLE", "who may sign the cloud's certificate, PEM"},
    {"AWS_ENDPOINT_URL_S3", "the object store, for `image import` and `backup`"},
    {"MALLEE_ADMIN_URL", "the Cloud Controller"},
    {"MALLEE_DIR", "where state is kept, for `doctor`; /var/lib/mallee"},
};
static const struct line statuses[] = {
    {"0", "done"},
    {"1", "refused by the cloud; doctor: something is bad; restore: a daemon refused"},
    {"2", "wrong usage"},
    {"3", "no answer"},
};

static char *words_of(const struct command *c)
{
    return xasprintf("%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
                     c->argument ? " " : "", c->argument ? c->argument : "");
}

typedef void (*render)(struct str *out, const char *words, const char *doc);

static void render_all(struct str *out, render one, const struct line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        one(out, lines[i].words, lines[i].doc);
}

static void render_commands(struct str *out, render one)
{
    for (size_t i = 0; i < commands_len; i++) {
        _cleanup_free_ char *words = words_of(&commands[i]);
        one(out, words, commands[i].doc);
    }
    render_all(out, one, own_commands, ARRAY_SIZE(own_commands));
}

static void help_line(struct str *out, const char *words, const char *doc)
{
    if (strlen(words) > 22)
        str_printf(out, "  %s\n  %-22s %s\n", words, "", doc);
    else
        str_printf(out, "  %-22s %s\n", words, doc);
}

void help_add(struct str *out)
{
    str_add(out, "usage: mallee [--json] [--url URL] COMMAND\n\nCommands:\n");
    render_commands(out, help_line);
    str_add(out, "\nOptions:\n");
    render_all(out, help_line, options, ARRAY_SIZE(options));
    str_add(out, "\nEnvironment:\n");
    render_all(out, help_line, variables, ARRAY_SIZE(variables));
    str_add(out, "\nExit status:\n");
    render_all(out, help_line, statuses, ARRAY_SIZE(statuses));
}

static void add_roff(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            str_add_char(out, '\\');
        str_add_char(out, *text);
    }
}

static void manual_line(struct str *out, const char *words, const char *doc)
{
    str_add(out, ".TP\n.B ");
    add_roff(out, words);
    str_add_char(out, '\n');
    add_roff(out, doc);
    str_add_char(out, '\n');
}

void help_add_manual(struct str *out)
{
    str_add(out, ".TH MALLEE 1 \"\" \"Mallee " VERSION
                 "\"\n.SH NAME\nmallee \\- administers a Mallee cloud\n.SH SYNOPSIS\n"
                 ".B mallee\n[\\-\\-json] [\\-\\-url URL] COMMAND\n.SH COMMANDS\n");
    render_commands(out, manual_line);
    str_add(out, ".SH OPTIONS\n");
    render_all(out, manual_line, options, ARRAY_SIZE(options));
    str_add(out, ".SH ENVIRONMENT\n");
    render_all(out, manual_line, variables, ARRAY_SIZE(variables));
    str_add(out, ".SH EXIT STATUS\n");
    render_all(out, manual_line, statuses, ARRAY_SIZE(statuses));
}
