/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_S3_SOURCE_H
#define IMAGE_SERVICE_S3_SOURCE_H
/* A user's object as a source of disk bytes: ranges of 4 MiB, the last few kept in memory.  Nothing of it touches a disk
 * here.  The object is read in the version that was there at the start.  One thread. */
#include "api/s3-client.h"
#include "core/image/disk.h"

struct s3_source;

/* The caller and the texts are borrowed; `owner` is the account that must own the bucket. */
struct error *s3_source_open(struct aws_caller *c, const char *bucket, const char *key, const char *owner,
                             struct s3_source **ret) _must_check_;
void s3_source_free(struct s3_source *s);
DEFINE_CLEANUP(struct s3_source *, s3_source_free)
struct image_source s3_source_face(struct s3_source *s);
#endif
