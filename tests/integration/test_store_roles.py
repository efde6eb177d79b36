# SPDX-License-Identifier: Apache-2.0
"""The keys of the cloud's own parts: what each may do in the store, and nothing else."""
import os
import sys
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

sys.path.insert(0, os.path.dirname(__file__))
from store_lib import Store  # noqa: E402
from s3_refusals import looks, taken, writes  # noqa: E402

BUCKET, CHUNK, MANIFEST = "mallee-images", "chunks/ami-1/0a/00000000", "manifests/ami-1"


@pytest.fixture(scope="module", name="store")
def start_store():
    store = Store()
    # Nobody makes the cloud's own bucket before the cloud does.
    assert not taken(store.client("two"), [("create_bucket", {"Bucket": BUCKET})])
    images = store.client("image-service")
    images.create_bucket(Bucket=BUCKET)
    images.put_object(Bucket=BUCKET, Key=CHUNK, Body=b"c" * 50000)
    images.put_object(Bucket=BUCKET, Key=MANIFEST, Body=b"m")
    images.put_object(Bucket=BUCKET, Key="other", Body=b"o")
    store.client("two").create_bucket(Bucket="uploads")
    store.client("two").put_object(Bucket="uploads", Key=CHUNK, Body=b"mine")
    yield store
    store.stop()


def everything(store):
    images = store.client("image-service")
    keys = [o["Key"] for o in images.list_objects_v2(Bucket=BUCKET)["Contents"]]
    return {key: images.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_a_node_reads_what_it_can_name(store):
    node = store.client("node")
    assert node.get_object(Bucket=BUCKET, Key=CHUNK)["Body"].read() == b"c" * 50000
    assert node.get_object(Bucket=BUCKET, Key=CHUNK, Range="bytes=1-2")["ContentLength"] == 2
    assert node.head_object(Bucket=BUCKET, Key=MANIFEST)["ContentLength"] == 1
    with pytest.raises(botocore.exceptions.ClientError) as error:
        node.get_object(Bucket=BUCKET, Key="manifests/ami-2")
    assert error.value.response["Error"]["Code"] == "NoSuchKey"


def test_a_node_changes_and_lists_nothing(store):
    node, before = store.client("node"), everything(store)
    assert not taken(node, writes(BUCKET, CHUNK) + writes(BUCKET, MANIFEST) + writes("uploads", CHUNK))
    assert not taken(node, looks(BUCKET, CHUNK) + looks("uploads", CHUNK))
    assert not taken(node, [("get_object", {"Bucket": BUCKET, "Key": "other"}),
                            ("get_object", {"Bucket": "uploads", "Key": CHUNK}),
                            ("get_object", {"Bucket": "none-such", "Key": CHUNK})])
    assert everything(store) == before
    assert [b["Name"] for b in store.client("two").list_buckets()["Buckets"]] == ["uploads"]


def test_a_url_that_a_node_signed_writes_nothing(store):
    before = everything(store)
    for version in ("s3v4", "s3"):
        node = store.client("node", signature_version=version)
        url = node.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": CHUNK})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"c" * 50000
        kind = "application/octet-stream"
        url = node.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": CHUNK, "ContentType": kind})
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(urllib.request.Request(url, b"x", {"Content-Type": kind}, method="PUT"))
        assert error.value.code == 403 and b"<Code>AccessDenied</Code>" in error.value.read()
    assert everything(store) == before


def test_the_image_service_has_one_bucket(store):
    images = store.client("image-service")
    assert not taken(images, [("list_buckets", {}), ("create_bucket", {"Bucket": "another"}),
                              ("delete_bucket", {"Bucket": BUCKET}),
                              ("get_object", {"Bucket": "uploads", "Key": CHUNK}),
                              ("put_object", {"Bucket": "uploads", "Key": "x", "Body": b""}),
                              ("copy_object", {"Bucket": BUCKET, "Key": "x",
                                               "CopySource": {"Bucket": "uploads", "Key": CHUNK}})])
    images.create_bucket(Bucket=BUCKET)
    images.put_object(Bucket=BUCKET, Key="passing", Body=b"")
    images.delete_object(Bucket=BUCKET, Key="passing")


def test_a_role_of_a_later_version_may_do_nothing(store):
    later = store.client("later")
    assert not taken(later, writes(BUCKET, CHUNK) + looks(BUCKET, CHUNK))
    assert not taken(later, [("get_object", {"Bucket": BUCKET, "Key": CHUNK})])


def test_users_do_what_they_may(store):
    two = store.client("two")
    assert two.get_object(Bucket="uploads", Key=CHUNK)["Body"].read() == b"mine"
    assert not taken(two, [("get_object", {"Bucket": BUCKET, "Key": CHUNK}), ("list_objects_v2", {"Bucket": BUCKET})])
