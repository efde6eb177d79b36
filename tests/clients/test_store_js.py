# SPDX-License-Identifier: Apache-2.0
"""The object store with a pinned @aws-sdk/client-s3, over http and https."""
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from store_lib import BUILD, KEYS, Store  # noqa: E402


@pytest.fixture(scope="module")
def program():
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = os.path.join(BUILD, "tests", "clients", "store-js")
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "exercise.mjs"):
        shutil.copy(os.path.join(HERE, "store-js", name), folder)
    if not os.path.isdir(os.path.join(folder, "node_modules", "@aws-sdk", "client-s3")):
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True,
                              text=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip("npm cannot install the SDK: " + done.stderr[-300:])
    return os.path.join(folder, "exercise.mjs")


@pytest.mark.parametrize("tls", [False, True])
def test_javascript(program, tls):
    folder = tempfile.mkdtemp()
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    store = Store(*(("--cert-file", cert, "--key-file", key) if tls else ()))
    try:
        key_id, secret, _ = KEYS["one"]
        env = dict(os.environ, ENDPOINT=store.url, AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=secret, NODE_EXTRA_CA_CERTS=cert)
        done = subprocess.run(["node", program], env=env, capture_output=True, text=True, check=False, timeout=120)
        assert done.stdout.strip() == "ok", done.stdout + done.stderr[-3000:]
    finally:
        store.stop()
        shutil.rmtree(folder)
