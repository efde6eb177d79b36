/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/call.h"
#include "object-store/s3-error.h"

enum { SERVICE, BUCKET, OBJECT };

/* The first row that fits is taken; a row with a subresource before those without. */
static const struct operation rows[] = {
    {"GetIndexCopy", "GET", SERVICE, "mallee-index", NULL, BODY_NONE, op_get_index_copy},
    {"ListBuckets", "GET", SERVICE, NULL, NULL, BODY_NONE, op_list_buckets},
    {"GetBucketLocation", "GET", BUCKET, "location", NULL, BODY_NONE, op_get_location},
    {"GetBucketVersioning", "GET", BUCKET, "versioning", NULL, BODY_NONE, op_get_versioning},
    {"GetBucketAcl", "GET", BUCKET, "acl", NULL, BODY_NONE, op_get_acl},
    {"GetBucketPolicy", "GET", BUCKET, "policy", NULL, BODY_NONE, op_get_absent},
    {"GetBucketLifecycle", "GET", BUCKET, "lifecycle", NULL, BODY_NONE, op_get_absent},
    {"GetBucketCors", "GET", BUCKET, "cors", NULL, BODY_NONE, op_get_absent},
    {"GetBucketTagging", "GET", BUCKET, "tagging", NULL, BODY_NONE, op_get_absent},
    {"GetBucketEncryption", "GET", BUCKET, "encryption", NULL, BODY_NONE, op_get_absent},
    {"GetObjectLockConfiguration", "GET", BUCKET, "object-lock", NULL, BODY_NONE, op_get_absent},
    {"GetBucketReplication", "GET", BUCKET, "replication", NULL, BODY_NONE, op_get_absent},
    {"GetBucketWebsite", "GET", BUCKET, "website", NULL, BODY_NONE, op_get_absent},
    {"GetPublicAccessBlock", "GET", BUCKET, "publicAccessBlock", NULL, BODY_NONE, op_get_absent},
    {"GetBucketOwnershipControls", "GET", BUCKET, "ownershipControls", NULL, BODY_NONE, op_get_absent},
    {"ListMultipartUploads", "GET", BUCKET, "uploads", NULL, BODY_NONE, op_list_uploads},
    {"DeleteObjects", "POST", BUCKET, "delete", NULL, BODY_XML, op_delete_objects},
    {"CreateBucket", "PUT", BUCKET, NULL, NULL, BODY_XML, op_create_bucket},
    {"HeadBucket", "HEAD", BUCKET, NULL, NULL, BODY_NONE, op_head_bucket},
    {"DeleteBucket", "DELETE", BUCKET, NULL, NULL, BODY_NONE, op_delete_bucket},
    {"ListObjects", "GET", BUCKET, NULL, NULL, BODY_NONE, op_list},
    {"GetObjectAcl", "GET", OBJECT, "acl", NULL, BODY_NONE, op_get_acl},
    {"GetObjectTagging", "GET", OBJECT, "tagging", NULL, BODY_NONE, op_get_tagging},
    {"GetObjectAttributes", "GET", OBJECT, "attributes", NULL, BODY_NONE, op_get_attributes},
    {"CreateMultipartUpload", "POST", OBJECT, "uploads", NULL, BODY_NONE, op_create_upload},
    {"UploadPartCopy", "PUT", OBJECT, "uploadId", "x-amz-copy-source", BODY_NONE, op_copy_part},
    {"UploadPart", "PUT", OBJECT, "uploadId", "partNumber", BODY_STREAM, op_upload_part},
    {"CompleteMultipartUpload", "POST", OBJECT, "uploadId", NULL, BODY_XML, op_complete_upload},
    {"AbortMultipartUpload", "DELETE", OBJECT, "uploadId", NULL, BODY_NONE, op_abort_upload},
    {"ListParts", "GET", OBJECT, "uploadId", NULL, BODY_NONE, op_list_parts},
    {"CopyObject", "PUT", OBJECT, NULL, "x-amz-copy-source", BODY_NONE, op_copy_object},
    {"PutObject", "PUT", OBJECT, NULL, NULL, BODY_STREAM, op_put_object},
    {"GetObject", "GET", OBJECT, NULL, NULL, BODY_NONE, op_get_object},
    {"HeadObject", "HEAD", OBJECT, NULL, NULL, BODY_NONE, op_get_object},
    {"DeleteObject", "DELETE", OBJECT, NULL, NULL, BODY_NONE, op_delete_object},
};

/* Query parameters that choose an operation: with one of these a plain row must not be taken. */
static const char *const subresources[] = {
    "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption",
    "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "mallee-index", "metrics",
    "notification", "object-lock", "ownershipControls", "partNumber", "policy", "policyStatus",
    "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select",
    "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
};

static bool has(const struct call *c, const char *name)
{
    return str_starts(name, "x-") ? call_header(c, name) != NULL : call_param(c, name) != NULL;
}

static bool any_subresource(const struct call *c, bool read)
{
    for (size_t i = 0; i < ARRAY_SIZE(subresources); i++) {
        /* "null" is the version that an unversioned object has; partNumber may pick a part of a read. */
        const char *value = call_param(c, subresources[i]);
        if (value && streq(subresources[i], "versionId") && streq(value, "null"))
            continue;
        if (value && read && streq(subresources[i], "partNumber"))
            continue;
        if (value)
            return true;
    }
    return false;
}

static bool fits(const struct operation *o, const struct call *c, const char *method, int level)
{
    if (o->level != level || !streq(o->method, method))
        return false;
    if (o->subresource ? !has(c, o->subresource) : any_subresource(c, streq(method, "GET") || streq(method, "HEAD")))
        return false;
    return !o->second || has(c, o->second);
}

const struct operation *operation_find(const struct call *c, struct error **ret_error)
{
    const char *method = http_request_method(c->http);
    int level = !c->bucket ? SERVICE : c->key_len ? OBJECT : BUCKET;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (fits(&rows[i], c, method, level))
            return &rows[i];
    if (any_subresource(c, false))
        *ret_error = error_new_code(&S3_NOT_HAD, "%s", S3_NOT_HAD.message);
    else
        *ret_error = error_new_code(&S3_METHOD, "%s", S3_METHOD.message);
    return NULL;
}
