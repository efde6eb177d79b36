# SPDX-License-Identifier: Apache-2.0
"""Starts an object store of its own on a free port, in a folder of its own."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import boto3
import botocore.config

BUILD = os.environ.get("MALLEE_BUILD", os.getcwd())
KEYS = {
    "one": ("AKIAONE0000000000001", "secret-of-one", "111111111111"),
    "two": ("AKIATWO0000000000002", "secret-of-two", "222222222222"),
    "image-service": ("AKIAIMG0000000000003", "secret-of-images", "333333333333"),
    "node": ("AKIANODE000000000004", "secret-of-node", "333333333333"),
    "later": ("AKIALATE000000000005", "secret-of-later", "333333333333"),
}
ROLES = {"image-service": "image-service", "node": "node", "later": "a-part-of-a-later-version"}


class Store:
    def __init__(self, *flags):
        self.dir = tempfile.mkdtemp(prefix="mallee-store-")
        self.identity = os.path.join(self.dir, "identity.jsonl")
        self.write_identity(KEYS)
        self.flags, self.process, self.port = flags, None, 0
        self.start()

    def write_identity(self, keys):
        lines = [json.dumps({"access_key_id": k, "secret_access_key": s, "account_id": a,
                             "canonical_id": a * 5, "display_name": name,
                             **({"role": ROLES[name]} if name in ROLES else {})}, ensure_ascii=False)
                 for name, (k, s, a) in keys.items()]
        with open(self.identity + ".new", "w", encoding="utf-8") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write("\n".join(lines) + "\n")
        os.rename(self.identity + ".new", self.identity)

    def start(self):
        log = open(os.path.join(self.dir, "log"), "ab")
        at = log.tell()
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "object-store/mallee-object-store"), "--listen", f"127.0.0.1:{self.port}", "--state-dir",
             os.path.join(self.dir, "state"), "--identity-file", self.identity, *self.flags], stderr=log)
        log.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(os.path.join(self.dir, "log"), "rb") as f:
                f.seek(at)
                found = re.search(rb"S3 at port (\d+)", f.read())
            if found:
                self.port = int(found[1])
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError("the store did not start:\n" + self.log())

    def log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8") as f:
            return f.read()

    @property
    def scheme(self):
        return "https" if "--cert-file" in self.flags else "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def client(self, who="one", secret=None, **config):
        key, own, _ = KEYS[who]
        return boto3.client("s3", endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret or own,
                            region_name="us-east-1", verify=False,
                            config=botocore.config.Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, **config))

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return answer.read().decode()

    def metric(self, name):
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\d+)", self.get("/metrics"), re.M)
        return int(found[1])

    def pss(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="utf-8") as f:
            return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def files(self):
        found = []
        for folder, _, names in os.walk(os.path.join(self.dir, "state", "data")):
            found += [os.path.join(folder, n) for n in names]
        return found

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                code = self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            assert code == 0, f"exit {code}\n{self.log()}"
        if os.environ.get("MALLEE_KEEP_LOG"):
            shutil.copy(os.path.join(self.dir, "log"), os.environ["MALLEE_KEEP_LOG"])
        shutil.rmtree(self.dir)
