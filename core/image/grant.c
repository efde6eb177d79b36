/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/image/grant.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/crypto/base64.h"

static char *bound_of(const struct image_grant *g)
{
    return xasprintf("mallee image grant 1|%s|%s|%s", g->image.text, g->instance ? g->instance : "",
                     g->node ? g->node : "");
}

struct error *image_grant_seal(const struct image_grant *g, const unsigned char public[WRAP_KEY_SIZE],
                               const unsigned char key[SEAL_KEY_SIZE], char **ret)
{
    _cleanup_free_ char *bound = bound_of(g);
    unsigned char *box = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(wrap_seal(public, key, SEAL_KEY_SIZE, bound, strlen(bound), &box, &len));
    *ret = base64_encode(box, len);
    free(box);
    return NULL;
}

struct error *image_grant_open(const struct image_grant *g, const struct wrap_pair *pair, const char *text,
                               unsigned char ret[SEAL_KEY_SIZE])
{
    _cleanup_free_ char *bound = bound_of(g);
    unsigned char *box = NULL, *key = NULL;
    size_t len = 0, key_len = 0;
    RETURN_IF_ERROR(error_wrap(base64_decode(text, 1024, &box, &len), "the image's grant"));
    struct error *e = wrap_open(pair, box, len, bound, strlen(bound), &key, &key_len);
    free(box);
    if (!e && key_len != SEAL_KEY_SIZE)
        e = error_new(ERROR_DENIED, "a key of %zu bytes", key_len);
    if (!e)
        memcpy(ret, key, SEAL_KEY_SIZE);
    if (key)
        wipe(key, key_len);
    free(key);
    return error_wrap(e, "the grant of %s", g->image.text);
}
