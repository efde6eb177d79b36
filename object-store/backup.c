/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/backup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/db/copy.h"
#include "common/file/file.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

/* ---- the copy ---- */

static struct error *make_copy(struct store *s, int *ret_fd)
{
    struct copy_note note = {.what = BACKUP_OF};
    struct id id = id_random("");
    _cleanup_free_ char *folder = xasprintf("%s/backups", s->state_dir);
    _cleanup_free_ char *path = xasprintf("%s/%s.db", folder, id.text);
    RETURN_IF_ERROR(file_make_dirs(folder));
    RETURN_IF_ERROR(db_backup(s->db, path, &note));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = errno;
    unlink(path); /* the descriptor is enough; what dies leaves nothing */
    if (fd < 0)
        return error_errno(err, "opening %s", path);
    *ret_fd = fd;
    return NULL;
}

static ssize_t read_copy(void *arg, uint64_t at, char *to, size_t max)
{
    ssize_t n;
    do
        n = pread((int)(intptr_t)arg, to, max, (off_t)at);
    while (n < 0 && errno == EINTR);
    return n > 0 ? n : HTTP_READ_FAILED;
}

static void close_copy(void *arg)
{
    close((int)(intptr_t)arg);
}

static struct error *may_copy(const struct call *c)
{
    if (c->guest)
        return error_new_code(&S3_NOT_HAD, "%s", S3_NOT_HAD.message);
    if (!c->account.administrator)
        return error_new_code(&S3_ACCESS_DENIED, "%s", S3_ACCESS_DENIED.message);
    return NULL;
}

struct error *op_get_index_copy(struct call *c)
{
    int fd = -1;
    struct stat st;
    RETURN_IF_ERROR(may_copy(c));
    if (atomic_exchange(&c->store->copying, true))
        return error_new(S3_SLOW_DOWN, "Another copy of the index is being made.");
    struct error *e = make_copy(c->store, &fd);
    atomic_store(&c->store->copying, false);
    if (!e && fstat(fd, &st) < 0) {
        e = error_errno(errno, "looking at a copy");
        close(fd);
    }
    if (e)
        return e;
    log_info("a copy of the index, %lld bytes, goes to account %s", (long long)st.st_size, c->account.id);
    call_answer(c, 200);
    http_answer_set(c->answer, "Content-Type", "application/vnd.sqlite3");
    http_answer_stream(c->answer, (uint64_t)st.st_size, read_copy, close_copy, (void *)(intptr_t)fd);
    return NULL;
}

/* ---- and back ---- */

static char *keep_file(const char *state_dir)
{
    return xasprintf("%s/keep-unnamed", state_dir);
}

/* What died while it copied. */
static void remove_copies(const char *state_dir)
{
    _cleanup_free_ char *folder = xasprintf("%s/backups", state_dir);
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(d), entry->d_name, 0);
    }
    closedir(d);
}

void backup_begin(struct store *s)
{
    _cleanup_free_ char *keep = keep_file(s->state_dir);
    remove_copies(s->state_dir);
    s->keep_unnamed = access(keep, F_OK) == 0;
    if (s->keep_unnamed)
        log_info("files that the restored index does not name are kept for as long as %s is there", keep);
}

static struct error *write_keep(struct db_tx *tx, const struct copy_note *note, void *arg)
{
    static const char text[] = "The index came from a backup. While this file is there, data files that the index does\n"
                               "not name are not removed. Remove it, and start the store again, once all is well.\n";
    (void)tx;
    (void)note;
    _cleanup_free_ char *keep = keep_file(arg);
    RETURN_IF_ERROR(file_write_durable(keep, text, strlen(text), 0600));
    return file_give_to_owner(keep);
}

struct error *backup_restore(const char *state_dir, const char *file)
{
    _cleanup_free_ char *path = xasprintf("%s/store.db", state_dir);
    struct copy_restore r = {.from = file,
                             .db = {.path = path, .migrations = store_migrations, .migrations_len = store_migrations_len},
                             .what = BACKUP_OF,
                             .change = write_keep,
                             .arg = (void *)state_dir};
    RETURN_IF_ERROR(file_make_dirs(state_dir));
    RETURN_IF_ERROR(db_restore(&r));
    printf("%s is restored; start the daemon\n", path);
    return NULL;
}
