# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the object store, again and again, under puts and multipart completes: what was acknowledged reads back whole, and
what was not is whole or not there."""
import hashlib
import os
import random
import sys
import threading
import time

import botocore.exceptions

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))
from store_lib import Store  # noqa: E402

KILLS = 200 if os.environ.get("MALLEE_LONG") else 50
MIB = 1024 * 1024


class Writer(threading.Thread):
    """Writes under keys of its own; `known`: key -> digests that may be there (the last acknowledged, and what was under way)."""

    def __init__(self, store, number, seed):
        super().__init__(daemon=True)
        self.s3, self.number = store.client(), number
        self.random, self.known = random.Random(seed), {}
        self.stop, self.acknowledged, self.under_way = False, 0, 0

    def body(self):
        return self.random.randbytes(self.random.choice((10, 5000, 20000, 100000, 3 * MIB)))

    def put(self, key):
        body = self.body()
        self.known.setdefault(key, [None]).append(hashlib.md5(body).hexdigest())
        self.s3.put_object(Bucket="kills", Key=key, Body=body)
        self.known[key] = [self.known[key][-1]]

    def multipart(self, key):
        parts = [self.random.randbytes(5 * MIB), self.random.randbytes(1000)]
        upload = self.s3.create_multipart_upload(Bucket="kills", Key=key)["UploadId"]
        tags = [self.s3.upload_part(Bucket="kills", Key=key, UploadId=upload, PartNumber=i + 1, Body=p)["ETag"]
                for i, p in enumerate(parts)]
        self.known.setdefault(key, [None]).append(hashlib.md5(b"".join(parts)).hexdigest())
        self.s3.complete_multipart_upload(Bucket="kills", Key=key, UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tags)]})
        self.known[key] = [self.known[key][-1]]

    def delete(self, key):
        self.known.setdefault(key, [None]).append(None)
        self.s3.delete_object(Bucket="kills", Key=key)
        self.known[key] = [None]

    def run(self):
        while not self.stop:
            key = f"{self.number}/{self.random.randrange(30)}"
            step = self.random.choices((self.put, self.multipart, self.delete), (8, 1, 1))[0]
            self.under_way = 1
            try:
                step(key)
                self.acknowledged += 1
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                time.sleep(0.02)
            self.under_way = 0


def check(store, writers):
    s3, wrong = store.client(), []
    for writer in writers:
        for key, allowed in writer.known.items():
            try:
                found = hashlib.md5(s3.get_object(Bucket="kills", Key=key)["Body"].read()).hexdigest()
            except s3.exceptions.NoSuchKey:
                found = None
            if found not in allowed:
                wrong.append((key, found, allowed))
    return wrong


def test_kills():
    seed = int(os.environ.get("MALLEE_SEED", time.time_ns() % 10**9))
    chance = random.Random(seed)
    store = Store("--garbage-delay", "200ms")
    try:
        store.client().create_bucket(Bucket="kills")
        writers = [Writer(store, i, seed + i) for i in range(6)]
        for writer in writers:
            writer.start()
        open_at_kill = []
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.4))
            open_at_kill.append(sum(w.under_way for w in writers))
            store.kill()
            store.start()
        for writer in writers:
            writer.stop = True
        for writer in writers:
            writer.join(60)
        wrong = check(store, writers)
        total = sum(w.acknowledged for w in writers)
        print(f"seed {seed}: {KILLS} kills, {total} acknowledged, requests open at a kill: {open_at_kill}")
        assert not wrong, wrong[:5]
        assert total > KILLS and sum(open_at_kill) > KILLS
        check_no_leftovers(store)
    finally:
        store.stop()


def check_no_leftovers(store):
    """Once all is deleted and nothing is under way no file stays."""
    s3 = store.client()
    for upload in s3.list_multipart_uploads(Bucket="kills").get("Uploads", []):
        s3.abort_multipart_upload(Bucket="kills", Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="kills"):
        if page.get("Contents"):
            s3.delete_objects(Bucket="kills", Delete={"Objects": [{"Key": o["Key"]} for o in page["Contents"]]})
    deadline = time.monotonic() + 30
    while store.files() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not store.files()
