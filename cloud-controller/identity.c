/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/identity.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/json/json.h"

struct feed {
    struct cloud *cloud;
    struct str text;
};

static struct error *add_line(void *arg, const char *key_id, const struct store_key *row,
                              const struct store_account *account)
{
    struct feed *f = arg;
    char secret[SECRET_LENGTH + 1];
    RETURN_IF_ERROR(keys_secret(f->cloud->keys, key_id, row, secret));
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "access_key_id", key_id);
    json_set_string(o, "secret_access_key", secret);
    json_set_string(o, "account_id", account->id.text);
    json_set_string(o, "canonical_id", account->canonical_id);
    json_set_string(o, "display_name", account->name);
    if (!id_none(&row->role))
        json_set_string(o, "role", row->role.text);
    if (account->administrator)
        json_set_bool(o, "administrator", true);
    char *line = json_text(o);
    str_add(&f->text, line);
    str_add_char(&f->text, '\n');
    wipe(line, strlen(line));
    free(line);
    wipe(secret, sizeof secret);
    return NULL;
}

static struct error *read_all(struct db_tx *tx, void *arg)
{
    struct feed *f = arg;
    return store_key_each(tx, add_line, f);
}

struct error *identity_write(struct cloud *c)
{
    if (!c->config->identity_file)
        return NULL;
    struct feed f = {.cloud = c, .text = STR_INIT};
    struct error *e = db_read(c->db, read_all, &f);
    if (!e)
        e = file_write_durable(c->config->identity_file, str_text(&f.text), f.text.len, 0640);
    if (f.text.data)
        wipe(f.text.data, f.text.cap);
    str_free(&f.text);
    return error_wrap(e, "identity-file");
}
