/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/image-cache/fetch.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "common/file/file.h"
#include "core/image/chunk.h"

#define BUCKET   "mallee-images"
#define TRIES    6
#define PAUSE_MS 50

struct walk {
    const struct image_fetch *f;
    struct image_manifest *manifest;
    int fd;
    bool resumed; /* the file had bytes before */
    char *plain;
};

static void rest(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* An object; where the store does not answer it is asked again a few times. */
static struct error *get(const struct image_fetch *f, const char *key, size_t max, char **ret, size_t *ret_len)
{
    for (unsigned n = 1;; n++) {
        if (atomic_load(f->stop))
            return error_new(ERROR_UNAVAILABLE, "the daemon stops");
        struct error *e = s3_get(f->store, BUCKET, key, max, ret, ret_len);
        bool again = error_is(e, &ERROR_UNAVAILABLE) || error_is(e, &ERROR_TIMEOUT) || error_is(e, &ERROR_INTERNAL);
        if (!e || !again || n == TRIES)
            return again ? error_recode(e, &ERROR_UNAVAILABLE, NULL) : e;
        error_free(e);
        rest(PAUSE_MS << n);
    }
}

static struct error *get_manifest(struct walk *w)
{
    const struct image_want *want = w->f->want;
    _cleanup_free_ char *key = image_manifest_key(&want->image), *sealed = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(get(w->f, key, IMAGE_MANIFEST_MAX, &sealed, &len));
    return image_manifest_open(&want->image, want->key, sealed, len, &w->manifest);
}

/* Chunks of zeros take none. */
static uint64_t bytes_of(const struct image_manifest *m)
{
    uint64_t bytes = 0;
    for (uint64_t at = 0; at < m->entries.len; at++)
        bytes += m->entries.data[at].box_len ? image_chunk_len(m, at) : 0;
    return bytes;
}

static struct error *open_part(struct walk *w)
{
    struct stat st;
    off_t size = (off_t)w->manifest->disk_bytes;
    w->fd = open(w->f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w->fd < 0 || fstat(w->fd, &st) != 0)
        return error_errno(errno, "opening %s", w->f->part);
    w->resumed = st.st_size == size;
    if ((!w->resumed && ftruncate(w->fd, 0) != 0) || ftruncate(w->fd, size) != 0)
        return error_errno(errno, "sizing %s", w->f->part);
    return NULL;
}

static struct error *read_all(struct walk *w, char *to, size_t len, off_t at)
{
    while (len) {
        ssize_t got = pread(w->fd, to, len, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_errno(got ? errno : EIO, "reading %s", w->f->part);
        to += got;
        len -= (size_t)got;
        at += got;
    }
    return NULL;
}

static struct error *write_all(struct walk *w, const char *from, size_t len, off_t at)
{
    while (len) {
        ssize_t put = pwrite(w->fd, from, len, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_errno(errno, "writing %s", w->f->part);
        from += put;
        len -= (size_t)put;
        at += put;
    }
    return NULL;
}

static struct error *chunk_is_here(struct walk *w, uint64_t at, size_t len, bool *ret)
{
    bool zeros = !w->manifest->entries.data[at].box_len;
    *ret = zeros; /* of a fresh file */
    if (!w->resumed)
        return NULL;
    RETURN_IF_ERROR(read_all(w, w->plain, len, (off_t)(at * IMAGE_CHUNK)));
    *ret = image_chunk_is(w->manifest, at, w->plain);
    return NULL;
}

static struct error *fetch_chunk(struct walk *w, uint64_t at)
{
    size_t len = image_chunk_len(w->manifest, at), box_len = 0;
    _cleanup_free_ char *box = NULL;
    bool here = false;
    RETURN_IF_ERROR(chunk_is_here(w, at, len, &here));
    if (here)
        return NULL;
    if (w->manifest->entries.data[at].box_len) {
        _cleanup_free_ char *key = image_chunk_key(w->manifest, at);
        RETURN_IF_ERROR(get(w->f, key, IMAGE_BOX_MAX, &box, &box_len));
    }
    RETURN_IF_ERROR(image_chunk_open(w->manifest, at, box, box_len, w->plain));
    return write_all(w, w->plain, len, (off_t)(at * IMAGE_CHUNK));
}

/* Read-only for the domains that get a link to it. */
static struct error *finish(struct walk *w)
{
    if (fsync(w->fd) != 0 || fchmod(w->fd, 0444) != 0 || fsync(w->fd) != 0)
        return error_errno(errno, "flushing %s", w->f->part);
    if (rename(w->f->part, w->f->whole) != 0)
        return error_errno(errno, "renaming %s", w->f->part);
    _cleanup_free_ char *folder = xstrndup(w->f->whole, (size_t)(strrchr(w->f->whole, '/') - w->f->whole));
    return file_sync_dir(folder);
}

static struct error *fetch_all(struct walk *w)
{
    const struct image_want *want = w->f->want;
    unsigned told = 101;
    RETURN_IF_ERROR(get_manifest(w));
    RETURN_IF_ERROR(w->f->make_room(w->f->arg, bytes_of(w->manifest)));
    RETURN_IF_ERROR(open_part(w));
    uint64_t chunks = image_chunks(w->manifest);
    for (uint64_t at = 0; at < chunks; at++) {
        unsigned percent = (unsigned)(at * 100 / chunks);
        if (want->step && percent / 10 != told / 10)
            want->step(want->arg, told = percent);
        if (atomic_load(w->f->stop))
            return error_new(ERROR_UNAVAILABLE, "the daemon stops");
        RETURN_IF_ERROR(fetch_chunk(w, at));
    }
    return finish(w);
}

struct error *image_fetch(const struct image_fetch *f)
{
    struct walk w = {.f = f, .fd = -1, .plain = xmalloc(IMAGE_CHUNK)};
    struct error *e = fetch_all(&w);
    if (w.fd >= 0)
        close(w.fd);
    image_manifest_free(w.manifest);
    wipe(w.plain, IMAGE_CHUNK);
    free(w.plain);
    return error_wrap(e, "fetching the image");
}

struct error *image_fetch_there(struct aws_caller *store, const struct id *image, bool *ret)
{
    _cleanup_free_ char *key = image_manifest_key(image), *length = NULL;
    struct error *e = s3_head(store, BUCKET, key, "Content-Length", &length);
    *ret = !error_is(e, &ERROR_NOT_FOUND);
    return *ret ? e : error_free(e);
}
