/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H
/* `mallee image import FILE`: uploads a raw or qcow2 disk to a bucket of the caller's, registers it, waits until it is
 * available, and removes the upload again, the disk's only plain copy.  The progress goes to stderr. */
#include "cli/admin.h"

struct image_options {
    const char *file;
    const char *name; /* NULL: made of the file's */
    bool public;      /* every account may launch it; for the administrator */
};

/* The new image's id, allocated.  The store is at AWS_ENDPOINT_URL_S3. */
struct error *image_import(const struct admin *admin, const struct image_options *o, char **ret_id) _must_check_;
#endif
