/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/admin.h"
#include "cli/backup.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/help.h"
#include "cli/image.h"
#include "cli/restore.h"

/* mallee: the administrator's tool, a client of the Cloud Controller's admin API. */

enum exit_status {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,     /* the cloud said no */
    EXIT_USAGE = 2,       /* the command line or the environment is wrong */
    EXIT_UNREACHABLE = 3, /* no answer */
};

enum option_id {
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_JSON = 'j',
    OPTION_URL = 'u',
    OPTION_EMAIL = 'e',
    OPTION_NAME = 'n',
    OPTION_PUBLIC = 'p',
    OPTION_MAN = 'm',
    OPTION_CLOUD_CONFIG = 'c',
    OPTION_STORE_CONFIG = 's',
};

struct options {
    bool json, public;
    const char *url, *email, *name, *cloud_config, *store_config;
};

static const struct option option_rows[] = {
    {"help", no_argument, NULL, OPTION_HELP},     {"version", no_argument, NULL, OPTION_VERSION},
    {"json", no_argument, NULL, OPTION_JSON},     {"url", required_argument, NULL, OPTION_URL},
    {"email", required_argument, NULL, OPTION_EMAIL}, {"name", required_argument, NULL, OPTION_NAME},
    {"public", no_argument, NULL, OPTION_PUBLIC},     {"man", no_argument, NULL, OPTION_MAN},
    {"cloud-config", required_argument, NULL, OPTION_CLOUD_CONFIG},
    {"store-config", required_argument, NULL, OPTION_STORE_CONFIG},
    {NULL, 0, NULL, 0},
};

static int usage(const char *what)
{
    fprintf(stderr, "mallee: %s; `mallee --help` tells more\n", what);
    return EXIT_USAGE;
}

static int failed(struct error *e)
{
    struct str text = STR_INIT;
    for (const char *p = error_message(e); *p; p++) /* it may quote the answer */
        str_add_char(&text, (unsigned char)*p < ' ' || *p == 127 ? '?' : *p);
    fprintf(stderr, "mallee: %s\n", str_text(&text));
    str_free(&text);
    int status = error_is(e, &ERROR_DENIED)    ? EXIT_REFUSED
                 : error_is(e, &ERROR_INVALID) ? EXIT_USAGE
                                               : EXIT_UNREACHABLE;
    error_free(e);
    return status;
}

/* A full disk or a closed pipe behind stdout is a failure like any other. */
static int finish(const char *text)
{
    if (fputs(text, stdout) < 0 || fflush(stdout)) {
        perror("mallee: cannot write the answer");
        return EXIT_UNREACHABLE;
    }
    return EXIT_DONE;
}

static int tell(void (*add)(struct str *out))
{
    _cleanup_str_ struct str out = STR_INIT;
    add(&out);
    return finish(str_text(&out));
}

static int run(const struct command *c, const char *argument, const struct options *o)
{
    struct admin admin;
    struct error *e = admin_from_environment(&admin, o->url);
    if (e)
        return failed(e);
    json_t *in = json_object();
    if (argument)
        json_set_string(in, c->member, argument);
    if (o->email)
        json_set_string(in, "email", o->email);
    _cleanup_json_ json_t *answer = NULL;
    e = admin_call(&admin, c->action, in, &answer);
    if (e)
        return failed(e);
    _cleanup_str_ struct str out = STR_INIT;
    if (o->json) {
        _cleanup_free_ char *text = json_text(answer);
        str_printf(&out, "%s\n", text);
    } else {
        c->show(&out, answer);
    }
    return finish(str_text(&out));
}

static int import_image(const char *file, const struct options *o)
{
    struct admin admin;
    struct image_options image = {file, o->name, o->public};
    _cleanup_free_ char *id = NULL;
    struct error *e = admin_from_environment(&admin, o->url);
    if (!e)
        e = image_import(&admin, &image, &id);
    if (e)
        return failed(e);
    _cleanup_free_ char *text = o->json ? xasprintf("{\"image_id\":\"%s\"}\n", id) : xasprintf("%s\n", id);
    return finish(text);
}

static int backup(const char *folder, const struct options *o)
{
    struct admin admin;
    struct backup_result r = {0};
    struct error *e = admin_from_environment(&admin, o->url);
    if (!e)
        e = backup_make(&admin, folder, &r);
    if (e)
        return failed(e);
    _cleanup_str_ struct str out = STR_INIT;
    if (o->json)
        str_printf(&out, "{\"cloud_bytes\":%llu,\"store_bytes\":%llu}\n", (unsigned long long)r.cloud_bytes,
                   (unsigned long long)r.store_bytes);
    else
        backup_tell(&out, folder, &r);
    return finish(str_text(&out));
}

static int restore(const char *folder, const struct options *o)
{
    struct restore_options options = {folder, o->cloud_config, o->store_config};
    _cleanup_str_ struct str out = STR_INIT;
    struct error *e = restore_all(&options, &out);
    int status = finish(str_text(&out)); /* of the first, where the second refused */
    return e ? failed(e) : status;
}

static int doctor(const struct options *o)
{
    const char *folder = getenv("MALLEE_DIR"), *url = o->url ? o->url : getenv("MALLEE_ADMIN_URL");
    struct doctor d = {.folder = folder && *folder == '/' ? folder : "/var/lib/mallee",
                       .url = url && *url ? url : "http://127.0.0.1:8773",
                       .ca_file = getenv("AWS_CA_BUNDLE"),
                       .root = geteuid() == 0};
    _cleanup_str_ struct str out = STR_INIT;
    enum verdict worst = doctor_run(&d, o->json, &out);
    int status = finish(str_text(&out));
    return status == EXIT_DONE && worst == VERDICT_BAD ? EXIT_REFUSED : status;
}

static int dispatch(char **words, size_t n, const struct options *o)
{
    size_t own = 0;
    const struct command *c = command_find(words, n, &own);
    if (!n)
        return usage("a command is needed");
    if (n >= 2 && streq(words[0], "image") && streq(words[1], "import"))
        return n == 3 && *words[2] ? import_image(words[2], o) : usage("`image import` needs one FILE");
    if (streq(words[0], "backup"))
        return n == 2 && *words[1] ? backup(words[1], o) : usage("`backup` needs one FOLDER");
    if (streq(words[0], "restore"))
        return n == 2 && *words[1] ? restore(words[1], o) : usage("`restore` needs one FOLDER");
    if (o->cloud_config || o->store_config)
        return usage("--cloud-config and --store-config go with `restore` only");
    if (streq(words[0], "doctor"))
        return n == 1 ? doctor(o) : usage("there are too many words");
    if (!c)
        return usage("there is no such command");
    if (n != own + (c->argument != NULL))
        return usage(c->argument && n == own ? "the command needs an argument" : "there are too many words");
    if (c->argument && !*words[own])
        return usage("the argument is empty");
    if (o->email && !streq(c->action, "CreateAccount"))
        return usage("--email goes with `account create` only");
    if (o->name || o->public)
        return usage("--name and --public go with `image import` only");
    return run(c, c->argument ? words[own] : NULL, o);
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int option;
    while ((option = getopt_long(argc, argv, "h", option_rows, NULL)) != -1) {
        switch (option) {
        case OPTION_HELP:
            return tell(help_add);
        case OPTION_MAN:
            return tell(help_add_manual);
        case OPTION_VERSION:
            puts("mallee " VERSION);
            return EXIT_DONE;
        case OPTION_JSON:
            o.json = true;
            break;
        case OPTION_URL:
            o.url = optarg;
            break;
        case OPTION_NAME:
            o.name = optarg;
            break;
        case OPTION_PUBLIC:
            o.public = true;
            break;
        case OPTION_CLOUD_CONFIG:
            o.cloud_config = optarg;
            break;
        case OPTION_STORE_CONFIG:
            o.store_config = optarg;
            break;
        case OPTION_EMAIL:
            o.email = optarg;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    return dispatch(argv + optind, (size_t)(argc - optind), &o);
}
