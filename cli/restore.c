/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/restore.h"
#include <errno.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/mem.h"
#include "common/spawn/spawn.h"

#define DEADLINE_MS 3600000

struct part {
    const char *program, *file, *config;
};

static struct error *own_folder(char **ret)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len < 0)
        return error_errno(errno, "finding this program");
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    *ret = xstrndup(path, slash ? (size_t)(slash - path) : 0);
    return NULL;
}

static struct error *find_program(const char *name, char **ret)
{
    static const char *const places[] = {"", "../sbin/"};
    _cleanup_free_ char *folder = NULL;
    RETURN_IF_ERROR(own_folder(&folder));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s%s", folder, places[i], name);
        if (access(path, X_OK) == 0) {
            *ret = TAKE_PTR(path);
            return NULL;
        }
    }
    return error_new(ERROR_INVALID, "there is no %s beside mallee or in ../sbin: restore on the machine that runs it", name);
}

static struct error *check_file(const char *path)
{
    return access(path, R_OK) == 0 ? NULL : error_recode(error_errno(errno, "reading %s", path), &ERROR_INVALID, NULL);
}

static struct error *restore_part(const struct restore_options *o, const struct part *p, struct str *out)
{
    _cleanup_free_ char *program = NULL;
    _cleanup_free_ char *file = xasprintf("%s/%s", o->folder, p->file);
    RETURN_IF_ERROR(find_program(p->program, &program));
    const char *const argv[] = {program, "--config", p->config, "--restore", file, NULL};
    struct spawn s = {.argv = argv, .deadline_ms = DEADLINE_MS};
    _cleanup_(spawn_result_free) struct spawn_result r = {0};
    RETURN_IF_ERROR(spawn_run(&s, &r));
    if (r.status != 0) {
        while (r.output.len && r.output.data[r.output.len - 1] == '\n')
            r.output.data[--r.output.len] = '\0';
        return error_new(ERROR_DENIED, "%s", r.output.len ? str_text(&r.output) : p->program);
    }
    str_add(out, str_text(&r.output));
    return NULL;
}

/* All that can be seen beforehand, so that the first is not restored where the second cannot be. */
static struct error *check_part(const struct restore_options *o, const struct part *p)
{
    _cleanup_free_ char *program = NULL;
    _cleanup_free_ char *file = xasprintf("%s/%s", o->folder, p->file);
    RETURN_IF_ERROR(find_program(p->program, &program));
    RETURN_IF_ERROR(check_file(file));
    return check_file(p->config);
}

struct error *restore_all(const struct restore_options *o, struct str *out)
{
    const struct part parts[] = {{"mallee-cloud-controller", "cloud.db", o->cloud_config},
                                 {"mallee-object-store", "store.db", o->store_config}};
    if (!o->cloud_config && !o->store_config)
        return error_new(ERROR_INVALID, "`restore` needs --cloud-config FILE, --store-config FILE, or both");
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (parts[i].config)
            RETURN_IF_ERROR(check_part(o, &parts[i]));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (parts[i].config)
            RETURN_IF_ERROR(restore_part(o, &parts[i], out));
    return NULL;
}
