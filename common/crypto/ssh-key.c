/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crypto/ssh-key.h"
#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/base64.h"
#include "common/crypto/digest.h"

#define RSA_MADE_BITS 2048
#define RSA_MIN_BITS  1024
#define RSA_MAX_BITS  16384
#define ED25519_SIZE  32
#define LINE          70 /* columns of base64 in a private key's text */

static const char *const type_names[] = {[SSH_KEY_RSA] = "rsa", [SSH_KEY_ED25519] = "ed25519"};
static const char *const ssh_names[] = {[SSH_KEY_RSA] = "ssh-rsa", [SSH_KEY_ED25519] = "ssh-ed25519"};

#define DEFINE_FREEP(type, fn)                                                                     \
    static void fn##p(type **p)                                                                    \
    {                                                                                              \
        fn(*p);                                                                                    \
    }
DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREEP(BIGNUM, BN_free)
DEFINE_FREEP(BIO, BIO_free_all)
DEFINE_FREEP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
DEFINE_FREEP(OSSL_PARAM, OSSL_PARAM_free)
DEFINE_FREEP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

/* libcrypto fails here only without memory or without the algorithm: a bug or the end. */
static void must(int ok)
{
    if (ok <= 0)
        abort();
}

void ssh_public_free(struct ssh_public *k)
{
    free(k->line);
    free(k->fingerprint);
    k->line = k->fingerprint = NULL;
}

const char *ssh_key_type_name(enum ssh_key_type type)
{
    return type_names[type];
}

/* ---- SSH's own encoding (RFC 4251) ---- */

static void add_u32(struct str *to, uint32_t value)
{
    const unsigned char b[4] = {value >> 24, value >> 16 & 255, value >> 8 & 255, value & 255};
    str_add_n(to, b, sizeof b);
}

static void add_string(struct str *to, const void *data, size_t len)
{
    add_u32(to, (uint32_t)len);
    str_add_n(to, data, len);
}

static void add_mpint(struct str *to, const BIGNUM *n)
{
    size_t len = (size_t)BN_num_bytes(n);
    unsigned char *bytes = xmalloc(len + 1);
    bytes[0] = 0; /* keeps the number positive */
    BN_bn2bin(n, bytes + 1);
    bool high = len && bytes[1] & 0x80;
    add_string(to, high ? bytes : bytes + 1, len + high);
    free(bytes);
}

struct bytes {
    const unsigned char *at;
    size_t len;
};

static bool take_string(struct bytes *from, struct bytes *ret)
{
    if (from->len < 4)
        return false;
    size_t len = (size_t)from->at[0] << 24 | (size_t)from->at[1] << 16 | (size_t)from->at[2] << 8 | from->at[3];
    if (len > from->len - 4)
        return false;
    *ret = (struct bytes){from->at + 4, len};
    *from = (struct bytes){from->at + 4 + len, from->len - 4 - len};
    return true;
}

/* A positive number in its shortest form. */
static BIGNUM *take_mpint(struct bytes *from)
{
    struct bytes s;
    if (!take_string(from, &s) || !s.len || s.at[0] & 0x80 || (s.at[0] == 0 && (s.len < 2 || !(s.at[1] & 0x80))))
        return NULL;
    return BN_bin2bn(s.at, (int)s.len, NULL);
}

/* ---- public keys ---- */

static bool type_of(const EVP_PKEY *key, enum ssh_key_type *ret)
{
    *ret = EVP_PKEY_is_a(key, "RSA") ? SSH_KEY_RSA : SSH_KEY_ED25519;
    return *ret == SSH_KEY_RSA || EVP_PKEY_is_a(key, "ED25519");
}

static void add_public(struct str *to, const EVP_PKEY *key, enum ssh_key_type type)
{
    add_string(to, ssh_names[type], strlen(ssh_names[type]));
    if (type == SSH_KEY_RSA) {
        _cleanup_(BN_freep) BIGNUM *e = NULL;
        _cleanup_(BN_freep) BIGNUM *n = NULL;
        must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e));
        must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n));
        add_mpint(to, e);
        add_mpint(to, n);
    } else {
        unsigned char raw[ED25519_SIZE];
        size_t len = sizeof raw;
        must(EVP_PKEY_get_raw_public_key(key, raw, &len));
        add_string(to, raw, len);
    }
}

static char *colons(const unsigned char *sum, size_t len)
{
    struct str text = STR_INIT;
    for (size_t i = 0; i < len; i++)
        str_printf(&text, "%s%02x", i ? ":" : "", sum[i]);
    return str_take(&text);
}

static char *fingerprint_of_public(EVP_PKEY *key, enum ssh_key_type type, const struct str *blob)
{
    unsigned char sum[SHA256_SIZE];
    if (type == SSH_KEY_ED25519) {
        sha256(blob->data, blob->len, sum);
        return base64_encode(sum, SHA256_SIZE);
    }
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    must(len);
    md5(der, (size_t)len, sum);
    OPENSSL_free(der);
    return colons(sum, MD5_SIZE);
}

static void fill_public(EVP_PKEY *key, enum ssh_key_type type, struct ssh_public *ret)
{
    _cleanup_str_ struct str blob = STR_INIT;
    add_public(&blob, key, type);
    _cleanup_free_ char *text = base64_encode(blob.data, blob.len);
    ret->type = type;
    ret->line = xasprintf("%s %s", ssh_names[type], text);
    ret->fingerprint = fingerprint_of_public(key, type, &blob);
}

/* ---- making ---- */

static char *take_text(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    must(len > 0);
    return xstrndup(data, (size_t)len);
}

static char *rsa_private_text(EVP_PKEY *key)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem()); /* cleanses what it frees */
    must(bio != NULL);
    must(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL));
    return take_text(bio);
}

static char *fingerprint_of_private(const EVP_PKEY *key)
{
    _cleanup_(PKCS8_PRIV_KEY_INFO_freep) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    must(info != NULL);
    unsigned char *der = NULL, sum[SHA1_SIZE];
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    must(len);
    sha1(der, (size_t)len, sum);
    OPENSSL_clear_free(der, (size_t)len);
    return colons(sum, sizeof sum);
}

/* The part that would be encrypted; its room is reserved, so no copy of a secret is left behind by growing. */
static void add_private_part(struct str *to, const EVP_PKEY *key, const unsigned char seed[ED25519_SIZE])
{
    unsigned char pair[2 * ED25519_SIZE];
    size_t len = ED25519_SIZE;
    uint32_t check;
    memcpy(pair, seed, ED25519_SIZE);
    must(EVP_PKEY_get_raw_public_key(key, pair + ED25519_SIZE, &len));
    random_bytes(&check, sizeof check);
    add_u32(to, check);
    add_u32(to, check);
    add_public(to, key, SSH_KEY_ED25519);
    add_string(to, pair, sizeof pair);
    add_string(to, "", 0); /* comment */
    wipe(pair, sizeof pair);
    for (char pad = 1; to->len % 8; pad++)
        str_add_char(to, pad);
}

static char *armour(const struct str *blob)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n", end[] = "-----END OPENSSH PRIVATE KEY-----\n";
    char *text = base64_encode(blob->data, blob->len);
    size_t len = strlen(text);
    struct str out = STR_INIT;
    str_reserve(&out, len + len / LINE + sizeof begin + sizeof end + 2);
    str_add(&out, begin);
    for (size_t at = 0; at < len; at += LINE) {
        str_add_n(&out, text + at, len - at < LINE ? len - at : LINE);
        str_add_char(&out, '\n');
    }
    str_add(&out, end);
    wipe(text, len);
    free(text);
    return str_take(&out);
}

static char *ed25519_private_text(const EVP_PKEY *key)
{
    unsigned char seed[ED25519_SIZE];
    size_t len = sizeof seed;
    struct str part = STR_INIT, blob = STR_INIT, public = STR_INIT;
    must(EVP_PKEY_get_raw_private_key(key, seed, &len));
    str_reserve(&part, 512);
    str_reserve(&blob, 1024);
    add_private_part(&part, key, seed);
    add_public(&public, key, SSH_KEY_ED25519);
    str_add_n(&blob, "openssh-key-v1", 15);
    add_string(&blob, "none", 4); /* cipher */
    add_string(&blob, "none", 4); /* key derivation */
    add_string(&blob, "", 0);
    add_u32(&blob, 1);
    add_string(&blob, public.data, public.len);
    add_string(&blob, part.data, part.len);
    char *text = armour(&blob);
    wipe(seed, sizeof seed);
    wipe(part.data, part.len);
    wipe(blob.data, blob.len);
    str_free(&part);
    str_free(&blob);
    str_free(&public);
    return text;
}

void ssh_key_make(enum ssh_key_type type, struct ssh_public *ret, char **ret_private)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
        type == SSH_KEY_RSA ? EVP_RSA_gen(RSA_MADE_BITS) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    must(key != NULL);
    fill_public(key, type, ret);
    if (type == SSH_KEY_RSA) {
        free(ret->fingerprint);
        ret->fingerprint = fingerprint_of_private(key);
    }
    *ret_private = type == SSH_KEY_RSA ? rsa_private_text(key) : ed25519_private_text(key);
}

/* ---- reading ---- */

static EVP_PKEY *rsa_of(BIGNUM *e, BIGNUM *n)
{
    _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    must(build != NULL);
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n));
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e));
    _cleanup_(OSSL_PARAM_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    must(params && ctx);
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return key;
}

static EVP_PKEY *key_of_blob(struct bytes blob)
{
    struct bytes name, point;
    if (!take_string(&blob, &name))
        return NULL;
    if (name.len == 7 && memcmp(name.at, "ssh-rsa", 7) == 0) {
        _cleanup_(BN_freep) BIGNUM *e = take_mpint(&blob);
        _cleanup_(BN_freep) BIGNUM *n = e ? take_mpint(&blob) : NULL;
        return n && !blob.len ? rsa_of(e, n) : NULL;
    }
    if (name.len != 11 || memcmp(name.at, "ssh-ed25519", 11) != 0 || !take_string(&blob, &point) || blob.len ||
        point.len != ED25519_SIZE)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.at, point.len);
}

static bool decode(const char *text, unsigned char **ret, size_t *ret_len)
{
    struct error *e = base64_decode(text, 2 * SSH_PUBLIC_MAX, ret, ret_len);
    bool good = !e && *ret_len;
    error_free(e);
    return good;
}

static EVP_PKEY *key_of_blob_text(const char *text)
{
    _cleanup_free_ unsigned char *blob = NULL;
    size_t len = 0;
    return decode(text, &blob, &len) ? key_of_blob((struct bytes){blob, len}) : NULL;
}

static EVP_PKEY *key_of_der(const unsigned char *der, size_t len)
{
    const unsigned char *at = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)len);
    if (key && at != der + len) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* "ssh-rsa AAAA… comment" */
static EVP_PKEY *read_line(const char *text)
{
    size_t name = strcspn(text, " \t");
    const char *rest = text + name + strspn(text + name, " \t");
    _cleanup_free_ char *blob = xstrndup(rest, strcspn(rest, " \t\r\n"));
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = key_of_blob_text(blob);
    enum ssh_key_type type;
    bool same = key && type_of(key, &type) && strlen(ssh_names[type]) == name &&
                strncmp(text, ssh_names[type], name) == 0;
    return same ? TAKE_PTR(key) : NULL;
}

/* The base64 lines between BEGIN and END, without headers, which may go on over lines that end in '\'. */
static EVP_PKEY *read_rfc4716(const char *text)
{
    _cleanup_str_ struct str blob = STR_INIT;
    bool header = false;
    for (text += strcspn(text, "\n"); *text; text += strcspn(text, "\n")) {
        text++;
        size_t len = strcspn(text, "\r\n");
        if (strncmp(text, "----", 4) == 0)
            return key_of_blob_text(str_text(&blob));
        if (!header && !memchr(text, ':', len))
            str_add_n(&blob, text, len);
        else
            header = len && text[len - 1] == '\\';
    }
    return NULL;
}

static EVP_PKEY *read_pem(const char *text)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(text, -1);
    must(bio != NULL);
    return PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
}

static EVP_PKEY *read_der_text(const char *text)
{
    _cleanup_str_ struct str joined = STR_INIT;
    _cleanup_free_ unsigned char *der = NULL;
    size_t len = 0;
    for (; *text; text++) {
        if (!isspace((unsigned char)*text))
            str_add_char(&joined, *text);
    }
    return decode(str_text(&joined), &der, &len) ? key_of_der(der, len) : NULL;
}

static EVP_PKEY *read_any(const char *text, size_t len)
{
    if (strlen(text) != len)
        return key_of_der((const unsigned char *)text, len);
    while (isspace((unsigned char)*text))
        text++;
    if (str_starts(text, "ssh-"))
        return read_line(text);
    if (str_starts(text, "---- BEGIN SSH2 PUBLIC KEY ----"))
        return read_rfc4716(text);
    return str_starts(text, "-----BEGIN ") ? read_pem(text) : read_der_text(text);
}

static bool rsa_good(const EVP_PKEY *key)
{
    _cleanup_(BN_freep) BIGNUM *e = NULL;
    _cleanup_(BN_freep) BIGNUM *n = NULL;
    must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e));
    must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n));
    int bits = BN_num_bits(n);
    return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
           BN_num_bits(e) <= 64;
}

struct error *ssh_key_read(const void *data, size_t len, struct ssh_public *ret)
{
    enum ssh_key_type type;
    if (len > SSH_PUBLIC_MAX)
        return error_new(ERROR_TOO_LARGE, "a public key of %zu bytes", len);
    _cleanup_free_ char *text = xmalloc(len + 1);
    memcpy(text, data, len);
    text[len] = 0;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = read_any(text, len);
    ERR_clear_error();
    if (!key || !type_of(key, &type) || (type == SSH_KEY_RSA && !rsa_good(key)))
        return error_new(ERROR_INVALID, "this is no RSA or Ed25519 public key");
    fill_public(key, type, ret);
    return NULL;
}
