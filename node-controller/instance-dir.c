/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/instance-dir.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "node-controller/disk.h"

static void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The lowest uid from `first` that owns no folder of `parent`. */
static struct error *free_uid(const char *parent, uint32_t first, uint32_t *ret)
{
    _cleanup_(closedirp) DIR *d = opendir(parent);
    ARRAY(uint32_t) used = {0};
    if (!d)
        return error_errno(errno, "opening %s", parent);
    for (const struct dirent *entry; (entry = readdir(d));) {
        struct stat st;
        if (entry->d_name[0] != '.' && fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_uid >= first)
            array_push(&used, (uint32_t)st.st_uid);
    }
    if (used.len)
        qsort(used.data, used.len, sizeof *used.data, compare_u32);
    *ret = first;
    array_each(&used, uid)
        *ret += *uid == *ret;
    array_free(&used);
    return NULL;
}

/* A folder appears with its owner: made under another name, then renamed while no other thread is choosing. */
static struct error *make_dir(const char *dir, uint32_t first_uid)
{
    static const char lock_name[] = "/.uids";
    _cleanup_free_ char *parent = xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
    _cleanup_free_ char *lock = xasprintf("%s%s", parent, lock_name);
    _cleanup_free_ char *fresh = xasprintf("%s/.new", parent);
    _cleanup_close_ int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    uint32_t uid = 0;
    if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &whole) != 0)
        return error_errno(errno, "locking %s", lock);
    RETURN_IF_ERROR(free_uid(parent, first_uid, &uid));
    if (rmdir(fresh) != 0 && errno != ENOENT)
        return error_errno(errno, "removing %s", fresh);
    if (mkdir(fresh, 0700) != 0 || chown(fresh, uid, uid) != 0 || rename(fresh, dir) != 0)
        return error_errno(errno, "making %s", dir);
    return NULL;
}

struct error *instance_dir_owner(const char *dir, uint32_t *ret_uid)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return error_errno(errno, "looking at %s", dir);
    *ret_uid = st.st_uid;
    return NULL;
}

/* The image's disk in the instance's own folder: one more name for it, which only the instance's user gets to. */
static struct error *link_base(const char *dir, const char *base, char **ret)
{
    _cleanup_free_ char *own = instance_dir_base(dir);
    if (link(base, own) != 0 && errno != EEXIST)
        return error_errno(errno, "linking %s to %s", base, own);
    *ret = TAKE_PTR(own);
    return NULL;
}

char *instance_dir_base(const char *dir)
{
    return xasprintf("%s/base.raw", dir);
}

struct error *instance_dir_prepare(const char *dir, const char *base, uint64_t bytes, uint32_t first_uid)
{
    uint32_t uid = 0;
    if (access(dir, F_OK) != 0)
        RETURN_IF_ERROR(make_dir(dir, first_uid));
    RETURN_IF_ERROR(instance_dir_owner(dir, &uid));
    _cleanup_free_ char *disk = xasprintf("%s/disk.qcow2", dir), *own = NULL;
    RETURN_IF_ERROR(link_base(dir, base, &own));
    struct stat st;
    if (stat(own, &st) != 0)
        return error_errno(errno, "looking at %s", own);
    uint64_t size = (uint64_t)st.st_size > bytes ? (uint64_t)st.st_size : bytes;
    struct disk_spec spec = {.path = disk, .base = own, .bytes = size, .uid = uid, .gid = uid};
    return disk_make(&spec);
}

static struct error *remove_rest(const char *dir)
{
    _cleanup_(closedirp) DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? NULL : error_errno(errno, "opening %s", dir);
    for (const struct dirent *entry; (entry = readdir(d));) {
        bool dots = streq(entry->d_name, ".") || streq(entry->d_name, "..");
        if (!dots && unlinkat(dirfd(d), entry->d_name, 0) != 0 && errno != ENOENT)
            return error_errno(errno, "removing %s/%s", dir, entry->d_name);
    }
    return rmdir(dir) == 0 || errno == ENOENT ? NULL : error_errno(errno, "removing %s", dir);
}

struct error *instance_dir_remove(const char *dir)
{
    if (access(dir, F_OK) != 0)
        return NULL;
    _cleanup_free_ char *disk = xasprintf("%s/disk.qcow2", dir);
    RETURN_IF_ERROR(disk_remove(disk));
    return remove_rest(dir);
}
