/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/gen/admin.h"
#include "cloud-controller/admin/account.h"
#include "cloud-controller/ec2/group/group.h"
#include "cloud-controller/identity.h"
#include "cloud-controller/request.h"
#include "common/base/clock.h"
#include "common/base/log.h"

struct error *account_make(struct db_tx *tx, const struct keys *keys, const struct store_account *account,
                           const struct new_key *key, int64_t now)
{
    (void)keys;
    RETURN_IF_ERROR(store_account_insert(tx, account, now));
    RETURN_IF_ERROR(store_key_insert(tx, key->id, &key->row, now));
    return store_network_ensure(tx, account->id.text);
}

struct making {
    const struct keys *keys;
    struct store_account account;
    struct new_key key;
};

static struct error *make(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    struct making *m = arg;
    RETURN_IF_ERROR(account_make(tx, m->keys, &m->account, &m->key, clock_wall_ms()));
    return network_share(tx, c, m->account.id.text);
}

static bool name_ok(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= 64 && utf8_valid(name, len) && !strpbrk(name, "\r\n\t<>&\"'\\");
}

struct error *admin_create_account(struct request_ctx *ctx, const struct admin_create_account_request *in,
                                   struct admin_create_account_response *ret_out)
{
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (!name_ok(in->name) || (in->email && (!name_ok(in->email) || !strchr(in->email, '@'))))
        return error_new(API_INVALID_PARAMETER_VALUE, "The name must have 1 to 64 plain characters, the email an @.");
    struct making m = {.keys = ctx->cloud->keys};
    m.account.id = keys_account_id();
    m.account.name = in->name;
    m.account.email = in->email;
    m.account.canonical_id = keys_canonical_id();
    keys_make(m.keys, &m.account.id, &m.key);
    struct error *e = brain_change(ctx->cloud->brain, DB_FORCED, make, &m);
    if (error_is(e, &ERROR_EXISTS))
        e = error_recode(e, &ADMIN_ACCOUNT_EXISTS, "An account named %s exists.", in->name);
    if (!e) {
        log_failure(LOG_ERROR, identity_write(ctx->cloud), "telling the object store of an account");
        ret_out->account_id = xstrdup(m.account.id.text);
        ret_out->name = xstrdup(in->name);
        ret_out->access_key_id = xstrdup(m.key.id);
        ret_out->secret_access_key = xstrdup(m.key.secret);
    }
    wipe(&m.key, sizeof m.key);
    free(m.account.canonical_id);
    return e;
}

static struct error *list(struct db_tx *tx, void *arg)
{
    struct admin_list_accounts_response *out = arg;
    store_accounts all = {0};
    struct error *e = store_account_list(tx, &all);
    array_each(&all, a) {
        struct admin_account *line = array_add(&out->accounts);
        line->account_id = xstrdup(a->id.text);
        line->name = xstrdup(a->name);
        line->email = xstrdup(a->email);
        line->state = xstrdup(a->enabled ? "enabled" : "disabled");
        store_account_free(a);
    }
    array_free(&all);
    return e;
}

struct error *admin_list_accounts(struct request_ctx *ctx, const struct admin_list_accounts_request *in,
                                  struct admin_list_accounts_response *ret_out)
{
    (void)in;
    RETURN_IF_ERROR(authorize(ctx, "*"));
    return db_read(ctx->cloud->db, list, ret_out);
}

static struct error *disable(struct db_tx *tx, void *arg)
{
    return store_account_disable(tx, arg);
}

struct error *admin_disable_account(struct request_ctx *ctx, const struct admin_disable_account_request *in,
                                    struct admin_disable_account_response *ret_out)
{
    RETURN_IF_ERROR(authorize(ctx, in->account_id));
    struct error *e = db_write_wait(ctx->cloud->db, DB_FORCED | DB_RESCUE, disable, in->account_id);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_recode(e, &ADMIN_ACCOUNT_NOT_FOUND, "There is no account %.40s that may be disabled.",
                            in->account_id);
    RETURN_IF_ERROR(e);
    log_failure(LOG_ERROR, identity_write(ctx->cloud), "telling the object store of an account");
    ret_out->account_id = xstrdup(in->account_id);
    return NULL;
}
