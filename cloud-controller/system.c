/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/system.h"
#include "cloud-controller/admin/account.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/file/file.h"

static const char *const roles[] = {SYSTEM_IMAGE_SERVICE, SYSTEM_NODE};

static struct error *make_keys(struct cloud *c, struct db_tx *tx)
{
    struct store_account account = {.id = keys_account_id()};
    account.name = xstrdup(SYSTEM_ACCOUNT);
    account.canonical_id = keys_canonical_id();
    struct error *e = NULL;
    for (size_t i = 0; !e && i < ARRAY_SIZE(roles); i++) {
        struct new_key key;
        keys_make(c->keys, &account.id, &key);
        e = i ? store_key_insert(tx, key.id, &key.row, clock_wall_ms())
              : account_make(tx, c->keys, &account, &key, clock_wall_ms());
        if (!e)
            e = store_system_key_put(tx, roles[i], key.id);
        wipe(&key, sizeof key);
    }
    store_account_free(&account);
    return e;
}

struct error *system_seed(struct cloud *c, struct db_tx *tx)
{
    uint64_t count = 0;
    RETURN_IF_ERROR(store_system_key_count(tx, &count));
    return count ? NULL : make_keys(c, tx);
}

static struct error *write_file(struct cloud *c, const char *role, const char *id, const char *secret)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", c->config->system_credentials_dir, role);
    char *text = xasprintf("# Made by the Cloud Controller.\naccess_key_id = %s\nsecret_access_key = %s\n", id, secret);
    struct error *e = file_write_durable(path, text, strlen(text), 0640);
    wipe(text, strlen(text));
    free(text);
    return error_wrap(e, "system-credentials-dir");
}

static struct error *write_key(void *arg, const char *id, const struct store_key *row,
                               const struct store_account *account)
{
    struct cloud *c = arg;
    char secret[SECRET_LENGTH + 1];
    (void)account;
    if (id_none(&row->role))
        return NULL;
    RETURN_IF_ERROR(keys_secret(c->keys, id, row, secret));
    struct error *e = write_file(c, row->role.text, id, secret);
    wipe(secret, sizeof secret);
    return e;
}

static struct error *write_all(struct db_tx *tx, void *arg)
{
    return store_key_each(tx, write_key, arg);
}

struct error *system_credentials_write(struct cloud *c)
{
    return c->config->system_credentials_dir ? db_read(c->db, write_all, c) : NULL;
}
