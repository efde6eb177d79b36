# SPDX-License-Identifier: Apache-2.0
"""The object store over TLS, with every payload mode, and with an object of many parts in little memory."""
import base64
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import test_store  # noqa: E402
from store_lib import KEYS, Store  # noqa: E402

BIG = 5 * 1024**3 if os.environ.get("MALLEE_LONG") else 1024**3


@pytest.fixture(scope="module")
def tls_store():
    folder = tempfile.mkdtemp()
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    s = Store("--cert-file", cert, "--key-file", key)
    s.cert = cert
    yield s
    s.stop()
    shutil.rmtree(folder)


def exchange(store, path, headers, body, nest):
    """A PUT over TLS, byte for byte."""
    headers = dict(headers, Connection="close", **({"Transfer-Encoding": "chunked"} if nest else {"Content-Length": str(len(body))}))
    if nest:
        body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + nest]), body[i:i + nest]) for i in range(0, len(body), nest)) + b"0\r\n\r\n"
    context = ssl.create_default_context(cafile=store.cert)
    with socket.create_connection(("127.0.0.1", store.port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
        s.settimeout(20)
        s.sendall(f"PUT {path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n" + body)
        out = b""
        while True:
            more = s.recv(65536)
            if not more:
                return int(out.split(b" ", 2)[1]), out
            out += more


@pytest.mark.parametrize("nest", [None, 5, 8192])
@pytest.mark.parametrize("trailer", [False, True])
def test_signed_chunks_over_tls(tls_store, nest, trailer):
    s3 = tls_store.client()
    s3.create_bucket(Bucket="chunks")
    chunks = [os.urandom(70000 if nest != 5 else 900), os.urandom(99)]
    whole = b"".join(chunks)
    tail = ("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()) if trailer else None
    status, answer = exchange(tls_store, "/chunks/k", *test_store.chunk_chain(tls_store, "/chunks/k", chunks, tail), nest)
    assert status == 200, answer
    assert s3.get_object(Bucket="chunks", Key="k")["Body"].read() == whole


@pytest.mark.parametrize("size", [0, 100, 65536, 5000000])
def test_round_trip_over_tls(tls_store, size):
    s3, body = tls_store.client(), os.urandom(size)
    s3.create_bucket(Bucket="round")
    s3.put_object(Bucket="round", Key="k", Body=body)
    assert s3.get_object(Bucket="round", Key="k")["Body"].read() == body


def test_a_big_object_in_little_memory(tmp_path):
    store, peak, over = Store(), [0], threading.Event()
    key, secret, _ = KEYS["one"]
    env = dict(os.environ, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_DEFAULT_REGION="us-east-1",
               AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null", HOME=str(tmp_path))

    def watch():
        while not over.wait(0.1):
            peak[0] = max(peak[0], store.pss())

    def aws(*args):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", store.url, "s3", *args], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        source, digest, block = os.path.join(store.dir, "big"), hashlib.md5(), os.urandom(64 * 1024 * 1024)
        with open(source, "wb") as f:
            for i in range(BIG // len(block)):
                part = i.to_bytes(8, "big") + block[8:]
                f.write(part)
                digest.update(part)
        store.client().create_bucket(Bucket="big")
        begin = time.monotonic()
        aws("cp", source, "s3://big/k", "--only-show-errors")
        up = time.monotonic() - begin
        os.unlink(source)
        aws("cp", "s3://big/k", source, "--only-show-errors")
        with open(source, "rb") as f:
            got = hashlib.file_digest(f, "md5").hexdigest()
        print(f"{BIG >> 20} MiB up in {up:.1f} s, peak Pss {peak[0] >> 10} MiB")
        assert got == digest.hexdigest()
        assert peak[0] < (100 if not os.environ.get("MALLEE_SANITIZE") else 100000) * 1024
    finally:
        over.set()
        watcher.join()
        store.stop()
