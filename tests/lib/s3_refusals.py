# SPDX-License-Identifier: Apache-2.0
"""Every way to change something in a bucket, to show that a key is refused all of them."""
import botocore.exceptions


def writes(bucket, key):
    """(operation, arguments) of boto3's S3 client."""
    at = {"Bucket": bucket, "Key": key}
    part = {**at, "UploadId": "00000000000000000000000000000000", "PartNumber": 1}
    upload = {k: v for k, v in part.items() if k != "PartNumber"}
    return [
        ("put_object", {**at, "Body": b"x"}),
        ("put_object", {"Bucket": bucket, "Key": "new", "Body": b"x" * 100000}),
        ("delete_object", at),
        ("delete_objects", {"Bucket": bucket, "Delete": {"Objects": [{"Key": key}]}}),
        ("copy_object", {"Bucket": bucket, "Key": "copy", "CopySource": at}),
        ("copy_object", {"Bucket": "nodes-own", "Key": "copy", "CopySource": at}),
        ("create_multipart_upload", at),
        ("upload_part", {**part, "Body": b"x"}),
        ("upload_part_copy", {**part, "CopySource": at}),
        ("complete_multipart_upload", {**upload, "MultipartUpload": {"Parts": [{"ETag": "x", "PartNumber": 1}]}}),
        ("abort_multipart_upload", upload),
        ("put_object_tagging", {**at, "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
        ("delete_object_tagging", at),
        ("put_object_acl", {**at, "ACL": "private"}),
        ("put_bucket_policy", {"Bucket": bucket, "Policy": "{}"}),
        ("put_bucket_tagging", {"Bucket": bucket, "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
        ("create_bucket", {"Bucket": bucket}),
        ("create_bucket", {"Bucket": "nodes-own"}),
        ("delete_bucket", {"Bucket": bucket}),
    ]


def looks(bucket, key):
    """What a key that may only fetch what it can name must not see."""
    return [
        ("list_buckets", {}), ("list_objects_v2", {"Bucket": bucket}), ("list_objects", {"Bucket": bucket}),
        ("list_multipart_uploads", {"Bucket": bucket}), ("get_bucket_location", {"Bucket": bucket}),
        ("get_object_acl", {"Bucket": bucket, "Key": key}), ("get_object_tagging", {"Bucket": bucket, "Key": key}),
    ]


def taken(client, calls):
    """The calls that were answered anything but AccessDenied, with what they were answered."""
    found = []
    for name, arguments in calls:
        try:
            getattr(client, name)(**arguments)
            found.append((name, arguments, "done"))
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                found.append((name, arguments, error.response["Error"]["Code"]))
    return found
