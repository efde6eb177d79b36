/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_ROLE_H
#define OBJECT_STORE_ROLE_H
/* What a key of one of the cloud's own parts may do.
 *
 * The account of the cloud itself owns the bucket with the images.  Its keys are not each other's equals: the Image
 * Service makes and collects what lies there, a node only reads chunks and manifests that it knows by name.  A key of
 * a user has no role and does what its account may, but for making that bucket.  All here is pure. */
#include <stdbool.h>

enum role {
    ROLE_NONE, /* a user's key */
    ROLE_IMAGE_SERVICE,
    ROLE_NODE,
    ROLE_UNKNOWN, /* of a later version: may do nothing */
};

/* The role by its name in the identity file; NULL: none. */
enum role role_of(const char *name);
/* `operation` and `bucket` may be NULL: none that is known, none at all. */
bool role_allows(enum role role, const char *operation, const char *bucket, const char *key);
#endif
