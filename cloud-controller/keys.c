/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/keys.h"
#include "common/base/str.h"
#include "common/crypto/digest.h"
#include "common/crypto/seal.h"
#include "common/file/file.h"

struct keys {
    unsigned char cloud[SEAL_KEY_SIZE];
};
_Static_assert(SEAL_KEY_SIZE == KEYS_SIZE, "the cloud key is a key that seals");

static struct error *read_key(const char *path, struct keys *k)
{
    _cleanup_free_ char *data = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(file_read(path, 4096, &data, &len));
    bool fits = len == sizeof k->cloud;
    if (fits)
        memcpy(k->cloud, data, sizeof k->cloud);
    wipe(data, len);
    return fits ? NULL : error_new(ERROR_INVALID, "%s must hold %zu bytes, it has %zu", path, sizeof k->cloud, len);
}

struct error *keys_open(const char *state_dir, struct keys **ret)
{
    _cleanup_free_ char *path = xasprintf("%s/cloud.key", state_dir);
    struct keys *k = xnew0(struct keys);
    struct error *e = read_key(path, k);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        seal_key_random(k->cloud);
        e = file_write_durable(path, k->cloud, sizeof k->cloud, 0600);
    }
    if (e) {
        keys_free(k);
        return error_wrap(e, "cloud key");
    }
    *ret = k;
    return NULL;
}

void keys_copy(const struct keys *k, unsigned char ret[KEYS_SIZE])
{
    memcpy(ret, k->cloud, KEYS_SIZE);
}

struct error *keys_of_copy(const void *key, size_t len, struct keys **ret)
{
    if (len != KEYS_SIZE)
        return error_new(ERROR_INVALID, "it has no cloud key");
    *ret = xnew0(struct keys);
    memcpy((*ret)->cloud, key, KEYS_SIZE);
    return NULL;
}

struct error *keys_restore(const struct keys *k, const char *state_dir)
{
    _cleanup_free_ char *path = xasprintf("%s/cloud.key", state_dir);
    struct keys present;
    struct error *e = read_key(path, &present);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        RETURN_IF_ERROR(file_write_durable(path, k->cloud, sizeof k->cloud, 0600));
        return file_give_to_owner(path);
    }
    RETURN_IF_ERROR(e);
    bool same = secret_equal(present.cloud, k->cloud, sizeof k->cloud);
    wipe(&present, sizeof present);
    return same ? NULL : error_new(ERROR_EXISTS, "there is another cloud key already, %s: move it away first", path);
}

void keys_free(struct keys *k)
{
    if (!k)
        return;
    wipe(k, sizeof *k);
    free(k);
}

/* `count` characters of an alphabet of 32 or 64, each equally likely. */
static void random_text(char *to, size_t count, const char *alphabet, unsigned size)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char byte;
        random_bytes(&byte, 1);
        to[i] = alphabet[byte % size];
    }
    to[count] = '\0';
}

void keys_make(const struct keys *k, const struct id *account, struct new_key *ret)
{
    static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, "AKIA", 4);
    random_text(ret->id + 4, 16, base32, 32);
    random_text(ret->secret, SECRET_LENGTH, base64, 64);
    ret->row.account = *account;
    ret->row.enabled = true;
    unsigned char *box = seal(k->cloud, ret->secret, SECRET_LENGTH, ret->id, strlen(ret->id));
    ret->row.sealed_len = SECRET_LENGTH + SEAL_OVERHEAD;
    memcpy(ret->row.sealed, box, ret->row.sealed_len);
    free(box);
}

struct error *keys_secret(const struct keys *k, const char *id, const struct store_key *row,
                          char ret[SECRET_LENGTH + 1])
{
    unsigned char *secret = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(seal_open(k->cloud, row->sealed, row->sealed_len, id, strlen(id), &secret, &len));
    struct error *e = NULL;
    if (len == SECRET_LENGTH)
        memcpy(ret, secret, SECRET_LENGTH + 1);
    else
        e = error_new(ERROR_INTERNAL, "a secret of %zu bytes", len);
    wipe(secret, len);
    free(secret);
    return e;
}

void keys_image_make(const struct keys *k, struct store_image *ret)
{
    unsigned char key[SEAL_KEY_SIZE];
    seal_key_random(key);
    unsigned char *box = seal(k->cloud, key, sizeof key, ret->id.text, strlen(ret->id.text));
    ret->sealed_len = sizeof key + SEAL_OVERHEAD;
    memcpy(ret->sealed_key, box, ret->sealed_len);
    free(box);
    wipe(key, sizeof key);
}

struct error *keys_image_open(const struct keys *k, const struct store_image *i, unsigned char ret[32])
{
    unsigned char *key = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(seal_open(k->cloud, i->sealed_key, i->sealed_len, i->id.text, strlen(i->id.text), &key, &len));
    struct error *e = len == SEAL_KEY_SIZE ? NULL : error_new(ERROR_INTERNAL, "an image's key of %zu bytes", len);
    if (!e)
        memcpy(ret, key, SEAL_KEY_SIZE);
    wipe(key, len);
    free(key);
    return e;
}

void keys_mac(const struct keys *k, const char *text, unsigned char ret[32])
{
    hmac_sha256(k->cloud, sizeof k->cloud, text, strlen(text), ret);
}

struct id keys_account_id(void)
{
    char text[13];
    random_text(text, 12, "0123456789012345", 16);
    text[0] = text[0] == '0' ? '1' : text[0];
    return id_of(text);
}

char *keys_canonical_id(void)
{
    unsigned char bytes[32];
    random_bytes(bytes, sizeof bytes);
    return hex_encode(bytes, sizeof bytes);
}
