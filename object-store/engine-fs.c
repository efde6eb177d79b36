/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/engine.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include "common/base/mem.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/str.h"
#include "common/file/file.h"

#define FOLDERS      256
#define WRITE_BEHIND (8 * 1024 * 1024)

struct engine {
    char *folder;
    char *run; /* first part of the names this process makes */
    int dirs[FOLDERS];
    pthread_mutex_t lock; /* guards pins */
    struct map *pins;     /* readers of a file, as (void *)count */
};

struct engine_file {
    struct engine *engine;
    unsigned dir;
    int fd;
    uint64_t size, behind;
};

static unsigned dir_of(const char *name)
{
    unsigned n = 0;
    const char *dot = strchr(name, '-');
    if (!dot || sscanf(dot + 1, "%2x", &n) != 1)
        return FOLDERS;
    return n;
}

static struct error *open_dirs(struct engine *e)
{
    for (unsigned i = 0; i < FOLDERS; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%02x", e->folder, i);
        RETURN_IF_ERROR(file_make_dirs(path));
        e->dirs[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (e->dirs[i] < 0)
            return error_errno(errno, "cannot open %s", path);
    }
    return NULL;
}

static char *random_hex(size_t bytes)
{
    unsigned char raw[16];
    random_bytes(raw, bytes);
    return hex_encode(raw, bytes);
}

struct error *engine_open(const char *folder, struct engine **ret)
{
    _cleanup_(engine_closep) struct engine *e = xnew0(struct engine);
    e->folder = xstrdup(folder);
    e->run = random_hex(6);
    e->pins = map_new();
    pthread_mutex_init(&e->lock, NULL);
    memset(e->dirs, -1, sizeof e->dirs);
    RETURN_IF_ERROR(open_dirs(e));
    *ret = TAKE_PTR(e);
    return NULL;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    for (unsigned i = 0; i < FOLDERS; i++)
        if (e->dirs[i] >= 0)
            close(e->dirs[i]);
    map_free(e->pins, NULL);
    pthread_mutex_destroy(&e->lock);
    free(e->folder);
    free(e->run);
    free(e);
}

struct error *engine_file_new(struct engine *e, struct engine_file **ret)
{
    unsigned char dir = 0;
    random_bytes(&dir, 1);
    int fd = openat(e->dirs[dir], ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(errno, "cannot make a data file in %s", e->folder);
    struct engine_file *f = xnew0(struct engine_file);
    f->engine = e;
    f->dir = dir;
    f->fd = fd;
    *ret = f;
    return NULL;
}

struct error *engine_file_add(struct engine_file *f, const void *data, size_t len)
{
    const char *at = data;
    while (len) {
        ssize_t n = pwrite(f->fd, at, len, (off_t)f->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(n ? errno : EIO, "cannot write a data file");
        at += n;
        len -= (size_t)n;
        f->size += (uint64_t)n;
    }
    if (f->size - f->behind >= WRITE_BEHIND) {
        sync_file_range(f->fd, (off_t)f->behind, (off_t)(f->size - f->behind), SYNC_FILE_RANGE_WRITE);
        f->behind = f->size;
    }
    return NULL;
}

struct error *engine_file_keep(struct engine_file *f, char **ret_name)
{
    _cleanup_free_ char *tail = random_hex(8);
    _cleanup_free_ char *name = xasprintf("%s-%02x%s", f->engine->run, f->dir, tail);
    _cleanup_free_ char *proc = xasprintf("/proc/self/fd/%d", f->fd);
    if (fdatasync(f->fd))
        return error_errno(errno, "cannot flush a data file");
    if (linkat(AT_FDCWD, proc, f->engine->dirs[f->dir], name, AT_SYMLINK_FOLLOW))
        return error_errno(errno, "cannot name a data file");
    if (fsync(f->engine->dirs[f->dir]))
        return error_errno(errno, "cannot flush a data folder");
    *ret_name = TAKE_PTR(name);
    return NULL;
}

void engine_file_free(struct engine_file *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f);
}

static void change_pins(struct engine *e, const char *name, long change)
{
    long count = (long)(intptr_t)map_get(e->pins, name) + change;
    if (count)
        map_set(e->pins, name, (void *)(intptr_t)count);
    else
        map_take(e->pins, name);
}

struct error *engine_read(struct engine *e, const char *name, int *ret_fd)
{
    unsigned dir = dir_of(name);
    if (dir >= FOLDERS)
        return error_new(ERROR_INTERNAL, "bad data file name %s", name);
    pthread_mutex_lock(&e->lock);
    int fd = openat(e->dirs[dir], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int err = errno;
    if (fd >= 0)
        change_pins(e, name, 1);
    pthread_mutex_unlock(&e->lock);
    if (fd < 0)
        return error_errno(err, "cannot open data file %s", name);
    *ret_fd = fd;
    return NULL;
}

void engine_release(struct engine *e, const char *name, int fd)
{
    close(fd);
    engine_unpin(e, name);
}

void engine_pin(struct engine *e, const char *name)
{
    pthread_mutex_lock(&e->lock);
    change_pins(e, name, 1);
    pthread_mutex_unlock(&e->lock);
}

void engine_unpin(struct engine *e, const char *name)
{
    pthread_mutex_lock(&e->lock);
    change_pins(e, name, -1);
    pthread_mutex_unlock(&e->lock);
}

struct error *engine_remove(struct engine *e, const char *name, bool *ret_gone)
{
    unsigned dir = dir_of(name);
    *ret_gone = true;
    if (dir >= FOLDERS)
        return NULL;
    pthread_mutex_lock(&e->lock);
    bool pinned = map_get(e->pins, name) != NULL;
    int rc = pinned ? 0 : unlinkat(e->dirs[dir], name, 0);
    int err = errno;
    pthread_mutex_unlock(&e->lock);
    *ret_gone = !pinned;
    if (rc && err != ENOENT)
        return error_errno(err, "cannot remove data file %s", name);
    return NULL;
}

static void sweep_dir(struct engine *e, unsigned dir, bool (*keep)(void *arg, const char *name),
                      void *arg, unsigned *removed)
{
    _cleanup_free_ char *path = xasprintf("%s/%02x", e->folder, dir);
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.' || str_starts(entry->d_name, e->run) || keep(arg, entry->d_name))
            continue;
        if (unlinkat(e->dirs[dir], entry->d_name, 0) == 0)
            (*removed)++;
    }
    closedir(d);
}

struct error *engine_sweep(struct engine *e, bool (*keep)(void *arg, const char *name), void *arg)
{
    unsigned removed = 0;
    for (unsigned i = 0; i < FOLDERS; i++)
        sweep_dir(e, i, keep, arg, &removed);
    if (removed)
        log_info("data folder: %u files that no object names were removed", removed);
    return NULL;
}
