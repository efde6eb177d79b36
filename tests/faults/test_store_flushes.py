# SPDX-License-Identifier: Apache-2.0
"""The object store answers a PUT after the flush that covers it, and many clients share flushes."""
import glob
import os
import subprocess
import sys
import tempfile
import time
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))
from store_lib import BUILD, KEYS, Store  # noqa: E402

CLIENTS, PUTS_EACH = 64, 40


def signed_put(store, key, body):
    """The bytes of a signed PUT: clients that sign as they go are too slow to be 64 at once."""
    access, secret, _ = KEYS["one"]
    request = botocore.awsrequest.AWSRequest("PUT", f"{store.url}/flushes/{key}", data=body)
    botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(access, secret), "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers.items(), Host=f"127.0.0.1:{store.port}")
    headers["Content-Length"] = str(len(body))
    head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return f"PUT /flushes/{key} HTTP/1.1\r\n{head}\r\n".encode() + body


def records(store):
    flushes, written, answered = [], {}, {}
    for path in glob.glob(os.path.join(store.dir, "flushes.*")):
        with open(path, encoding="utf-8") as f:
            for line in f:
                what, *rest = line.split()
                if what == "flush":
                    flushes.append((int(rest[0]), int(rest[1]), rest[2]))
                elif what == "written":
                    written.setdefault(rest[1], int(rest[0]))
                elif what == "answered":
                    answered[rest[1]] = int(rest[0])
    return sorted(flushes), written, answered


def volley(store, marks):
    with tempfile.NamedTemporaryFile(suffix=".volley") as file:
        for number in range(CLIENTS):
            file.write(b"client\n")
            for mark in marks[number::CLIENTS]:
                request = signed_put(store, mark, b"x" * 100)
                file.write(b"request %d\n%b\n" % (len(request), request))
        file.flush()
        begin = time.monotonic_ns()
        done = subprocess.run([os.path.join(BUILD, "tests/lib/volley"), "127.0.0.1", str(store.port), file.name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout
        return begin, time.monotonic_ns()


def test_no_answer_before_its_flush(monkeypatch):
    store = None
    marks = ["mark-" + uuid.uuid4().hex for _ in range(CLIENTS * PUTS_EACH)]
    with tempfile.TemporaryDirectory() as folder:
        with monkeypatch.context() as m:
            m.setenv("LD_PRELOAD", os.path.join(BUILD, "tests/lib/flushcount.so"))
            m.setenv("FLUSHCOUNT_FILE", os.path.join(folder, "flushes"))
            store = Store()
        try:
            store.client().create_bucket(Bucket="flushes")
            begin, end = volley(store, marks)
            store.dir, own = folder, store.dir
            flushes, written, answered = records(store)
            store.dir = own
            wal = [f for f in flushes if f[2].endswith("-wal")]
            assert set(marks) <= set(answered), "the counter does not see this daemon's answers"
            for mark in marks:
                assert mark in written and written[mark] < answered[mark], f"{mark} was answered before it was written"
                assert any(written[mark] <= f[0] and f[1] <= answered[mark] for f in wal), f"{mark}: no flush covers its answer"
            shared = [f for f in wal if begin <= f[0] <= end]
            each = len(marks) / max(1, len(shared))
            print(f"note {len(marks)} puts, {len(shared)} flushes, {each:.1f} puts a flush, {len(marks) / ((end - begin) / 1e9):.0f} puts a second")
            assert each >= 8
        finally:
            store.stop()
