/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/crypto/seal.h"
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include "common/base/id.h"
#include "common/base/mem.h"

#define NONCE 12
#define TAG   16

static void ctx_freep(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

static void must(int ok)
{
    if (ok != 1)
        abort();
}

void seal_key_random(unsigned char ret[SEAL_KEY_SIZE])
{
    random_bytes(ret, SEAL_KEY_SIZE);
}

unsigned char *seal(const unsigned char key[SEAL_KEY_SIZE], const void *data, size_t len,
                    const void *bound, size_t bound_len)
{
    _cleanup_(ctx_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *box;
    int n = 0;
    assert(ctx && len < INT_MAX - SEAL_OVERHEAD && bound_len < INT_MAX);
    box = xmalloc(len + SEAL_OVERHEAD);
    random_bytes(box, NONCE);
    must(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box));
    if (bound_len)
        must(EVP_EncryptUpdate(ctx, NULL, &n, bound, (int)bound_len));
    if (len)
        must(EVP_EncryptUpdate(ctx, box + NONCE, &n, data, (int)len));
    must(EVP_EncryptFinal_ex(ctx, box + NONCE + len, &n));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, box + NONCE + len));
    return box;
}

struct error *seal_open(const unsigned char key[SEAL_KEY_SIZE], const void *box, size_t box_len,
                        const void *bound, size_t bound_len, unsigned char **ret, size_t *ret_len)
{
    _cleanup_(ctx_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const unsigned char *in = box;
    int n = 0;
    if (box_len < SEAL_OVERHEAD || box_len >= INT_MAX || bound_len >= INT_MAX)
        return error_new(ERROR_DENIED, "sealed box has no valid size");
    assert(ctx);
    size_t len = box_len - SEAL_OVERHEAD;
    _cleanup_free_ unsigned char *out = xmalloc(len + 1);
    must(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, in));
    if (bound_len)
        must(EVP_DecryptUpdate(ctx, NULL, &n, bound, (int)bound_len));
    if (len)
        must(EVP_DecryptUpdate(ctx, out, &n, in + NONCE, (int)len));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, (void *)(in + NONCE + len)));
    if (EVP_DecryptFinal_ex(ctx, out + len, &n) != 1) {
        wipe(out, len);
        return error_new(ERROR_DENIED, "sealed box does not open with this key");
    }
    out[len] = 0;
    *ret = TAKE_PTR(out);
    *ret_len = len;
    return NULL;
}
