/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crypto/digest.h"
#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "common/base/mem.h"
#include "common/base/str.h"

struct digest {
    EVP_MD_CTX *ctx;
};

/* libcrypto fails here only without memory or without the algorithm: a bug or the end. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static void one_shot(const EVP_MD *kind, const void *data, size_t len, unsigned char *ret)
{
    must(EVP_Digest(data, len, ret, NULL, kind, NULL));
}

void sha256(const void *data, size_t len, unsigned char ret[32])
{
    one_shot(EVP_sha256(), data, len, ret);
}

void sha1(const void *data, size_t len, unsigned char ret[SHA1_SIZE])
{
    one_shot(EVP_sha1(), data, len, ret);
}

void md5(const void *data, size_t len, unsigned char ret[MD5_SIZE])
{
    one_shot(EVP_md5(), data, len, ret);
}

char *sha256_hex(const void *data, size_t len)
{
    unsigned char sum[SHA256_SIZE];
    sha256(data, len, sum);
    return hex_encode(sum, sizeof sum);
}

static void hmac(const EVP_MD *kind, const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char *ret)
{
    assert(key_len <= INT_MAX);
    must(HMAC(kind, key_len ? key : "", (int)key_len, data, len, ret, NULL) != NULL);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char ret[SHA256_SIZE])
{
    hmac(EVP_sha256(), key, key_len, data, len, ret);
}

void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
               unsigned char ret[SHA1_SIZE])
{
    hmac(EVP_sha1(), key, key_len, data, len, ret);
}

struct digest *digest_new(enum digest_kind kind)
{
    static const EVP_MD *(*const kinds[])(void) = {
        [DIGEST_SHA256] = EVP_sha256,
        [DIGEST_SHA1] = EVP_sha1,
        [DIGEST_MD5] = EVP_md5,
    };
    struct digest *d = xnew0(struct digest);
    d->ctx = EVP_MD_CTX_new();
    must(d->ctx != NULL);
    must(EVP_DigestInit_ex(d->ctx, kinds[kind](), NULL));
    return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
    must(EVP_DigestUpdate(d->ctx, data, len));
}

void digest_final(struct digest *d, unsigned char ret[DIGEST_MAX], size_t *ret_len)
{
    unsigned int len = 0;
    must(EVP_DigestFinal_ex(d->ctx, ret, &len));
    *ret_len = len;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
