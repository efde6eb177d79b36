/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_S3_SOURCE_H
#define IMAGE_SERVICE_S3_SOURCE_H
/* A user's object as a source of disk bytes: ranges of 4 MiB, the last few kept in memory.  Nothing of it touches a disk
 * here.  It is read by a URL that its owner's key signed for this one object, so the service itself has no right to
 * look into anybody's buckets; and in the version that was there at the start.  One thread. */
#include "common/http-client/http-client.h"
#include "core/image/disk.h"

struct s3_source;

/* The URL is copied.  ERROR_NOT_FOUND, ERROR_DENIED; ERROR_INVALID where the object is empty. */
struct error *s3_source_open(struct http_client *c, const char *url, struct s3_source **ret) _must_check_;
void s3_source_free(struct s3_source *s);
DEFINE_CLEANUP(struct s3_source *, s3_source_free)
struct image_source s3_source_face(struct s3_source *s);
#endif
