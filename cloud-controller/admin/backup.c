/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/gen/admin.h"
#include "cloud-controller/backup.h"
#include "cloud-controller/request.h"
#include "common/base/log.h"
#include "common/crypto/base64.h"
#include "common/db/copy.h"
#include "common/file/file.h"

#define PIECE     (1024 * 1024)
#define COPIES_MAX 4

static struct error *copy_to(struct cloud *c, const char *path)
{
    unsigned char key[KEYS_SIZE];
    struct copy_note note = {BACKUP_OF, key, sizeof key};
    keys_copy(c->keys, key);
    struct error *e = db_backup(c->db, path, &note);
    wipe(key, sizeof key);
    return e;
}

struct error *admin_create_backup(struct request_ctx *ctx, const struct admin_create_backup_request *in,
                                  struct admin_create_backup_response *ret_out)
{
    (void)in;
    struct stat st;
    struct id id = id_random("b-");
    const struct cloud_config *config = ctx->cloud->config;
    _cleanup_free_ char *folder = xasprintf("%s/backups", config->state_dir);
    _cleanup_free_ char *path = backup_path(config, id.text);
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (backup_sweep(config) >= COPIES_MAX)
        return error_new(API_REQUEST_LIMIT_EXCEEDED, "%d backups wait to be read and deleted.", COPIES_MAX);
    RETURN_IF_ERROR(file_make_dirs(folder));
    RETURN_IF_ERROR(copy_to(ctx->cloud, path));
    if (stat(path, &st) < 0)
        return error_errno(errno, "looking at %s", path);
    log_info("backup %s, %lld bytes, made for %s", id.text, (long long)st.st_size, ctx->access_key_id);
    ret_out->backup_id = xstrdup(id.text);
    ret_out->size = (int64_t)st.st_size;
    ret_out->has_size = true;
    return NULL;
}

static struct error *not_found(const char *id)
{
    return error_new(ADMIN_BACKUP_NOT_FOUND, "There is no backup %.40s.", id);
}

static struct error *open_backup(struct request_ctx *ctx, const char *id, int *ret_fd, uint64_t *ret_size)
{
    struct stat st;
    _cleanup_free_ char *path = backup_path(ctx->cloud->config, id);
    if (!path)
        return not_found(id);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return not_found(id);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(errno, "opening %s", path);
    *ret_size = (uint64_t)st.st_size;
    *ret_fd = TAKE_FD(fd);
    return NULL;
}

static struct error *read_piece(int fd, uint64_t at, char *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, to + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(n ? errno : EIO, "reading a backup");
        done += (size_t)n;
    }
    return NULL;
}

struct error *admin_read_backup(struct request_ctx *ctx, const struct admin_read_backup_request *in,
                                struct admin_read_backup_response *ret_out)
{
    _cleanup_close_ int fd = -1;
    uint64_t size = 0, at = (uint64_t)in->offset;
    RETURN_IF_ERROR(authorize(ctx, in->backup_id));
    RETURN_IF_ERROR(open_backup(ctx, in->backup_id, &fd, &size));
    if (at > size)
        return error_new(API_INVALID_PARAMETER_VALUE, "The backup ends before the offset.");
    size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
    char *piece = xcalloc(1, len + 1);
    struct error *e = read_piece(fd, at, piece, len);
    if (!e) {
        ret_out->data = base64_encode(piece, len);
        ret_out->end = at + len == size;
        ret_out->has_end = true;
    }
    wipe(piece, len);
    free(piece);
    return e;
}

struct error *admin_delete_backup(struct request_ctx *ctx, const struct admin_delete_backup_request *in,
                                  struct admin_delete_backup_response *ret_out)
{
    _cleanup_free_ char *path = backup_path(ctx->cloud->config, in->backup_id);
    RETURN_IF_ERROR(authorize(ctx, in->backup_id));
    if (!path)
        return not_found(in->backup_id);
    if (unlink(path) < 0)
        return errno == ENOENT ? not_found(in->backup_id) : error_errno(errno, "removing %s", path);
    ret_out->backup_id = xstrdup(in->backup_id);
    return NULL;
}
