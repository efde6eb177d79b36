/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/console.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "common/base/mem.h"
#include "common/base/str.h"

#define TRIES 10

struct part {
    int fd; /* -1: there is none */
    struct stat st;
};

struct parts {
    struct part older, newer;
};

static void parts_close(struct parts *p)
{
    if (p->older.fd >= 0)
        close(p->older.fd);
    if (p->newer.fd >= 0)
        close(p->newer.fd);
    p->older.fd = p->newer.fd = -1;
}

/* Non-blocking, so that a FIFO in its place holds nobody up before it is refused. */
static struct error *open_part(const char *path, struct part *p)
{
    p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (p->fd < 0)
        return errno == ENOENT ? NULL : error_errno(errno, "opening %s", path);
    if (fstat(p->fd, &p->st) < 0)
        return error_errno(errno, "looking at %s", path);
    return S_ISREG(p->st.st_mode) ? NULL : error_new(ERROR_DENIED, "%s is no regular file", path);
}

static bool is_still(const char *path, const struct part *p)
{
    struct stat now;
    if (lstat(path, &now) < 0)
        return errno == ENOENT && p->fd < 0;
    return p->fd >= 0 && now.st_ino == p->st.st_ino && now.st_dev == p->st.st_dev;
}

/* Both files of one moment: where a rotation came between, again. */
static struct error *open_parts(const char *path, const char *backup, struct parts *ret)
{
    for (int k = 0; k < TRIES; k++) {
        struct error *e = open_part(path, &ret->newer);
        if (!e)
            e = open_part(backup, &ret->older);
        if (e || (is_still(path, &ret->newer) && is_still(backup, &ret->older)))
            return e;
        parts_close(ret);
    }
    return error_new(ERROR_UNAVAILABLE, "%s is rotated faster than it can be read", path);
}

/* Appends the last `max` bytes of the file as long as it was when it was opened. */
static struct error *read_end(const struct part *p, size_t max, struct str *out)
{
    off_t size = p->fd < 0 ? 0 : p->st.st_size;
    size_t left = (uintmax_t)size < max ? (size_t)size : max;
    off_t at = size - (off_t)left;
    while (left) {
        char some[16384];
        ssize_t n = pread(p->fd, some, left < sizeof some ? left : sizeof some, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(errno, "reading a console's log");
        if (n == 0)
            break; /* it was cut meanwhile */
        str_add_n(out, some, (size_t)n);
        at += n;
        left -= (size_t)n;
    }
    return NULL;
}

static struct error *read_parts(const struct parts *p, size_t max, struct str *out)
{
    size_t newer = p->newer.fd < 0 ? 0 : (size_t)p->newer.st.st_size;
    if (newer < max)
        RETURN_IF_ERROR(read_end(&p->older, max - newer, out));
    return read_end(&p->newer, max, out);
}

struct error *console_tail(const char *path, size_t max, char **ret, size_t *ret_len)
{
    struct parts p = {.older = {.fd = -1}, .newer = {.fd = -1}};
    _cleanup_free_ char *backup = xasprintf("%s.0", path);
    _cleanup_str_ struct str out = STR_INIT;
    struct error *e = open_parts(path, backup, &p);
    if (!e)
        e = read_parts(&p, max, &out);
    parts_close(&p);
    RETURN_IF_ERROR(e);
    *ret_len = out.len;
    *ret = str_take(&out);
    return NULL;
}
