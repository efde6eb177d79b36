/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/administrator.h"
#include "common/base/str.h"
#include "common/file/file.h"

struct error *administrator_write(const struct cloud_config *c, const char *id, const char *secret)
{
    char *text = xasprintf("# The administrator's keys, made at the first start.\naccess_key_id = %s\nsecret_access_key = %s\n", id,
                           secret);
    struct error *e = file_write_durable(c->admin_credentials_file, text, strlen(text), 0600);
    wipe(text, strlen(text));
    free(text);
    return error_wrap(e, "admin-credentials-file");
}

struct writing {
    const struct cloud_config *config;
    const struct keys *keys;
    bool done;
};

static struct error *write_first(void *arg, const char *id, const struct store_key *row, const struct store_account *account)
{
    struct writing *w = arg;
    char secret[SECRET_LENGTH + 1];
    if (w->done || !account->administrator)
        return NULL;
    RETURN_IF_ERROR(keys_secret(w->keys, id, row, secret));
    struct error *e = administrator_write(w->config, id, secret);
    wipe(secret, sizeof secret);
    w->done = true;
    return e ? e : file_give_to_owner(w->config->admin_credentials_file);
}

struct error *administrator_write_again(const struct cloud_config *c, const struct keys *k, struct db_tx *tx)
{
    struct writing w = {c, k, false};
    return store_key_each(tx, write_first, &w);
}
