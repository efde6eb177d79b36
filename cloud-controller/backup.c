/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/backup.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cloud-controller/administrator.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/db/copy.h"
#include "common/file/file.h"

#define KEPT_MS 3600000

char *backup_path(const struct cloud_config *c, const char *id)
{
    if (!str_starts(id, "b-") || strlen(id) != 19 || strspn(id + 2, "0123456789abcdef") != 17)
        return NULL;
    return xasprintf("%s/backups/%s.db", c->state_dir, id);
}

/* True where it is still there. */
static bool look_at(const char *path, int64_t now)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return false;
    int64_t age = now - (int64_t)st.st_mtim.tv_sec * 1000;
    return age < KEPT_MS || unlink(path) < 0;
}

unsigned backup_sweep(const struct cloud_config *c)
{
    _cleanup_free_ char *folder = xasprintf("%s/backups", c->state_dir);
    unsigned left = 0;
    DIR *d = opendir(folder);
    if (!d)
        return 0; /* none was ever made */
    for (struct dirent *entry; (entry = readdir(d));) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            left += look_at(path, clock_wall_ms());
    }
    closedir(d);
    return left;
}

static struct error *opens(void *arg, const char *id, const struct store_key *row, const struct store_account *account)
{
    char secret[SECRET_LENGTH + 1];
    (void)account;
    RETURN_IF_ERROR(error_wrap(keys_secret(arg, id, row, secret), "its cloud key does not fit it"));
    wipe(secret, sizeof secret);
    return NULL;
}

/* Nothing is written before all that may be refused was looked at. */
static struct error *write_keys(const struct cloud_config *c, struct db_tx *tx, struct keys *k)
{
    RETURN_IF_ERROR(store_key_each(tx, opens, k));
    RETURN_IF_ERROR(keys_restore(k, c->state_dir));
    return administrator_write_again(c, k, tx);
}

/* Runs on the copy, before it has the database's name. */
static struct error *change(struct db_tx *tx, const struct copy_note *note, void *arg)
{
    const struct cloud_config *c = arg;
    struct timing timing = TIMING_DEFAULT;
    struct keys *keys = NULL;
    uint32_t random;
    random_bytes(&random, sizeof random);
    if (c->timing)
        RETURN_IF_ERROR(timing_parse(&timing, c->timing));
    RETURN_IF_ERROR(store_cloud_restored(tx, 1 + random % CLOUD_ERA_STEP, timing.placing));
    RETURN_IF_ERROR(keys_of_copy(note->secret, note->secret_len, &keys));
    struct error *e = write_keys(c, tx, keys);
    keys_free(keys);
    return e;
}

struct error *backup_restore(const void *config, const char *file)
{
    const struct cloud_config *c = config;
    _cleanup_free_ char *path = xasprintf("%s/cloud.db", c->state_dir);
    struct copy_restore r = {.from = file,
                             .db = {.path = path, .migrations = cloud_migrations, .migrations_len = cloud_migrations_len},
                             .what = BACKUP_OF,
                             .change = change,
                             .arg = (void *)c};
    RETURN_IF_ERROR(file_make_dirs(c->state_dir));
    RETURN_IF_ERROR(db_restore(&r));
    printf("%s is restored; start the daemon\n", path);
    return NULL;
}
