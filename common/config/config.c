/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/config/config.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include "common/base/mem.h"
#include "common/config/internal.h"
#include "common/file/file.h"

#define CONFIG_FILE_MAX (256 * 1024)

struct loading {
    const struct config_program *p;
    void *config;
    struct str *bad;      /* complaints, a line each */
    struct str *warnings; /* a line each */
    const char *file;     /* --config */
    bool check, help, version, man;
};

void config_complain(struct str *complaints, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    str_printf(complaints, "%s\n", text);
    free(text);
}

static const struct config_key *find_key(const struct config_program *p, const char *name, size_t len)
{
    for (const struct config_key *k = p->keys; k < p->keys + p->len; k++)
        if (strlen(k->name) == len && memcmp(k->name, name, len) == 0)
            return k;
    return NULL;
}

static void set_from(struct loading *l, const struct config_key *k, const char *value, const char *where)
{
    _cleanup_error_ struct error *e = config_set(k, l->config, value);
    if (e && k->secret)
        config_complain(l->bad, "%s: %s: is not valid", where, k->name);
    else if (e)
        config_complain(l->bad, "%s: %s: %s", where, k->name, error_message(e));
}

static void set_defaults(struct loading *l)
{
    for (const struct config_key *k = l->p->keys; k < l->p->keys + l->p->len; k++)
        if (k->value)
            set_from(l, k, k->value, "default");
}

/* One line of the file, without its newline; true where it set a secret. */
static bool read_line(struct loading *l, char *line, const char *where)
{
    char *at = line + strspn(line, " \t");
    if (!*at || *at == '#')
        return false;
    char *equals = strchr(at, '=');
    if (!equals) {
        config_complain(l->bad, "%s: no '=' in the line", where);
        return false;
    }
    size_t name_len = (size_t)(equals - at);
    while (name_len && (at[name_len - 1] == ' ' || at[name_len - 1] == '\t'))
        name_len--;
    char *value = equals + 1 + strspn(equals + 1, " \t");
    size_t len = strlen(value);
    while (len && strchr(" \t\r", value[len - 1]))
        value[--len] = '\0';
    const struct config_key *k = find_key(l->p, at, name_len);
    if (!k) {
        config_complain(l->bad, "%s: there is no key '%.*s'", where, (int)(name_len > 60 ? 60 : name_len), at);
        return false;
    }
    set_from(l, k, value, where);
    return k->secret && len > 0;
}

static void warn_if_open(struct loading *l, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & 077))
        config_complain(l->warnings, "%s holds a secret and others may read it: chmod 600", path);
}

static void read_file(struct loading *l)
{
    const char *path = l->file ? l->file : l->p->file;
    if (!path)
        return;
    _cleanup_free_ char *text = NULL;
    size_t len;
    _cleanup_error_ struct error *e = file_read(path, CONFIG_FILE_MAX, &text, &len);
    if (e) {
        if (l->file || !error_is(e, &ERROR_NOT_FOUND))
            config_complain(l->bad, "%s", error_message(e));
        return;
    }
    if (strlen(text) != len) {
        config_complain(l->bad, "%s: holds a NUL byte", path);
        return;
    }
    const char *cursor = text;
    bool secret = false;
    char *line;
    for (int n = 1; (line = str_next_piece(&cursor, '\n')); n++) {
        _cleanup_free_ char *where = xasprintf("%s:%d", path, n);
        secret |= read_line(l, line, where);
        free(line);
    }
    if (secret)
        warn_if_open(l, path);
}

static bool own_flag(struct loading *l, const char *name)
{
    if (streq(name, "help"))
        return l->help = true;
    if (streq(name, "version"))
        return l->version = true;
    if (streq(name, "check-config"))
        return l->check = true;
    if (streq(name, "man"))
        return l->man = true;
    return false;
}

/* Walks the flags; with `apply` false only the program's own are looked at. */
static void read_flags(struct loading *l, int argc, char **argv, bool apply)
{
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i];
        if (!str_starts(flag, "--")) {
            if (apply)
                config_complain(l->bad, "'%.60s' is not a flag", flag);
            continue;
        }
        const char *name = flag + 2;
        if (own_flag(l, name))
            continue;
        size_t name_len = strcspn(name, "=");
        const char *value = name[name_len] ? name + name_len + 1 : i + 1 < argc ? argv[++i] : NULL;
        const struct config_key *k = find_key(l->p, name, name_len);
        bool is_file = name_len == 6 && memcmp(name, "config", 6) == 0;
        if (!value || (!k && !is_file)) {
            if (apply)
                config_complain(l->bad, value ? "there is no flag '%.60s'" : "%.60s wants a value", flag);
        } else if (is_file) {
            l->file = value;
        } else if (apply) {
            set_from(l, k, value, "command line");
            if (k->secret)
                config_complain(l->warnings, "--%s is a secret: other users can see the command line", k->name);
        }
    }
}

static void check_key(struct loading *l, const struct config_key *k)
{
    bool set = config_is_set(k, l->config);
    if (k->required && !set)
        config_complain(l->bad, "%s must be set", k->name);
    if (!set || !k->tls_key)
        return;
    const char *address = *(char **)((char *)l->config + k->offset);
    const struct config_key *tls = find_key(l->p, k->tls_key, strlen(k->tls_key));
    if (!config_address_is_loopback(address) && !(tls && config_is_set(tls, l->config)))
        config_complain(l->bad, "%s = %s is reached from other machines and needs %s", k->name, address,
                        k->tls_key);
}

enum config_outcome config_load(const struct config_program *p, int argc, char **argv, void *config,
                                struct str *ret_text)
{
    _cleanup_str_ struct str bad = STR_INIT;
    _cleanup_str_ struct str warnings = STR_INIT;
    struct loading l = {.p = p, .config = config, .bad = &bad, .warnings = &warnings};
    read_flags(&l, argc, argv, false);
    if (l.help || l.man || l.version) {
        if (l.version)
            str_printf(ret_text, "%s (Mallee) %s\n", p->name, PACKAGE_VERSION);
        else if (l.help)
            config_help(p, ret_text);
        else
            config_man(p, ret_text);
        return CONFIG_EXIT_OK;
    }
    set_defaults(&l);
    read_file(&l);
    read_flags(&l, argc, argv, true);
    for (const struct config_key *k = p->keys; k < p->keys + p->len; k++)
        check_key(&l, k);
    if (p->check && !bad.len)
        p->check(config, &bad);
    str_add(ret_text, str_text(&warnings));
    if (bad.len) {
        str_add(ret_text, bad.data);
        return CONFIG_EXIT_BAD;
    }
    if (l.check)
        str_add(ret_text, "ok\n");
    return l.check ? CONFIG_EXIT_OK : CONFIG_RUN;
}
