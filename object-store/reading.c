/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <errno.h>
#include <unistd.h>
#include "common/base/mem.h"
#include "common/base/log.h"
#include "common/crc/crc.h"
#include "object-store/call.h"

/* Every block is checked while it is in cache, before a byte of it is handed over. */
struct reading {
    struct store *store;
    struct object object;
    uint64_t first, len;
    size_t segment;         /* the one that is open or was read last */
    uint64_t segment_start; /* its place in the object */
    int fd;
    char block[ENGINE_BLOCK];
    size_t block_len;
    uint64_t block_at; /* place in the object of block[0]; UINT64_MAX: none */
};

static void close_segment(struct reading *r)
{
    if (r->fd >= 0)
        engine_release(r->store->engine, r->object.segments.data[r->segment].file, r->fd);
    r->fd = -1;
}

void reading_free(void *reading)
{
    struct reading *r = reading;
    if (!r)
        return;
    close_segment(r);
    array_each (&r->object.segments, g)
        if (g->file)
            engine_unpin(r->store->engine, g->file);
    object_free(&r->object);
    free(r);
}

uint64_t reading_len(const struct reading *r)
{
    return r->len;
}

/* Makes the segment that holds `at` current. */
static struct error *seek_segment(struct reading *r, uint64_t at)
{
    if (at < r->segment_start) {
        close_segment(r);
        r->segment = 0;
        r->segment_start = 0;
    }
    while (at >= r->segment_start + r->object.segments.data[r->segment].size) {
        close_segment(r);
        r->segment_start += r->object.segments.data[r->segment].size;
        r->segment++;
        if (r->segment >= r->object.segments.len)
            return error_new(ERROR_INTERNAL, "an object is shorter than its size");
    }
    const struct segment *g = &r->object.segments.data[r->segment];
    if (g->file && r->fd < 0)
        return engine_read(r->store->engine, g->file, &r->fd);
    return NULL;
}

static struct error *read_whole(int fd, char *to, size_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pread(fd, to, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(n ? errno : EIO, "cannot read a data file");
        to += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return NULL;
}

static struct error *check_block(const struct segment *g, uint64_t number, const char *data, size_t len)
{
    const unsigned char *raw = g->crcs + number * 4;
    if ((number + 1) * 4 > g->crcs_len)
        return error_new(ERROR_INTERNAL, "data %lld has no checksum for block %llu", (long long)g->data_id,
                         (unsigned long long)number);
    uint32_t want = (uint32_t)raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
    if (crc32c_add(0, data, len) != want)
        return error_new(ERROR_INTERNAL, "data %lld block %llu does not fit its checksum", (long long)g->data_id,
                         (unsigned long long)number);
    return NULL;
}

/* Loads and checks the block that holds `at`. */
static struct error *load_block(struct reading *r, uint64_t at)
{
    if (r->block_at <= at && at < r->block_at + r->block_len)
        return NULL;
    r->block_at = UINT64_MAX;
    RETURN_IF_ERROR(seek_segment(r, at));
    const struct segment *g = &r->object.segments.data[r->segment];
    uint64_t number = (at - r->segment_start) / ENGINE_BLOCK, start = number * ENGINE_BLOCK;
    size_t len = g->size - start < ENGINE_BLOCK ? (size_t)(g->size - start) : ENGINE_BLOCK;
    if (g->file)
        RETURN_IF_ERROR(read_whole(r->fd, r->block, len, start));
    else
        memcpy(r->block, g->bytes + start, len);
    RETURN_IF_ERROR(check_block(g, number, r->block, len));
    r->block_len = len;
    r->block_at = r->segment_start + start;
    return NULL;
}

struct error *reading_new(struct store *s, struct object *take, uint64_t first, uint64_t len,
                          struct reading **ret)
{
    struct reading *r = xnew0(struct reading);
    struct error *e = NULL;
    r->store = s;
    r->object = *take;
    memset(take, 0, sizeof *take);
    r->first = first;
    r->len = len;
    r->fd = -1;
    r->block_at = UINT64_MAX;
    array_each (&r->object.segments, g)
        if (g->file)
            engine_pin(s->engine, g->file);
    if (len)
        e = load_block(r, first);
    if (e) {
        reading_free(r);
        return e;
    }
    *ret = r;
    return NULL;
}

ssize_t reading_read(void *reading, uint64_t at, char *to, size_t max)
{
    struct reading *r = reading;
    size_t done = 0;
    if (at >= r->len)
        return HTTP_READ_END;
    if (max > r->len - at)
        max = (size_t)(r->len - at);
    while (done < max) {
        uint64_t place = r->first + at + done;
        struct error *e = load_block(r, place);
        if (e) {
            log_failure(LOG_ERROR, e, "reading an object");
            return HTTP_READ_FAILED;
        }
        size_t skip = (size_t)(place - r->block_at);
        size_t n = r->block_len - skip < max - done ? r->block_len - skip : max - done;
        memcpy(to + done, r->block + skip, n);
        done += n;
    }
    return (ssize_t)done;
}
