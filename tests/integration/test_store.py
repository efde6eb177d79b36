# SPDX-License-Identifier: Apache-2.0
"""The object store as boto3 and the AWS CLI see it."""
import base64
import concurrent.futures
import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

sys.path.insert(0, os.path.dirname(__file__))
from store_lib import KEYS, Store  # noqa: E402

PSS_MAX = (100 if not os.environ.get("MALLEE_SANITIZE") else 100000) * 1024  # KiB; a sanitizer needs its own


@pytest.fixture(scope="module")
def store():
    s = Store("--garbage-delay", "100ms")
    yield s
    s.stop()


@pytest.fixture(scope="module")
def s3(store):
    return store.client()


def code_of(call, *args, **kwargs):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(*args, **kwargs)
    return e.value.response["Error"]["Code"], e.value.response["ResponseMetadata"]["HTTPStatusCode"]


def bucket(s3, name):
    s3.create_bucket(Bucket=name)
    return name


def test_buckets(store, s3):
    b = bucket(s3, "first-bucket")
    s3.create_bucket(Bucket=b)  # us-east-1: once more is well
    assert b in [x["Name"] for x in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=b)
    assert s3.get_bucket_location(Bucket=b)["LocationConstraint"] is None
    two = store.client("two")
    assert code_of(two.create_bucket, Bucket=b) == ("BucketAlreadyExists", 409)
    assert code_of(two.list_objects_v2, Bucket=b) == ("AccessDenied", 403)
    assert code_of(two.put_object, Bucket=b, Key="k", Body=b"x") == ("AccessDenied", 403)
    assert b not in [x["Name"] for x in two.list_buckets()["Buckets"]]
    assert code_of(s3.create_bucket, Bucket="192.168.1.1") == ("InvalidBucketName", 400)
    assert code_of(s3.get_bucket_policy, Bucket=b) == ("NoSuchBucketPolicy", 404)
    s3.put_object(Bucket=b, Key="k", Body=b"x")
    assert code_of(s3.delete_bucket, Bucket=b) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=b, Key="k")
    s3.delete_bucket(Bucket=b)
    assert code_of(s3.head_bucket, Bucket=b) == ("404", 404)


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 65536, 65537, 1048576, 3 * 1048576 + 17])
def test_round_trip(s3, size):
    b = bucket(s3, "round-trip")
    body = os.urandom(size)
    put = s3.put_object(Bucket=b, Key=f"dir/{size} ä+%2F", Body=body, ContentType="text/x-test", Metadata={"a": "1", "bee": "zwei"})
    assert put["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
    got = s3.get_object(Bucket=b, Key=f"dir/{size} ä+%2F")
    assert got["Body"].read() == body
    assert got["ContentType"] == "text/x-test" and got["Metadata"] == {"a": "1", "bee": "zwei"}
    head = s3.head_object(Bucket=b, Key=f"dir/{size} ä+%2F")
    assert head["ContentLength"] == size and head["ETag"] == put["ETag"]


def test_ranges(s3):
    b = bucket(s3, "ranges")
    body = os.urandom(300000)
    s3.put_object(Bucket=b, Key="k", Body=body)
    for spec, want in (("0-0", body[:1]), ("65535-65536", body[65535:65537]), ("100-", body[100:]), ("-7", body[-7:]),
                       ("299999-400000", body[299999:]), ("-999999", body)):
        got = s3.get_object(Bucket=b, Key="k", Range="bytes=" + spec)
        assert got["Body"].read() == want and got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert code_of(s3.get_object, Bucket=b, Key="k", Range="bytes=300000-") == ("InvalidRange", 416)
    assert s3.get_object(Bucket=b, Key="k", Range="bytes=5-2")["Body"].read() == body


def test_conditions(s3):
    b = bucket(s3, "conditions")
    tag = s3.put_object(Bucket=b, Key="k", Body=b"x")["ETag"]
    assert s3.get_object(Bucket=b, Key="k", IfMatch=tag)["Body"].read() == b"x"
    assert code_of(s3.get_object, Bucket=b, Key="k", IfMatch='"no"') == ("PreconditionFailed", 412)
    assert code_of(s3.get_object, Bucket=b, Key="k", IfNoneMatch=tag) == ("304", 304)
    modified = s3.head_object(Bucket=b, Key="k")["LastModified"]
    assert code_of(s3.get_object, Bucket=b, Key="k", IfModifiedSince=modified) == ("304", 304)


def raw(store, method, path, body=b"", headers=None, who="one", secret=None, payload=None, query_auth=False):
    key, own, _ = KEYS[who]
    creds = botocore.credentials.Credentials(key, secret or own)
    request = botocore.awsrequest.AWSRequest(method, store.url + path, data=None if query_auth else body, headers=headers or {})
    if payload:
        request.headers["x-amz-content-sha256"] = payload
        request.context["payload_signing_enabled"] = False
    auth = (botocore.auth.S3SigV4QueryAuth if query_auth else botocore.auth.S3SigV4Auth)(creds, "s3", "us-east-1")
    if payload:
        auth.payload = lambda _: payload
    auth.add_auth(request)
    prepared = request.prepare()
    out = urllib.request.Request(prepared.url, data=body if method in ("PUT", "POST") else None, method=method,
                                 headers={k: (v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()})
    try:
        with urllib.request.urlopen(out) as a:
            return a.status, a.read(), dict(a.headers)
    except urllib.error.HTTPError as e:
        return e.code, e.read(), dict(e.headers)


def test_conditional_put_has_one_winner(store, s3):
    b = bucket(s3, "winner")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda i: raw(store, "PUT", f"/{b}/k", b"%d" % i, {"If-None-Match": "*"})[0], range(32)))
    assert codes.count(200) == 1 and codes.count(412) == 31


def test_digests(store, s3):
    b = bucket(s3, "digests")
    assert raw(store, "PUT", f"/{b}/k", b"abc", {"Content-MD5": base64.b64encode(hashlib.md5(b"abd").digest()).decode()})[0] == 400
    assert b"BadDigest" in raw(store, "PUT", f"/{b}/k", b"abc", {"x-amz-checksum-crc32": "AAAAAA=="})[1]
    assert b"InvalidDigest" in raw(store, "PUT", f"/{b}/k", b"abc", {"Content-MD5": "xx"})[1]
    assert b"XAmzContentSHA256Mismatch" in raw(store, "PUT", f"/{b}/k", b"abc", payload=hashlib.sha256(b"x").hexdigest())[1]
    assert code_of(s3.head_object, Bucket=b, Key="k") == ("404", 404)
    crc = base64.b64encode(zlib.crc32(b"abc").to_bytes(4, "big")).decode()
    status, _, headers = raw(store, "PUT", f"/{b}/k", b"abc", {"x-amz-checksum-crc32": crc})
    assert status == 200 and headers["x-amz-checksum-crc32"] == crc
    headers = raw(store, "GET", f"/{b}/k", headers={"x-amz-checksum-mode": "ENABLED"})[2]
    assert headers["x-amz-checksum-crc32"] == crc


SENTINELS = ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
             "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", hashlib.sha256(b"0\r\n\r\n").hexdigest()]


@pytest.mark.parametrize("payload", SENTINELS)
@pytest.mark.parametrize("query_auth", [False, True])
def test_wrong_secret_is_refused_on_every_path(store, s3, payload, query_auth):
    b = bucket(s3, "wrong-secret")
    for method, path in (("PUT", f"/{b}/k"), ("PUT", f"/{b}/k?partNumber=1&uploadId=x"), ("POST", f"/{b}?delete"), ("GET", f"/{b}"),
                         ("DELETE", f"/{b}"), ("POST", f"/{b}/k?uploads"), ("GET", "/"), ("PUT", "/wrong-secret-2"), ("GET", f"/{b}/k")):
        status, body, _ = raw(store, method, path, b"0\r\n\r\n", {"x-amz-decoded-content-length": "0"}, secret="wrong",
                              payload=payload, query_auth=query_auth)
        assert status == 403 and b"SignatureDoesNotMatch" in body
    assert "Contents" not in s3.list_objects_v2(Bucket=b)


def chunk_chain(store, path, chunks, trailer=None, flip=None):
    """A signed aws-chunked upload made by hand."""
    import datetime
    import hmac
    key, secret, _ = KEYS["one"]
    now = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    sign = lambda k, m: hmac.new(k, m.encode(), hashlib.sha256).digest()  # noqa: E731
    k = sign(sign(sign(sign(b"AWS4" + secret.encode(), now[:8]), "us-east-1"), "s3"), "aws4_request")
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    host = f"127.0.0.1:{store.port}"
    headers = {"host": host, "x-amz-content-sha256": mode, "x-amz-date": now,
               "x-amz-decoded-content-length": str(sum(map(len, chunks)))}
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    names = ";".join(sorted(headers))
    canonical = "\n".join(["PUT", path, ""] + [f"{n}:{headers[n]}" for n in sorted(headers)] + ["", names, mode])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    last = sign(k, to_sign).hex()
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={last}"
    body, empty = b"", hashlib.sha256(b"").hexdigest()
    for chunk in list(chunks) + [b""]:
        last = sign(k, "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", now, scope, last, empty, hashlib.sha256(chunk).hexdigest()])).hex()
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), last.encode()) + chunk + (b"\r\n" if chunk else b"")
    if trailer:
        line = f"{trailer[0]}:{trailer[1]}"
        last = sign(k, "\n".join(["AWS4-HMAC-SHA256-TRAILER", now, scope, last, hashlib.sha256((line + "\n").encode()).hexdigest()])).hex()
        body += f"{line}\r\nx-amz-trailer-signature:{last}\r\n".encode()
    body += b"\r\n"
    if flip is not None:
        at = body.index(flip)
        body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
    return headers, body


def send(store, path, headers, body, chunked=None):
    """Over a socket; with `chunked` the body is nested in HTTP chunks of that size."""
    headers = dict(headers, **({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}), Connection="close")
    if chunked:
        body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + chunked]), body[i:i + chunked]) for i in range(0, len(body), chunked)) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", store.port)) as s:
        s.settimeout(20)
        s.sendall(f"PUT {path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n" + body)
        out = b""
        while True:
            more = s.recv(65536)
            if not more:
                return int(out.split(b" ", 2)[1]), out
            out += more


@pytest.mark.parametrize("nest", [None, 1, 7, 8192, 100000])
@pytest.mark.parametrize("trailer", [False, True])
def test_signed_chunks(store, s3, nest, trailer):
    b = bucket(s3, "signed-chunks")
    chunks = [os.urandom(65536 if nest != 1 else 700), os.urandom(12345 if nest != 1 else 33)]
    whole = b"".join(chunks)
    tail = ("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()) if trailer else None
    status, answer = send(store, f"/{b}/k", *chunk_chain(store, f"/{b}/k", chunks, tail), chunked=nest)
    assert status == 200, answer
    assert s3.get_object(Bucket=b, Key="k")["Body"].read() == whole


def test_spoiled_chunks(store, s3):
    b = bucket(s3, "spoiled-chunks")
    chunks = [b"a" * 70000, b"b" * 500]
    crc = base64.b64encode(zlib.crc32(b"".join(chunks)).to_bytes(4, "big")).decode()
    path = f"/{b}/k"
    for flip in (b"aaaa", b"bbbb", b"chunk-signature", crc.encode()):
        headers, body = chunk_chain(store, path, chunks, ("x-amz-checksum-crc32", crc), flip)
        assert send(store, path, headers, body)[0] in (400, 403)
    headers, body = chunk_chain(store, path, chunks, ("x-amz-checksum-crc32", "AAAAAA=="))
    status, answer = send(store, path, headers, body)
    assert status == 400 and b"BadDigest" in answer
    headers, body = chunk_chain(store, path, chunks)
    assert send(store, path, headers, body[:-90])[0] == 400
    assert send(store, path, headers, body + b"x")[0] == 400
    assert code_of(s3.head_object, Bucket=b, Key="k") == ("404", 404)


def test_unsigned_trailer(store, s3):
    b = bucket(s3, "unsigned-trailer")
    data = os.urandom(200000)
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    frame = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    headers = {"x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked"}
    mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert raw(store, "PUT", f"/{b}/k", frame % (len(data), data, crc.encode()), headers, payload=mode)[0] == 200
    got = s3.get_object(Bucket=b, Key="k")
    assert got["Body"].read() == data and "ContentEncoding" not in got
    assert b"BadDigest" in raw(store, "PUT", f"/{b}/bad", frame % (len(data), data, b"AAAAAA=="), headers, payload=mode)[1]
    assert raw(store, "PUT", f"/{b}/bad", b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data), headers, payload=mode)[0] == 400
    assert code_of(s3.head_object, Bucket=b, Key="bad") == ("404", 404)


def test_unsigned_header_on_presigned_url(store):
    s3 = store.client(signature_version="s3v4")
    b = bucket(s3, "presigned")
    url = s3.generate_presigned_url("put_object", {"Bucket": b, "Key": "k"})
    with urllib.request.urlopen(urllib.request.Request(url, data=b"hello", method="PUT")) as a:
        assert a.status == 200
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", {"Bucket": b, "Key": "k"})) as a:
        assert a.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(urllib.request.Request(url, data=b"", method="PUT", headers={"x-amz-copy-source": f"/{b}/k"}))
    assert e.value.code == 403
    short = s3.generate_presigned_url("get_object", {"Bucket": b, "Key": "k"}, ExpiresIn=1)
    time.sleep(2.1)
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(short)
    assert e.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(f"{store.url}/{b}/k")
    assert e.value.code == 403


def test_sigv2(store, s3):
    b = bucket(s3, "old-clients")
    old = store.client(signature_version="s3")
    old.put_object(Bucket=b, Key="k ä", Body=b"two", Metadata={"m": "x"})
    assert old.get_object(Bucket=b, Key="k ä")["Body"].read() == b"two"
    assert [o["Key"] for o in old.list_objects(Bucket=b)["Contents"]] == ["k ä"]
    with urllib.request.urlopen(old.generate_presigned_url("get_object", {"Bucket": b, "Key": "k ä"})) as a:
        assert a.read() == b"two"
    assert code_of(store.client(secret="wrong", signature_version="s3").get_object, Bucket=b, Key="k ä")[0] == "SignatureDoesNotMatch"


def test_listing(s3):
    b = bucket(s3, "listing")
    keys = sorted([f"a/{i:03}" for i in range(25)] + [f"b/{i}/x" for i in range(5)] + ["c", "d&<>", "e f", "zz/1"], key=lambda k: k.encode())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: s3.put_object(Bucket=b, Key=k, Body=b""), keys))
    for name in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(name)
        for size in (1, 3, 7, 1000):
            found = [o["Key"] for p in pages.paginate(Bucket=b, PaginationConfig={"PageSize": size}) for o in p.get("Contents", [])]
            assert found == keys, (name, size)
            got = list(pages.paginate(Bucket=b, Delimiter="/", PaginationConfig={"PageSize": size}))
            assert [o["Key"] for p in got for o in p.get("Contents", [])] == ["c", "d&<>", "e f"], (name, size)
            assert [o["Prefix"] for p in got for o in p.get("CommonPrefixes", [])] == ["a/", "b/", "zz/"], (name, size)
        got = list(pages.paginate(Bucket=b, Delimiter="/", Prefix="b/", PaginationConfig={"PageSize": 2}))
        assert [o["Prefix"] for p in got for o in p.get("CommonPrefixes", [])] == [f"b/{i}/" for i in range(5)]
    after = s3.list_objects_v2(Bucket=b, StartAfter="b/4/x", MaxKeys=2)
    assert [o["Key"] for o in after["Contents"]] == ["c", "d&<>"] and after["IsTruncated"]
    answer = s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": k} for k in keys]})
    assert len(answer["Deleted"]) == len(keys)
    assert "Contents" not in s3.list_objects_v2(Bucket=b)


def test_copy(store, s3):
    b = bucket(s3, "copies")
    body = os.urandom(100000)
    s3.put_object(Bucket=b, Key="from ä", Body=body, Metadata={"a": "1"}, ContentType="x/y")
    s3.copy_object(Bucket=b, Key="to", CopySource={"Bucket": b, "Key": "from ä"})
    got = s3.get_object(Bucket=b, Key="to")
    assert got["Body"].read() == body and got["Metadata"] == {"a": "1"} and got["ContentType"] == "x/y"
    s3.copy_object(Bucket=b, Key="from ä", CopySource={"Bucket": b, "Key": "from ä"}, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=b, Key="from ä")["Metadata"] == {"b": "2"}
    s3.delete_object(Bucket=b, Key="from ä")
    time.sleep(0.3)
    assert s3.get_object(Bucket=b, Key="to")["Body"].read() == body
    assert code_of(s3.copy_object, Bucket=b, Key="x", CopySource={"Bucket": b, "Key": "to"}, CopySourceIfMatch="no")[1] == 412
    two = store.client("two")
    theirs = bucket(two, "copies-of-two")
    assert code_of(two.copy_object, Bucket=theirs, Key="x", CopySource={"Bucket": b, "Key": "to"}) == ("AccessDenied", 403)


def test_multipart(s3):
    b = bucket(s3, "multipart")
    parts = [os.urandom(5 * 1024 * 1024), os.urandom(5 * 1024 * 1024 + 7), os.urandom(100)]
    up = s3.create_multipart_upload(Bucket=b, Key="k", Metadata={"m": "1"})["UploadId"]
    tags = [s3.upload_part(Bucket=b, Key="k", UploadId=up, PartNumber=i + 1, Body=p)["ETag"] for i, p in enumerate(parts)]
    s3.upload_part(Bucket=b, Key="k", UploadId=up, PartNumber=9, Body=b"left over")
    assert [p["PartNumber"] for p in s3.list_parts(Bucket=b, Key="k", UploadId=up)["Parts"]] == [1, 2, 3, 9]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=b)["Uploads"]] == [up]
    done = lambda numbers: {"Parts": [{"PartNumber": n, "ETag": tags[n - 1]} for n in numbers]}  # noqa: E731
    complete = lambda numbers: s3.complete_multipart_upload(Bucket=b, Key="k", UploadId=up, MultipartUpload=done(numbers))  # noqa: E731
    assert code_of(complete, [2, 1]) == ("InvalidPartOrder", 400)
    assert code_of(complete, [3, 1]) == ("InvalidPartOrder", 400)
    wrong = {"Parts": [{"PartNumber": 1, "ETag": tags[1]}]}
    assert code_of(s3.complete_multipart_upload, Bucket=b, Key="k", UploadId=up, MultipartUpload=wrong) == ("InvalidPart", 400)
    assert code_of(s3.get_object, Bucket=b, Key="k") == ("NoSuchKey", 404)
    tag = complete([1, 2, 3])["ETag"]
    whole = b"".join(parts)
    want = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()
    assert tag == f'"{want}-3"'
    got = s3.get_object(Bucket=b, Key="k")
    assert got["Body"].read() == whole and got["Metadata"] == {"m": "1"}
    edge = 5 * 1024 * 1024
    assert s3.get_object(Bucket=b, Key="k", Range=f"bytes={edge - 3}-{edge + 3}")["Body"].read() == whole[edge - 3:edge + 4]
    assert complete([1, 2, 3])["ETag"] == tag  # an answer that got lost
    s3.copy_object(Bucket=b, Key="other", CopySource={"Bucket": b, "Key": "k"})
    s3.put_object(Bucket=b, Key="k", Body=b"new")
    assert code_of(complete, [1, 2, 3]) == ("NoSuchUpload", 404)
    s3.copy_object(Bucket=b, Key="k", CopySource={"Bucket": b, "Key": "other"})
    up = s3.create_multipart_upload(Bucket=b, Key="c")["UploadId"]
    part = s3.upload_part_copy(Bucket=b, Key="c", UploadId=up, PartNumber=1, CopySource={"Bucket": b, "Key": "k"},
                               CopySourceRange=f"bytes=10-{edge + 20}")["CopyPartResult"]["ETag"]
    s3.complete_multipart_upload(Bucket=b, Key="c", UploadId=up, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    assert s3.get_object(Bucket=b, Key="c")["Body"].read() == whole[10:edge + 21]
    up = s3.create_multipart_upload(Bucket=b, Key="gone")["UploadId"]
    s3.upload_part(Bucket=b, Key="gone", UploadId=up, PartNumber=1, Body=b"x" * 100000)
    s3.abort_multipart_upload(Bucket=b, Key="gone", UploadId=up)
    assert code_of(s3.upload_part, Bucket=b, Key="gone", UploadId=up, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)


def multipart(s3, b, key, parts, **more):
    up = s3.create_multipart_upload(Bucket=b, Key=key, **more)["UploadId"]
    tags = [s3.upload_part(Bucket=b, Key=key, UploadId=up, PartNumber=i + 1, Body=p)["ETag"] for i, p in enumerate(parts)]
    named = [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tags)]
    return s3.complete_multipart_upload(Bucket=b, Key=key, UploadId=up, MultipartUpload={"Parts": named})["ETag"]


def test_a_part_of_an_object(s3):
    b = bucket(s3, "a-part-of-it")
    parts = [os.urandom(5 * 1024 * 1024), os.urandom(5 * 1024 * 1024 + 7), os.urandom(100)]
    size, at = sum(map(len, parts)), 0
    multipart(s3, b, "k", parts)
    s3.copy_object(Bucket=b, Key="copy", CopySource={"Bucket": b, "Key": "k"})
    for n, part in enumerate(parts, 1):
        for key in ("k", "copy"):
            got = s3.get_object(Bucket=b, Key=key, PartNumber=n)
            assert got["Body"].read() == part and got["PartsCount"] == 3
            assert got["ContentRange"] == f"bytes {at}-{at + len(part) - 1}/{size}" and got["ResponseMetadata"]["HTTPStatusCode"] == 206
        head = s3.head_object(Bucket=b, Key="k", PartNumber=n)
        assert head["ContentLength"] == len(part) and head["PartsCount"] == 3
        at += len(part)
    assert code_of(s3.get_object, Bucket=b, Key="k", PartNumber=4) == ("InvalidPartNumber", 416)
    assert code_of(s3.get_object, Bucket=b, Key="k", PartNumber=0) == ("InvalidArgument", 400)
    assert code_of(s3.get_object, Bucket=b, Key="k", PartNumber=10001) == ("InvalidArgument", 400)
    assert code_of(s3.get_object, Bucket=b, Key="k", PartNumber=1, Range="bytes=0-1") == ("InvalidRequest", 400)
    assert code_of(s3.get_object, Bucket=b, Key="none", PartNumber=1) == ("NoSuchKey", 404)
    s3.put_object(Bucket=b, Key="whole", Body=b"whole")
    got = s3.get_object(Bucket=b, Key="whole", PartNumber=1)
    assert got["Body"].read() == b"whole" and got["ContentRange"] == "bytes 0-4/5" and "PartsCount" not in got
    assert code_of(s3.get_object, Bucket=b, Key="whole", PartNumber=2) == ("InvalidPartNumber", 416)
    s3.put_object(Bucket=b, Key="empty", Body=b"")
    assert s3.get_object(Bucket=b, Key="empty", PartNumber=1)["Body"].read() == b""


def test_attributes(store, s3):
    b = bucket(s3, "attributes")
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    ask = lambda key, names=every, **more: s3.get_object_attributes(Bucket=b, Key=key, ObjectAttributes=names, **more)  # noqa: E731
    tag = s3.put_object(Bucket=b, Key="k", Body=b"123456789", ChecksumAlgorithm="CRC32")["ETag"]
    got = ask("k")
    assert got["ETag"] == tag.strip('"') and got["ObjectSize"] == 9 and got["StorageClass"] == "STANDARD"
    assert got["Checksum"]["ChecksumCRC32"] == "y/Q5Jg==" and "ObjectParts" not in got
    assert got["LastModified"] == s3.head_object(Bucket=b, Key="k")["LastModified"]
    only = ask("k", ["ObjectSize"])
    assert only["ObjectSize"] == 9 and not {"ETag", "Checksum", "ObjectParts", "StorageClass"} & only.keys()
    parts = [os.urandom(5 * 1024 * 1024), os.urandom(5 * 1024 * 1024 + 7), b"x"]
    tag = multipart(s3, b, "m", parts)
    got = ask("m")
    assert got["ETag"] == tag.strip('"') and got["ObjectSize"] == sum(map(len, parts))
    told = got["ObjectParts"]
    assert told["TotalPartsCount"] == 3 and not told["IsTruncated"]
    assert [(p["PartNumber"], p["Size"]) for p in told["Parts"]] == list(enumerate(map(len, parts), 1))
    page = ask("m", MaxParts=1, PartNumberMarker=1)["ObjectParts"]
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 2 and [p["PartNumber"] for p in page["Parts"]] == [2]
    assert "Parts" not in ask("m", PartNumberMarker=3)["ObjectParts"]
    assert code_of(ask, "none") == ("NoSuchKey", 404)
    assert code_of(ask, "k", ["Colour"]) == ("InvalidArgument", 400)
    assert code_of(store.client("two").get_object_attributes, Bucket=b, Key="k", ObjectAttributes=every) == ("AccessDenied", 403)
    status, body, _ = raw(store, "GET", f"/{b}/k?attributes")
    assert status == 400 and b"<Code>InvalidRequest</Code>" in body
    assert raw(store, "GET", f"/{b}/k?attributes", headers={"x-amz-object-attributes": "ETag"}, secret="wrong")[0] == 403


def test_a_kept_body_fits_its_digests(store, s3):
    b = bucket(s3, "kept-bodies")
    s3.put_object(Bucket=b, Key="k", Body=b"x")
    xml = b"<Delete><Object><Key>k</Key></Object></Delete>"
    good = base64.b64encode(hashlib.md5(xml).digest()).decode()
    sha1 = base64.b64encode(hashlib.sha1(xml).digest()).decode()
    crc = base64.b64encode(zlib.crc32(xml).to_bytes(4, "big")).decode()
    for headers, code in (({}, b"InvalidRequest"), ({"Content-MD5": good[::-1]}, b"InvalidDigest"),
                          ({"Content-MD5": base64.b64encode(b"x" * 16).decode()}, b"BadDigest"),
                          ({"x-amz-checksum-crc32": "AAAAAA=="}, b"BadDigest"), ({"x-amz-checksum-sha1": sha1[:-2] + "A="}, b"BadDigest"),
                          ({"Content-MD5": good, "x-amz-checksum-crc32": "AAAAAA=="}, b"BadDigest"),
                          ({"x-amz-checksum-crc32": crc, "x-amz-checksum-sha1": sha1}, b"InvalidRequest"),
                          ({"x-amz-trailer": "x-amz-checksum-crc32"}, b"InvalidRequest")):
        status, body, _ = raw(store, "POST", f"/{b}?delete", xml, headers)
        assert status == 400 and b"<Code>" + code + b"</Code>" in body, headers
        assert s3.head_object(Bucket=b, Key="k")["ContentLength"] == 1
    for headers in ({"Content-MD5": good}, {"x-amz-checksum-crc32": crc}, {"x-amz-checksum-sha1": sha1}):
        s3.put_object(Bucket=b, Key="k", Body=b"x")
        status, body, _ = raw(store, "POST", f"/{b}?delete", xml, headers)
        assert status == 200 and b"<Deleted><Key>k</Key></Deleted>" in body, headers
        assert code_of(s3.head_object, Bucket=b, Key="k") == ("404", 404)


def test_a_flipped_byte_never_leaves(store, s3):
    b = bucket(s3, "flipped")
    for size, status in ((100000, 500), (3000000, None)):
        before = set(store.files())
        s3.put_object(Bucket=b, Key="k", Body=b"x" * size)
        path, = set(store.files()) - before
        with open(path, "r+b") as f:
            f.seek(size - 5)
            f.write(b"y")
        if status:
            assert raw(store, "GET", f"/{b}/k")[0] == status
        else:
            with pytest.raises(Exception):
                s3.get_object(Bucket=b, Key="k")["Body"].read()
        assert s3.get_object(Bucket=b, Key="k", Range="bytes=0-9")["Body"].read() == b"x" * 10


def test_garbage_goes(store, s3):
    b = bucket(s3, "garbage")
    before = len(store.files())
    for _ in range(5):
        s3.put_object(Bucket=b, Key="k", Body=b"x" * 100000)
    s3.delete_object(Bucket=b, Key="k")
    deadline = time.monotonic() + 20
    while len(store.files()) > before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(store.files()) <= before


def test_what_is_not_had_is_said(store, s3):
    b = bucket(s3, "wishes")
    for header, value, code in (("x-amz-acl", "public-read", b"AccessControlListNotSupported"), ("x-amz-tagging", "a=b", b"NotImplemented"),
                                ("x-amz-server-side-encryption", "AES256", b"NotImplemented"), ("x-amz-storage-class", "GLACIER", b"InvalidStorageClass"),
                                ("x-amz-expected-bucket-owner", "999999999999", b"AccessDenied")):
        status, body, _ = raw(store, "PUT", f"/{b}/k", b"x", {header: value})
        assert status >= 400 and code in body, header
    for query in ("versions", "versionId=abc", "retention", "select", "torrent"):
        assert raw(store, "GET", f"/{b}/k?{query}")[0] in (404, 501), query
    assert raw(store, "PUT", f"/{b}?policy", b"{}")[0] == 501
    assert raw(store, "PUT", f"/{b}/k", b"x", {"x-amz-acl": "private", "x-amz-storage-class": "STANDARD"})[0] == 200


def test_a_reader_keeps_what_it_reads(store, s3):
    b = bucket(s3, "readers")
    parts = [os.urandom(6 << 20), os.urandom(6 << 20)]
    up = s3.create_multipart_upload(Bucket=b, Key="k")["UploadId"]
    tags = [s3.upload_part(Bucket=b, Key="k", UploadId=up, PartNumber=i + 1, Body=p)["ETag"] for i, p in enumerate(parts)]
    s3.complete_multipart_upload(Bucket=b, Key="k", UploadId=up, MultipartUpload={"Parts": [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tags)]})
    body = s3.get_object(Bucket=b, Key="k")["Body"]
    begun = body.read(1000)
    s3.delete_object(Bucket=b, Key="k")
    time.sleep(6)  # a sweep comes every 5 s
    assert begun + body.read() == b"".join(parts)


def test_strange_keys(store, s3):
    b = bucket(s3, "strange-keys")
    for path in ("/../x", "//", "/a/./b", "/%2e%2e%2fx", "/a%5Cb", "/%C3%A4%0A"):
        assert raw(store, "PUT", f"/{b}{path}", b"x" + path.encode())[0] == 200, path
        assert raw(store, "GET", f"/{b}{path}")[1] == b"x" + path.encode(), path
    assert raw(store, "PUT", f"/{b}/a%00b", b"x")[0] == 400
    assert raw(store, "PUT", f"/{b}/a%FFb", b"x")[0] == 400
    assert raw(store, "PUT", f"/{b}/" + "k" * 1025, b"x")[0] == 400
    assert raw(store, "PUT", f"/{b}/" + "k" * 1024, b"x")[0] == 200


def test_a_removed_key_is_dead(store):
    two = store.client("two")
    two.list_buckets()
    store.write_identity({"one": KEYS["one"]})
    time.sleep(1.2)
    assert code_of(two.list_buckets) == ("InvalidAccessKeyId", 403)
    store.write_identity(KEYS)
    time.sleep(1.2)
    two.list_buckets()


def test_identity_file_comes_later():
    s = Store()
    try:
        s.kill()
        os.unlink(s.identity)
        s.start()
        one = s.client()
        assert code_of(one.list_buckets) == ("InvalidAccessKeyId", 403)
        s.write_identity(dict(KEYS, **{"n" * 70 + "\u00e9\u00e9": ("AKIALONGER", "x", "3" * 12)}))
        os.chmod(s.identity, 0o640)
        time.sleep(1.2)
        one.list_buckets()
        time.sleep(0.05)
        s.write_identity(dict(KEYS, new=("AKIANEW", "y", "4" * 12)))
        KEYS["new"] = ("AKIANEW", "y", "4" * 12)
        s.client("new").list_buckets()  # at once
        del KEYS["new"]
        s.write_identity({"two": KEYS["two"]})
        os.chmod(s.identity, 0o644)  # refused: what was known stays known
        time.sleep(1.2)
        one.list_buckets()
    finally:
        s.stop()


def test_aws_cli(store, s3, tmp_path):
    b = bucket(s3, "command-line")
    key, secret, _ = KEYS["one"]
    env = dict(os.environ, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_DEFAULT_REGION="us-east-1",
               AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null", HOME=str(tmp_path))

    def aws(*args):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", store.url, *args], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "small").write_bytes(b"small")
    (tree / "sub" / "big").write_bytes(os.urandom(20 * 1024 * 1024))
    aws("s3", "sync", str(tree), f"s3://{b}/t")
    assert "small" in aws("s3", "ls", f"s3://{b}/t/")
    back = tmp_path / "back"
    aws("s3", "sync", f"s3://{b}/t", str(back))
    assert (back / "sub" / "big").read_bytes() == (tree / "sub" / "big").read_bytes()
    aws("s3", "cp", f"s3://{b}/t/sub/big", f"s3://{b}/copy")
    aws("s3", "rm", "--recursive", f"s3://{b}/t")
    assert aws("s3", "ls", "--recursive", f"s3://{b}/").split()[-1] == "copy"
    assert store.pss() < PSS_MAX


def test_it_restarts(store, s3):
    b = bucket(s3, "restarts")
    body = os.urandom(100000)
    s3.put_object(Bucket=b, Key="k", Body=body)
    store.process.terminate()
    assert store.process.wait(20) == 0
    store.start()
    assert s3.get_object(Bucket=b, Key="k")["Body"].read() == body
    assert store.get("/healthz") == "ok\n"
