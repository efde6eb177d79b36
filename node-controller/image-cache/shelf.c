/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/image-cache/shelf.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/str.h"

static void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int64_t changed(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static uint64_t on_disk(const struct stat *st)
{
    return (uint64_t)st->st_blocks * 512;
}

/* False: no folder of an image. */
static bool look(int dir, const char *name, struct shelf_image *ret)
{
    _cleanup_free_ char *whole = xasprintf("%s/disk.raw", name), *part = xasprintf("%s/disk.part", name);
    struct stat st;
    if (!id_parse(name, &ret->image) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
        return false;
    ret->used = changed(&st);
    if (fstatat(dir, whole, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        ret->whole = true;
        ret->linked = st.st_nlink > 1;
        ret->bytes += on_disk(&st);
    }
    if (fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        ret->written = changed(&st);
        ret->bytes += on_disk(&st);
        ret->used = ret->written > ret->used ? ret->written : ret->used;
    }
    return true;
}

static int compare_used(const void *a, const void *b)
{
    const struct shelf_image *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used ? 1 : strcmp(x->image.text, y->image.text);
}

struct error *shelf_list(const char *dir, shelf_images *ret)
{
    _cleanup_(closedirp) DIR *d = opendir(dir);
    if (!d)
        return error_errno(errno, "opening %s", dir);
    for (const struct dirent *entry; (entry = readdir(d));) {
        struct shelf_image image = {0};
        if (entry->d_name[0] != '.' && look(dirfd(d), entry->d_name, &image))
            array_push(ret, image);
    }
    if (ret->len)
        qsort(ret->data, ret->len, sizeof *ret->data, compare_used);
    return NULL;
}

void shelf_touch(const char *dir, const struct id *image)
{
    _cleanup_free_ char *folder = xasprintf("%s/%s", dir, image->text);
    (void)!utimensat(AT_FDCWD, folder, NULL, AT_SYMLINK_NOFOLLOW); /* else it only seems to have rested longer */
}

struct error *shelf_drop(const char *dir, const struct id *image)
{
    _cleanup_free_ char *folder = xasprintf("%s/%s", dir, image->text);
    _cleanup_free_ char *whole = xasprintf("%s/disk.raw", folder), *part = xasprintf("%s/disk.part", folder);
    for (const char *const *file = (const char *const[]){whole, part, NULL}; *file; file++) {
        if (unlink(*file) != 0 && errno != ENOENT)
            return error_errno(errno, "removing %s", *file);
    }
    return rmdir(folder) == 0 || errno == ENOENT ? NULL : error_errno(errno, "removing %s", folder);
}
