/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/disk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"

#define MAKE_MS 60000

static char *temporary(const char *path)
{
    return xasprintf("%s.tmp", path);
}

static struct error *hand_over(const char *path, const struct disk_spec *spec)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_errno(errno, "opening %s", path);
    if (fchmod(fd, 0600) < 0 || fchown(fd, spec->uid, spec->gid) < 0 || fsync(fd) < 0)
        return error_errno(errno, "handing %s over to its domain", path);
    return NULL;
}

static struct error *make_at(const char *path, const struct disk_spec *spec)
{
    _cleanup_free_ char *size = xasprintf("%llu", (unsigned long long)spec->bytes);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f",       "qcow2", "-F",
                                "raw",      "-b",     spec->base, path, spec->bytes ? size : NULL, NULL};
    struct spawn s = {.argv = argv, .deadline_ms = MAKE_MS};
    RETURN_IF_ERROR(spawn_check(&s));
    return hand_over(path, spec);
}

struct error *disk_make(const struct disk_spec *spec)
{
    _cleanup_free_ char *temp = temporary(spec->path);
    if (access(spec->path, F_OK) == 0)
        return NULL;
    RETURN_IF_ERROR(file_remove_durable(temp));
    struct error *e = make_at(temp, spec);
    if (!e && rename(temp, spec->path) < 0)
        e = error_errno(errno, "renaming %s", temp);
    if (e) {
        unlink(temp);
        return error_wrap(e, "making the disk");
    }
    _cleanup_free_ char *folder = xstrdup(spec->path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    return file_sync_dir(slash ? (*folder ? folder : "/") : ".");
}

struct error *disk_remove(const char *path)
{
    _cleanup_free_ char *temp = temporary(path);
    RETURN_IF_ERROR(file_remove_durable(temp));
    return file_remove_durable(path);
}
