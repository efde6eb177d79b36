/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IMAGE_GRANT_H
#define CORE_IMAGE_GRANT_H
/* An image's key on its way to the one who needs it: wrapped (common/crypto/wrap.h) for that receiver's enrolled key, and
 * bound to what it is for, in base64.  A node gets it with the instance's body, the Image Service with its job. */
#include "common/base/id.h"
#include "common/crypto/seal.h"
#include "common/crypto/wrap.h"

struct image_grant {
    struct id image;
    const char *instance; /* NULL: a job of the Image Service */
    const char *node;     /* who may open it; NULL likewise */
};

struct error *image_grant_seal(const struct image_grant *g, const unsigned char public[WRAP_KEY_SIZE],
                               const unsigned char key[SEAL_KEY_SIZE], char **ret) _must_check_;
/* ERROR_DENIED where it was made for another receiver, image, instance or node. */
struct error *image_grant_open(const struct image_grant *g, const struct wrap_pair *pair, const char *text,
                               unsigned char ret[SEAL_KEY_SIZE]) _must_check_;
#endif
