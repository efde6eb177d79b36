/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"
#include "common/base/clock.h"
#include "common/crypto/base64.h"
#include "common/crypto/ssh-key.h"

#define NAME_MAX_LEN 255
#define QUOTA        5000

/* ---- making and importing ---- */

struct making {
    struct request_ctx *ctx;
    struct store_key_pair pair;
    const struct ec2_tag_specification *specs;
    size_t specs_len;
};

static struct error *check_name(const char *name)
{
    size_t len = strlen(name);
    if (!len)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter KeyName");
    for (const char *p = name; *p; p++) {
        if (*p < ' ' || *p > '~')
            return error_new(API_INVALID_PARAMETER_VALUE,
                             "Value for parameter KeyName is invalid. Character sets beyond ASCII are not supported.");
    }
    if (len > NAME_MAX_LEN)
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Value (%.40s...) for parameter KeyName is invalid. Length exceeds maximum of %d characters.",
                         name, NAME_MAX_LEN);
    if (name[0] == ' ' || name[len - 1] == ' ')
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Value (%s) for parameter KeyName is invalid. It has a leading or trailing space.", name);
    return NULL;
}

static struct error *insert(struct db_tx *tx, void *arg)
{
    const struct making *m = arg;
    const char *account = m->ctx->account.text;
    uint64_t have = 0, quota = 0;
    RETURN_IF_ERROR(store_key_pair_insert(tx, &m->pair));
    RETURN_IF_ERROR(store_key_pair_count(tx, account, &have));
    RETURN_IF_ERROR(store_quota(tx, account, "key-pairs", QUOTA, &quota));
    if (have > quota)
        return error_new(EC2_RESOURCE_LIMIT_EXCEEDED, "The account may have at most %ju key pairs.", (uintmax_t)quota);
    return tag_specs_write(tx, m->specs, m->specs_len, account, m->pair.id.text, "key-pair");
}

/* Stores the public half; takes what `public` holds. */
static struct error *store(struct making *m, const char *name, struct ssh_public *public)
{
    m->pair.id = id_random("key-");
    m->pair.account = m->ctx->account;
    m->pair.name = xstrdup(name);
    m->pair.type = xstrdup(ssh_key_type_name(public->type));
    m->pair.public_key = TAKE_PTR(public->line);
    m->pair.fingerprint = TAKE_PTR(public->fingerprint);
    m->pair.created_ms = clock_wall_ms();
    struct error *e = db_write_wait(m->ctx->cloud->db, DB_FORCED, insert, m);
    if (error_is(e, &ERROR_EXISTS))
        e = error_recode(e, &EC2_INVALID_KEY_PAIR_DUPLICATE, "The keypair '%s' already exists.", name);
    return e;
}

static struct error *check_create(const struct ec2_create_key_pair_request *in, enum ssh_key_type *ret_type)
{
    RETURN_IF_ERROR(check_name(in->key_name));
    *ret_type = SSH_KEY_RSA;
    if (in->key_type && streq(in->key_type, "ed25519"))
        *ret_type = SSH_KEY_ED25519;
    else if (in->key_type && !streq(in->key_type, "rsa"))
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "Value (%.40s) for parameter KeyType is invalid. Valid values: rsa, ed25519.", in->key_type);
    if (in->key_format && streq(in->key_format, "ppk"))
        return error_new(API_UNSUPPORTED_OPERATION, "The key format ppk is not supported here; puttygen reads pem.");
    if (in->key_format && !streq(in->key_format, "pem"))
        return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.40s) for parameter KeyFormat is invalid.",
                         in->key_format);
    return tag_specs_check(in->tag_specification.data, in->tag_specification.len, "key-pair");
}

struct error *ec2_create_key_pair(struct request_ctx *ctx, const struct ec2_create_key_pair_request *in,
                                  struct ec2_create_key_pair_response *ret_out)
{
    struct making m = {.ctx = ctx, .specs = in->tag_specification.data, .specs_len = in->tag_specification.len};
    struct ssh_public public = {0};
    enum ssh_key_type type;
    RETURN_IF_ERROR(check_create(in, &type));
    RETURN_IF_ERROR(authorize(ctx, in->key_name));
    ssh_key_make(type, &public, &ret_out->key_material); /* wiped with the answer, which is its only place */
    struct error *e = store(&m, in->key_name, &public);
    if (!e) {
        ret_out->key_fingerprint = xstrdup(m.pair.fingerprint);
        ret_out->key_name = xstrdup(in->key_name);
        ret_out->key_pair_id = xstrdup(m.pair.id.text);
        tag_specs_put(m.specs, m.specs_len, &ret_out->tag_set);
    }
    store_key_pair_free(&m.pair);
    return e;
}

static struct error *read_material(const char *base64, struct ssh_public *ret)
{
    _cleanup_free_ unsigned char *data = NULL;
    size_t len = 0;
    struct error *e = base64_decode(base64, 4 * SSH_PUBLIC_MAX, &data, &len);
    if (!e && len > SSH_PUBLIC_MAX)
        e = error_new(ERROR_TOO_LARGE, "%zu bytes", len);
    if (error_is(e, &ERROR_TOO_LARGE))
        return error_recode(e, &API_INVALID_PARAMETER_VALUE,
                            "Value for parameter PublicKeyMaterial is invalid. Length exceeds maximum of %d.",
                            SSH_PUBLIC_MAX);
    if (!e)
        e = ssh_key_read(data, len, ret);
    return error_recode(e, &EC2_INVALID_KEY_FORMAT, "Key is not in valid OpenSSH public key format");
}

struct error *ec2_import_key_pair(struct request_ctx *ctx, const struct ec2_import_key_pair_request *in,
                                  struct ec2_import_key_pair_response *ret_out)
{
    struct making m = {.ctx = ctx, .specs = in->tag_specification.data, .specs_len = in->tag_specification.len};
    struct ssh_public public = {0};
    RETURN_IF_ERROR(check_name(in->key_name));
    RETURN_IF_ERROR(tag_specs_check(m.specs, m.specs_len, "key-pair"));
    RETURN_IF_ERROR(read_material(in->public_key_material, &public));
    struct error *e = authorize(ctx, in->key_name);
    if (!e)
        e = store(&m, in->key_name, &public);
    if (!e) {
        ret_out->key_fingerprint = xstrdup(m.pair.fingerprint);
        ret_out->key_name = xstrdup(in->key_name);
        ret_out->key_pair_id = xstrdup(m.pair.id.text);
        tag_specs_put(m.specs, m.specs_len, &ret_out->tag_set);
    }
    ssh_public_free(&public);
    store_key_pair_free(&m.pair);
    return e;
}

/* ---- DescribeKeyPairs ---- */

static const char *const filter_names[] = {"key-pair-id", "fingerprint", "key-name", "key-type", NULL};

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_key_pairs_request *in;
    struct ec2_describe_key_pairs_response *out;
};

static bool listed(char *const *list, size_t len, const char *text)
{
    for (size_t i = 0; i < len; i++) {
        if (streq(list[i], text))
            return true;
    }
    return false;
}

static bool named(const struct ec2_describe_key_pairs_request *in, const struct store_key_pair *k)
{
    return (!in->key_name.len && !in->key_pair_id.len) || listed(in->key_name.data, in->key_name.len, k->name) ||
           listed(in->key_pair_id.data, in->key_pair_id.len, k->id.text);
}

/* Everything that was named must be there. */
static struct error *check_named(const struct ec2_describe_key_pairs_request *in, const store_key_pairs *all)
{
    array_each(&in->key_name, name) {
        bool there = false;
        array_each(all, k)
            there |= streq(k->name, *name);
        if (!there)
            return error_new(EC2_INVALID_KEY_PAIR_NOT_FOUND, "The key pair '%.255s' does not exist", *name);
    }
    array_each(&in->key_pair_id, id) {
        bool there = false;
        array_each(all, k)
            there |= id_is(&k->id, *id);
        if (!there)
            return error_new(EC2_INVALID_KEY_PAIR_NOT_FOUND, "The key pair ID '%.80s' does not exist", *id);
    }
    return NULL;
}

static void fill(const struct describe *d, const struct store_key_pair *k, const store_tags *tags)
{
    struct ec2_key_pair_info *i = array_add(&d->out->key_set);
    i->key_pair_id = xstrdup(k->id.text);
    i->key_fingerprint = xstrdup(k->fingerprint);
    i->key_name = xstrdup(k->name);
    i->key_type = xstrdup(k->type);
    tags_put(tags, &i->tag_set);
    if (d->in->has_include_public_key && d->in->include_public_key)
        i->public_key = xasprintf("%s %s", k->public_key, k->name);
    i->create_time = k->created_ms;
    i->has_create_time = true;
}

static struct error *show(const struct describe *d, struct db_tx *tx, const struct store_key_pair *k)
{
    _cleanup_tags_ store_tags tags = {0};
    facts f = {0};
    RETURN_IF_ERROR(tags_read(tx, d->ctx->account.text, k->id.text, &tags));
    fact_add(&f, "key-pair-id", k->id.text);
    fact_add(&f, "fingerprint", k->fingerprint);
    fact_add(&f, "key-name", k->name);
    fact_add(&f, "key-type", k->type);
    if (filters_pass(d->in->filter.data, d->in->filter.len, &f, &tags))
        fill(d, k, &tags);
    facts_free(&f);
    return NULL;
}

static struct error *read_pairs(struct db_tx *tx, void *arg)
{
    const struct describe *d = arg;
    store_key_pairs all = {0};
    struct error *e = store_key_pair_list(tx, d->ctx->account.text, &all);
    if (!e)
        e = check_named(d->in, &all);
    array_each(&all, k) {
        if (!e && named(d->in, k))
            e = show(d, tx, k);
        store_key_pair_free(k);
    }
    array_free(&all);
    return e;
}

struct error *ec2_describe_key_pairs(struct request_ctx *ctx, const struct ec2_describe_key_pairs_request *in,
                                     struct ec2_describe_key_pairs_response *ret_out)
{
    struct describe d = {ctx, in, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, filter_names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    return db_read(ctx->cloud->db, read_pairs, &d);
}

/* ---- DeleteKeyPair ---- */

struct deleting {
    struct request_ctx *ctx;
    const struct ec2_delete_key_pair_request *in;
};

/* What is not there is as it should be. */
static struct error *remove_pair(struct db_tx *tx, void *arg)
{
    const struct deleting *d = arg;
    const char *account = d->ctx->account.text, *id = d->in->key_pair_id;
    struct store_key_pair k = {0};
    if (!id) {
        struct error *e = store_key_pair_get(tx, account, d->in->key_name, &k);
        if (error_is(e, &ERROR_NOT_FOUND))
            return error_free(e);
        RETURN_IF_ERROR(e);
        id = k.id.text;
    }
    struct error *e = store_key_pair_delete(tx, account, id);
    bool there = !error_is(e, &ERROR_NOT_FOUND);
    if (!there)
        e = error_free(e);
    else if (!e)
        e = store_tag_delete_all(tx, account, id);
    store_key_pair_free(&k);
    return e;
}

struct error *ec2_delete_key_pair(struct request_ctx *ctx, const struct ec2_delete_key_pair_request *in,
                                  struct ec2_delete_key_pair_response *ret_out)
{
    struct deleting d = {ctx, in};
    if (!in->key_name && !in->key_pair_id)
        return error_new(API_MISSING_PARAMETER, "The request must contain either keyName or keyPairId");
    if (in->key_name && in->key_pair_id)
        return error_new(API_INVALID_PARAMETER_COMBINATION, "Only one of keyName and keyPairId may be named.");
    RETURN_IF_ERROR(authorize(ctx, in->key_pair_id ? in->key_pair_id : in->key_name));
    RETURN_IF_ERROR(db_write_wait(ctx->cloud->db, DB_FORCED | DB_RESCUE, remove_pair, &d));
    ret_out->return_ = ret_out->has_return_ = true;
    return NULL;
}
