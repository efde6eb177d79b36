/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/backup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/s3-client.h"
#include "cli/progress.h"
#include "common/base/array.h"
#include "common/crypto/base64.h"
#include "common/file/file.h"

#define COPYING_S 1800 /* a daemon may need so long before its first byte */
#define PIECE_MAX (2 * 1024 * 1024)

enum { CLOUD, STORE, FILES };
static const char *const names[FILES] = {"cloud.db", "store.db"};

struct backup {
    const struct admin *admin;
    const char *folder;
    bool made; /* the folder is ours */
    char *id;  /* the copy that the Cloud Controller keeps for us */
    /* The file that is written: */
    int fd;
    uint64_t size, done;
    struct error *error;
    const char *name;
    struct progress progress;
};

/* ---- the folder ---- */

static bool empty(const char *folder)
{
    DIR *d = opendir(folder);
    size_t entries = 0;
    if (!d)
        return false;
    while (readdir(d))
        entries++;
    closedir(d);
    return entries == 2; /* . and .. */
}

static struct error *take_folder(struct backup *b)
{
    if (mkdir(b->folder, 0700) == 0) {
        b->made = true;
        return NULL;
    }
    if (errno != EEXIST)
        return error_recode(error_errno(errno, "making %s", b->folder), &ERROR_INVALID, NULL);
    if (!empty(b->folder))
        return error_new(ERROR_INVALID, "%s is there and is no empty folder: name a new one", b->folder);
    return chmod(b->folder, 0700) == 0 ? NULL : error_errno(errno, "making %s private", b->folder);
}

static char *part_of(const struct backup *b, const char *name)
{
    return xasprintf("%s/%s.part", b->folder, name);
}

static struct error *give_names(const struct backup *b)
{
    for (size_t i = 0; i < FILES; i++) {
        _cleanup_free_ char *part = part_of(b, names[i]);
        _cleanup_free_ char *whole = xasprintf("%s/%s", b->folder, names[i]);
        if (rename(part, whole) < 0)
            return error_errno(errno, "renaming %s", part);
    }
    RETURN_IF_ERROR(file_sync_dir(b->folder));
    return file_sync_parent(b->folder);
}

static void clear_away(const struct backup *b)
{
    for (size_t i = 0; i < FILES; i++) {
        _cleanup_free_ char *part = part_of(b, names[i]);
        unlink(part);
    }
    if (b->made)
        rmdir(b->folder);
}

/* ---- a file in it ---- */

static struct error *begin_file(struct backup *b, const char *name)
{
    _cleanup_free_ char *path = part_of(b, name);
    b->name = name;
    b->size = b->done = 0;
    b->progress = PROGRESS_INIT;
    b->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return b->fd < 0 ? error_errno(errno, "making %s", path) : NULL;
}

static struct error *add_bytes(struct backup *b, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(b->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(n ? errno : EIO, "writing %s/%s", b->folder, b->name);
        data += n;
        len -= (size_t)n;
        b->done += (uint64_t)n;
    }
    if (b->done < b->size) /* the end is told when it is on the disk */
        progress_show_part(&b->progress, b->name, b->done, b->size);
    return NULL;
}

/* Takes `e`, what became of it so far. */
static struct error *end_file(struct backup *b, struct error *e)
{
    if (!e && b->done != b->size)
        e = error_new(ERROR_INTERNAL, "%s: %llu bytes came, not %llu", b->name, (unsigned long long)b->done,
                      (unsigned long long)b->size);
    if (!e && fsync(b->fd) < 0)
        e = error_errno(errno, "flushing %s/%s", b->folder, b->name);
    close(b->fd);
    b->fd = -1;
    if (!e)
        progress_show(&b->progress, b->name, 100);
    return e;
}

/* ---- the Cloud Controller's ---- */

static struct error *create_copy(struct backup *b)
{
    struct admin patient = *b->admin;
    _cleanup_json_ json_t *out = NULL;
    patient.timeout_ms = COPYING_S * 1000;
    RETURN_IF_ERROR(admin_call(&patient, "CreateBackup", json_object(), &out));
    const char *id = json_get_string(out, "backup_id", NULL);
    b->size = json_get_u64(out, "size", 0);
    if (!id || !b->size)
        return error_new(ERROR_INTERNAL, "the Cloud Controller named no backup");
    b->id = xstrdup(id);
    return NULL;
}

static struct error *read_piece(struct backup *b, bool *ret_end)
{
    _cleanup_json_ json_t *in = json_object(), *out = NULL;
    unsigned char *piece = NULL;
    size_t len = 0;
    json_set_string(in, "backup_id", b->id);
    json_set_u64(in, "offset", b->done);
    RETURN_IF_ERROR(admin_call(b->admin, "ReadBackup", json_incref(in), &out));
    RETURN_IF_ERROR(base64_decode(json_get_string(out, "data", ""), PIECE_MAX, &piece, &len));
    struct error *e = add_bytes(b, (char *)piece, len);
    wipe(piece, len);
    free(piece);
    *ret_end = json_get_bool(out, "end", false);
    if (!e && !len && !*ret_end)
        e = error_new(ERROR_INTERNAL, "the Cloud Controller sent nothing");
    return e;
}

static struct error *read_copy(struct backup *b)
{
    for (bool end = false; !end;)
        RETURN_IF_ERROR(read_piece(b, &end));
    return NULL;
}

/* It goes by itself in an hour, too. */
static void delete_copy(const struct backup *b)
{
    _cleanup_json_ json_t *in = json_object(), *out = NULL;
    json_set_string(in, "backup_id", b->id);
    struct error *e = admin_call(b->admin, "DeleteBackup", json_incref(in), &out);
    if (e)
        fprintf(stderr, "mallee: the Cloud Controller still has its copy %s: %s\n", b->id, error_message(e));
    error_free(e);
}

static struct error *fetch_cloud(struct backup *b)
{
    RETURN_IF_ERROR(begin_file(b, names[CLOUD]));
    struct error *e = create_copy(b);
    if (!e)
        e = read_copy(b);
    if (b->id)
        delete_copy(b);
    return end_file(b, e);
}

/* ---- the object store's ---- */

static bool receive(void *arg, const void *data, size_t len)
{
    struct backup *b = arg;
    b->error = add_bytes(b, data, len);
    return !b->error;
}

static struct error *fetch_store(struct backup *b, struct aws_caller *s3)
{
    RETURN_IF_ERROR(begin_file(b, names[STORE]));
    struct error *e = s3_get_service(s3, "mallee-index=", receive, b, &b->size, COPYING_S);
    if (b->error) { /* the call's own only tells that we ended it */
        error_free(e);
        e = TAKE_PTR(b->error);
    }
    return end_file(b, error_wrap(e, "the object store"));
}

/* ---- both ---- */

static struct error *fetch(struct backup *b, struct aws_caller *s3, struct backup_result *ret)
{
    RETURN_IF_ERROR(fetch_cloud(b));
    ret->cloud_bytes = b->done;
    RETURN_IF_ERROR(fetch_store(b, s3));
    ret->store_bytes = b->done;
    return give_names(b);
}

struct error *backup_make(const struct admin *admin, const char *folder, struct backup_result *ret)
{
    struct backup b = {.admin = admin, .folder = folder, .fd = -1};
    const char *store = getenv("AWS_ENDPOINT_URL_S3");
    _cleanup_(aws_caller_freep) struct aws_caller *s3 = NULL;
    if (!store || !*store)
        return error_new(ERROR_INVALID, "AWS_ENDPOINT_URL_S3 must be set: the object store (a quickstart's is in DIR/env)");
    struct aws_caller_options o = {store, admin->access_key_id, admin->secret, admin->region, "s3", admin->ca_file};
    RETURN_IF_ERROR(aws_caller_new(&o, &s3));
    RETURN_IF_ERROR(take_folder(&b));
    struct error *e = fetch(&b, s3, ret);
    if (e)
        clear_away(&b);
    free(b.id);
    return e;
}

void backup_tell(struct str *out, const char *folder, const struct backup_result *r)
{
    str_printf(out, "%s holds the backup: cloud.db, %llu bytes, and store.db, %llu bytes.\n\n", folder,
               (unsigned long long)r->cloud_bytes, (unsigned long long)r->store_bytes);
    str_add(out, "cloud.db has the cloud key in it. Who reads it reads every secret of the cloud: keep it as you keep a key.\n"
                 "Objects of more than 16 KiB lie in the object store's state-dir/data: copy that folder too, after this.\n");
    str_printf(out, "The way back: mallee restore %s --cloud-config FILE --store-config FILE\n", folder);
}
