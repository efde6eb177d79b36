/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/file/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/str.h"

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

struct error *file_sync_dir(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(errno, "opening folder %s", path);
    if (fsync(fd) < 0)
        return error_errno(errno, "flushing folder %s", path);
    return NULL;
}

struct error *file_sync_parent(const char *path)
{
    _cleanup_free_ char *dir = folder_of(path);
    return file_sync_dir(dir);
}

static struct error *write_whole(int fd, const char *path, const char *data, size_t len)
{
    while (len) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(errno, "writing %s", path);
        data += done;
        len -= (size_t)done;
    }
    return NULL;
}

static struct error *write_temp(const char *temp, const void *data, size_t len, mode_t mode)
{
    _cleanup_close_ int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_errno(errno, "making %s", temp);
    RETURN_IF_ERROR(write_whole(fd, temp, data, len));
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        return error_errno(errno, "flushing %s", temp);
    return NULL;
}

struct error *file_write_durable(const char *path, const void *data, size_t len, mode_t mode)
{
    /* One name per thread: two writers of one path end with one whole file of theirs. */
    _cleanup_free_ char *temp = xasprintf("%s.%d.tmp", path, (int)gettid());
    unlink(temp);
    struct error *e = write_temp(temp, data, len, mode);
    if (!e && rename(temp, path) < 0)
        e = error_errno(errno, "renaming %s", temp);
    if (e) {
        unlink(temp);
        return e;
    }
    return file_sync_parent(path);
}

struct error *file_read(const char *path, size_t max, char **ret, size_t *ret_len)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(errno, "opening %s", path);
    if (!S_ISREG(st.st_mode))
        return error_new(ERROR_INVALID, "%s is not a regular file", path);
    if ((uint64_t)st.st_size > max)
        return error_new(ERROR_TOO_LARGE, "%s has %lld bytes, at most %zu are read", path, (long long)st.st_size,
                         max);
    size_t room = (size_t)st.st_size < 4096 ? 4096 : (size_t)st.st_size; /* files of /proc claim to be empty */
    room = room > max ? max : room;
    _cleanup_free_ char *data = xmalloc(room + 1);
    size_t len = 0;
    while (len < room) {
        ssize_t got = read(fd, data + len, room - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(errno, "reading %s", path);
        if (got == 0)
            break;
        len += (size_t)got;
    }
    data[len] = '\0';
    *ret = TAKE_PTR(data);
    *ret_len = len;
    return NULL;
}

struct error *file_remove_durable(const char *path)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(errno, "removing %s", path);
    struct error *e = file_sync_parent(path);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_free(e); /* nor is the folder there */
    return e;
}

struct error *file_make_dirs(const char *path)
{
    _cleanup_free_ char *part = xstrdup(path);
    size_t len = strlen(part);
    while (len > 1 && part[len - 1] == '/')
        part[--len] = '\0';
    for (char *at = part + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char end = *at;
        *at = '\0';
        if (mkdir(part, 0700) == 0)
            RETURN_IF_ERROR(file_sync_parent(part));
        else if (errno != EEXIST)
            return error_errno(errno, "making folder %s", part);
        if (!end)
            return NULL;
        *at = end;
    }
}

struct error *file_free_space(const char *path, uint64_t *ret)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return error_errno(errno, "asking for the room at %s", path);
    *ret = (uint64_t)fs.f_bavail * fs.f_frsize;
    return NULL;
}

struct error *file_disk_size(const char *path, uint64_t *ret)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return error_errno(errno, "asking for the size of the disk of %s", path);
    *ret = (uint64_t)fs.f_blocks * fs.f_frsize;
    return NULL;
}

static struct error *copy_bytes(int in, int out, const char *from, const char *to)
{
    size_t room = 1 << 20;
    _cleanup_free_ char *buffer = xmalloc(room);
    for (;;) {
        ssize_t got = read(in, buffer, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(errno, "reading %s", from);
        if (got == 0)
            break;
        RETURN_IF_ERROR(write_whole(out, to, buffer, (size_t)got));
    }
    if (fsync(out) < 0)
        return error_errno(errno, "flushing %s", to);
    return NULL;
}

struct error *file_copy_durable(const char *from, const char *to)
{
    _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return error_errno(errno, "opening %s", from);
    _cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return error_errno(errno, "making %s", to);
    struct error *e = copy_bytes(in, out, from, to);
    if (e) {
        unlink(to);
        return e;
    }
    return file_sync_parent(to);
}

struct error *file_give_to_owner(const char *path)
{
    _cleanup_free_ char *dir = folder_of(path);
    struct stat st;
    if (geteuid() != 0)
        return NULL;
    if (stat(dir, &st) < 0 || lchown(path, st.st_uid, st.st_gid) < 0)
        return error_errno(errno, "giving %s to the owner of its folder", path);
    return NULL;
}
