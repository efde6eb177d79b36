/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crypto/wrap.h"
#include <openssl/evp.h>
#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/crypto/digest.h"
#include "common/crypto/seal.h"
#include "common/file/file.h"

static void pkey_freep(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

static void pctx_freep(EVP_PKEY_CTX **p)
{
    EVP_PKEY_CTX_free(*p);
}

struct error *wrap_pair_of(const unsigned char secret[WRAP_KEY_SIZE], struct wrap_pair *ret)
{
    _cleanup_(pkey_freep) EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, WRAP_KEY_SIZE);
    size_t len = WRAP_KEY_SIZE;
    struct wrap_pair pair;
    memcpy(pair.secret, secret, WRAP_KEY_SIZE);
    if (!key || EVP_PKEY_get_raw_public_key(key, pair.public, &len) != 1 || len != WRAP_KEY_SIZE)
        return error_new(ERROR_INTERNAL, "X25519 does not work here");
    *ret = pair;
    wipe(&pair, sizeof pair);
    return NULL;
}

void wrap_pair_random(struct wrap_pair *ret)
{
    unsigned char secret[WRAP_KEY_SIZE];
    random_bytes(secret, sizeof secret);
    struct error *e = wrap_pair_of(secret, ret);
    wipe(secret, sizeof secret);
    if (e)
        abort();
}

struct error *wrap_pair_file(const char *path, struct wrap_pair *ret)
{
    char *data = NULL;
    size_t len = 0;
    struct error *e = file_read(path, 4096, &data, &len);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        wrap_pair_random(ret);
        return file_write_durable(path, ret->secret, sizeof ret->secret, 0600);
    }
    if (!e && len != WRAP_KEY_SIZE)
        e = error_new(ERROR_INVALID, "%s must hold %d bytes, it has %zu", path, WRAP_KEY_SIZE, len);
    if (!e)
        e = wrap_pair_of((const unsigned char *)data, ret);
    if (data)
        wipe(data, len);
    free(data);
    return e;
}

/* The secret of the two, all zeros refused by the library. */
static struct error *agree(const unsigned char secret[32], const unsigned char public[32], unsigned char ret[32])
{
    _cleanup_(pkey_freep) EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
    _cleanup_(pkey_freep) EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public, 32);
    _cleanup_(pctx_freep) EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
    size_t len = 32;
    if (!ctx || !other || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, other) != 1 ||
        EVP_PKEY_derive(ctx, ret, &len) != 1 || len != 32)
        return error_new(ERROR_INVALID, "this is no key to wrap for");
    return NULL;
}

/* HKDF (RFC 5869) of one block: the salt is both public keys. */
static void derive(const unsigned char shared[32], const unsigned char fresh[32], const unsigned char receiver[32],
                   unsigned char ret[32])
{
    static const char info[] = "mallee wrap 1\001"; /* the block's number stands at the end */
    unsigned char salt[64], prk[32];
    memcpy(salt, fresh, 32);
    memcpy(salt + 32, receiver, 32);
    hmac_sha256(salt, sizeof salt, shared, 32, prk);
    hmac_sha256(prk, sizeof prk, info, sizeof info - 1, ret);
    wipe(prk, sizeof prk);
}

struct error *wrap_seal(const unsigned char public[WRAP_KEY_SIZE], const void *data, size_t len, const void *bound,
                        size_t bound_len, unsigned char **ret, size_t *ret_len)
{
    struct wrap_pair fresh;
    unsigned char shared[32], key[32];
    wrap_pair_random(&fresh);
    struct error *e = agree(fresh.secret, public, shared);
    if (!e) {
        derive(shared, fresh.public, public, key);
        unsigned char *box = seal(key, data, len, bound, bound_len);
        *ret_len = len + WRAP_OVERHEAD;
        *ret = xmalloc(*ret_len);
        memcpy(*ret, fresh.public, 32);
        memcpy(*ret + 32, box, *ret_len - 32);
        free(box);
    }
    wipe(&fresh, sizeof fresh);
    wipe(shared, sizeof shared);
    wipe(key, sizeof key);
    return e;
}

struct error *wrap_open(const struct wrap_pair *pair, const void *box, size_t box_len, const void *bound,
                        size_t bound_len, unsigned char **ret, size_t *ret_len)
{
    unsigned char shared[32], key[32];
    if (box_len < WRAP_OVERHEAD)
        return error_new(ERROR_DENIED, "wrapped box has no valid size");
    struct error *e = agree(pair->secret, box, shared);
    if (e)
        return error_recode(e, &ERROR_DENIED, NULL);
    derive(shared, box, pair->public, key);
    e = seal_open(key, (const char *)box + 32, box_len - 32, bound, bound_len, ret, ret_len);
    wipe(shared, sizeof shared);
    wipe(key, sizeof key);
    return e;
}
