/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_S3_ERROR_H
#define OBJECT_STORE_S3_ERROR_H
/* The error codes of S3 that the store answers, as one table. */
#include "common/base/error.h"

/* clang-format off */
#define S3_ERRORS(X)                                                                               \
    X(ACL_UNSUPPORTED, "AccessControlListNotSupported", 400, "The bucket does not allow ACLs")      \
    X(STORAGE_CLASS, "InvalidStorageClass", 400, "The storage class you specified is not valid")   \
    X(ACCESS_DENIED, "AccessDenied", 403, "Access Denied")                                         \
    X(AUTH_QUERY, "AuthorizationQueryParametersError", 400,  \
      "Query-string authentication requires all of its parameters "  \
      "once.") \
    X(AUTH_HEADER, "AuthorizationHeaderMalformed", 400, "The authorization header is malformed.")  \
    X(BAD_DIGEST, "BadDigest", 400, "The digest you specified did not match what we received.")    \
    X(BUCKET_EXISTS, "BucketAlreadyExists", 409, "The requested bucket name is not available.")    \
    X(BUCKET_YOURS, "BucketAlreadyOwnedByYou", 409,  \
      "Your previous request to create the named bucket succeeded and you already own "  \
      "it.") \
    X(BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty.")     \
    X(CONTENT_SHA256, "XAmzContentSHA256Mismatch", 400,  \
      "The provided 'x-amz-content-sha256' header does not match what was "  \
      "computed.") \
    X(ENTITY_TOO_LARGE, "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size.") \
    X(ENTITY_TOO_SMALL, "EntityTooSmall", 400,  \
      "Your proposed upload is smaller than the minimum allowed object "  \
      "size.") \
    X(INCOMPLETE_BODY, "IncompleteBody", 400, "The request body terminated unexpectedly or is malformed.") \
    X(INTERNAL, "InternalError", 500, "We encountered an internal error. Please try again.")       \
    X(INVALID_KEY_ID, "InvalidAccessKeyId", 403,  \
      "The AWS Access Key Id you provided does not exist in our "  \
      "records.") \
    X(INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid Argument")                                \
    X(INVALID_BUCKET_NAME, "InvalidBucketName", 400, "The specified bucket is not valid.")         \
    X(INVALID_DIGEST, "InvalidDigest", 400, "The Content-MD5 you specified is not valid.")         \
    X(INVALID_PART, "InvalidPart", 400,  \
      "One or more of the specified parts could not be found, or the specified entity tag might not "  \
      "match the part's entity tag.") \
    X(INVALID_PART_NUMBER, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable") \
    X(INVALID_PART_ORDER, "InvalidPartOrder", 400, "The list of parts was not in ascending order.") \
    X(INVALID_RANGE, "InvalidRange", 416, "The requested range is not satisfiable")                \
    X(INVALID_REQUEST, "InvalidRequest", 400, "Invalid Request")                                   \
    X(INVALID_URI, "InvalidURI", 400, "Couldn't parse the specified URI.")                         \
    X(KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long")                                \
    X(MALFORMED_XML, "MalformedXML", 400,  \
      "The XML you provided was not well-formed or did not validate against our published "  \
      "schema") \
    X(METADATA_TOO_LARGE, "MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size") \
    X(METHOD, "MethodNotAllowed", 405, "The specified method is not allowed against this resource.") \
    X(MISSING_LENGTH, "MissingContentLength", 411, "You must provide the Content-Length HTTP header.") \
    X(NO_BUCKET, "NoSuchBucket", 404, "The specified bucket does not exist")                       \
    X(NO_BUCKET_POLICY, "NoSuchBucketPolicy", 404, "The bucket policy does not exist")             \
    X(NO_CORS, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")            \
    X(NO_ENCRYPTION, "ServerSideEncryptionConfigurationNotFoundError", 404,  \
      "The server side encryption configuration was not "  \
      "found") \
    X(NO_KEY, "NoSuchKey", 404, "The specified key does not exist.")                               \
    X(NO_LIFECYCLE, "NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist") \
    X(NO_LOCK, "ObjectLockConfigurationNotFoundError", 404,  \
      "Object Lock configuration does not exist for this "  \
      "bucket") \
    X(NO_OWNERSHIP, "OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found") \
    X(NO_PUBLIC_BLOCK, "NoSuchPublicAccessBlockConfiguration", 404,  \
      "The public access block configuration was not "  \
      "found") \
    X(NO_REPLICATION, "ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found") \
    X(NO_TAGS, "NoSuchTagSet", 404, "The TagSet does not exist")                                   \
    X(NO_UPLOAD, "NoSuchUpload", 404,  \
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have "  \
      "been aborted or completed.") \
    X(NO_WEBSITE, "NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration") \
    X(NOT_HAD, "NotImplemented", 501,  \
      "A header or query you provided implies functionality that this store does not "  \
      "have.") \
    X(NOT_MODIFIED, "NotModified", 304, "Not Modified")                                            \
    X(PRECONDITION, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold") \
    X(REQUEST_EXPIRED, "AccessDenied", 403, "Request has expired")                                 \
    X(SIGNATURE, "SignatureDoesNotMatch", 403,  \
      "The request signature we calculated does not match the signature you provided. Check your key "  \
      "and signing method.") \
    X(SKEWED, "RequestTimeTooSkewed", 403,  \
      "The difference between the request time and the current time is too "  \
      "large.") \
    X(SLOW_DOWN, "SlowDown", 503, "Please reduce your request rate.")                              \
    X(UNAVAILABLE, "ServiceUnavailable", 503, "Service is unable to handle request.")
/* clang-format on */

#define S3_DECLARE(name, wire, status, message) extern const struct error_code S3_##name;
S3_ERRORS(S3_DECLARE)
#undef S3_DECLARE
#endif
