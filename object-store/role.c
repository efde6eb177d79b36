/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/role.h"
#include "common/base/array.h"
#include "common/base/str.h"

#define SYSTEM_BUCKET "mallee-images"

static const struct {
    const char *name;
    enum role role;
} names[] = {
    {"image-service", ROLE_IMAGE_SERVICE},
    {"node", ROLE_NODE},
};

/* Whatever is not here is refused; all is of the system bucket. */
static const struct {
    enum role role;
    const char *operation;
    const char *prefix; /* of the key */
} grants[] = {
    {ROLE_IMAGE_SERVICE, "CreateBucket", ""},
    {ROLE_IMAGE_SERVICE, "HeadBucket", ""},
    {ROLE_IMAGE_SERVICE, "ListObjects", ""},
    {ROLE_IMAGE_SERVICE, "GetObject", ""},
    {ROLE_IMAGE_SERVICE, "HeadObject", ""},
    {ROLE_IMAGE_SERVICE, "PutObject", ""},
    {ROLE_IMAGE_SERVICE, "DeleteObject", ""},
    {ROLE_IMAGE_SERVICE, "DeleteObjects", ""},
    {ROLE_NODE, "GetObject", "chunks/"},
    {ROLE_NODE, "HeadObject", "chunks/"},
    {ROLE_NODE, "GetObject", "manifests/"},
    {ROLE_NODE, "HeadObject", "manifests/"},
};

enum role role_of(const char *name)
{
    if (!name)
        return ROLE_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (streq(name, names[i].name))
            return names[i].role;
    return ROLE_UNKNOWN;
}

bool role_allows(enum role role, const char *operation, const char *bucket, const char *key)
{
    if (role == ROLE_NONE) /* a user who made that bucket first would keep all images out */
        return !(operation && bucket && streq(operation, "CreateBucket") && streq(bucket, SYSTEM_BUCKET));
    if (!operation || !bucket || !streq(bucket, SYSTEM_BUCKET))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(grants); i++)
        if (grants[i].role == role && streq(grants[i].operation, operation) && str_starts(key, grants[i].prefix))
            return true;
    return false;
}
