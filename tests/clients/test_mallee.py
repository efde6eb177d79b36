# SPDX-License-Identifier: Apache-2.0
"""cli/mallee against a server of the test's own, which checks each signature with botocore's signer."""
import base64
import email.utils
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

SRC = os.environ.get("SRC") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MALLEE = os.path.join(os.environ.get("MALLEE_BUILD") or os.path.join(SRC, "build"), "cli/mallee")
KEY, SECRET = "AKIATEST", "secret/+="

NODE = {"id": "n-1", "zone": "us-east-1a", "state": "up", "boot": 2, "vcpus": 8, "vcpus_used": 3, "memory_mib": 2048,
        "memory_mib_used": 512, "instances": 3}
ANSWERS = {
    "Status": {
        "version": "0.1.0", "region": "us-east-1", "broker": "connected", "open_requests": 0,
        "daemons": [{"name": "node-controller", "id": "n-1", "zone": "us-east-1a", "state": "up", "version": "0.1.0",
                     "last_seen_seconds": 200}],
        "zones": [{"name": "us-east-1a", "state": "available", "epoch": 4,
                   "slots": [{"type": "m1.small", "free": 5}, {"type": "m1.large", "free": 1}]}],
        "nodes": [NODE],
        "stuck": [{"kind": "instance", "id": "i-1", "since_seconds": 7300, "why": "evil\x1b[31m\u009bname"}],
        "quarantined": [{"node": "n-1", "id": "i-2"}]},
    "ListNodes": {"nodes": [NODE, dict(NODE, id="n-two", vcpus=16)]},
    "GetNode": {"node": NODE},
    "FenceNode": {"node": dict(NODE, state="fenced")},
    "DescribeInstanceEvents": {"events": [
        {"time": "2026-11-23T14:00:00.000Z", "source": "cluster", "message": "placed on n-1"}]},
    "CreateAccount": {"account_id": "123456789012", "name": "é", "access_key_id": "AKIANEW", "secret_access_key": "S3"},
    "ListAccounts": {"accounts": [{"account_id": "123456789012", "name": "a", "state": "active"}]},
    "DisableAccount": {"account_id": "123456789012"},
    "DeleteBackup": {"backup_id": "b-1"},
}


class Handler(http.server.BaseHTTPRequestHandler):
    def signature_of(self, body):
        """What botocore signs for the same request at the same time."""
        scope = self.headers["Authorization"].split("Credential=")[1].split(",")[0].split("/")
        assert scope[0] == KEY and scope[3] == "mallee"
        signed = self.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        request = botocore.awsrequest.AWSRequest(
            "POST", f"http://{self.headers['Host']}{self.path}", data=body,
            headers={name: self.headers[name] for name in signed})
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, SECRET), "mallee", scope[2])
        canonical = signer.canonical_request(request)
        return signed, signer.signature(signer.string_to_sign(request, canonical), request)

    def do_POST(self):  # noqa: N802
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed, expected = self.signature_of(body)
        good = self.headers["Authorization"].endswith("Signature=" + expected)
        assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed)
        server.seen.append((self.path, json.loads(body)))
        action = self.path.rsplit("/", 1)[1]
        status, answer = 200, json.dumps(ANSWERS.get(action) or backup_answer(server, action, json.loads(body)))
        if not good:
            status, answer = 403, json.dumps({"code": "SignatureDoesNotMatch", "message": "no", "request_id": "r-1"})
        elif server.refuse:
            status, answer = server.refuse
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def do_GET(self):  # noqa: N802
        index = self.path == "/?mallee-index="
        assert not index or "Credential=" + KEY in self.headers["Authorization"]
        body = b"index" if index else b""
        self.send_response(503 if index and self.server.no_store else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + self.server.ahead, usegmt=True)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as s:
        s.seen, s.refuse, s.ahead, s.short, s.no_store = [], None, 0, False, False
        thread = threading.Thread(target=s.serve_forever, args=(0.02,))
        thread.start()
        yield s
        s.shutdown()
        thread.join()


def mallee(server, *words, **env):
    url = f"http://127.0.0.1:{server.server_port}" if server else "http://127.0.0.1:1"
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "MALLEE_ADMIN_URL": url, **env}
    return subprocess.run([MALLEE, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)


def done(server, *words, **env):
    result = mallee(server, *words, **env)
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout


CALLS = [
    (["status"], "Status", {}),
    (["events", "i-1"], "DescribeInstanceEvents", {"instance_id": "i-1"}),
    (["node", "list"], "ListNodes", {}),
    (["node", "show", "n-1"], "GetNode", {"node_id": "n-1"}),
    (["node", "fence", "n-1"], "FenceNode", {"node_id": "n-1"}),
    (["account", "create", "é \"x\"", "--email", "a@b"], "CreateAccount", {"name": "é \"x\"", "email": "a@b"}),
    (["account", "list"], "ListAccounts", {}),
    (["account", "disable", "123456789012"], "DisableAccount", {"account_id": "123456789012"}),
]


@pytest.mark.parametrize("words,action,sent", CALLS, ids=[c[1] for c in CALLS])
def test_every_command_asks_its_action(server, words, action, sent):
    assert done(server, *words)
    assert json.loads(done(server, "--json", *words)) == ANSWERS[action]
    assert server.seen == [("/admin/" + action, sent)] * 2


def test_status_for_people(server):
    text = done(server, "status")
    lines = text.splitlines()
    assert lines[0] == "Mallee 0.1.0, region us-east-1, broker connected, 0 open requests"
    assert "node-controller  n-1  us-east-1a  up     0.1.0    3m" in lines
    assert "us-east-1a  available  4      m1.small 5, m1.large 1" in lines
    assert "n-1   us-east-1a  up     2     3/8    512/2048    3" in lines
    assert "instance  i-1  2h     evil?[31m?name" in lines, "control characters do not reach the terminal"
    assert not [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]


def test_tables_line_up(server):
    lines = done(server, "node", "list").splitlines()
    assert len(lines) == 3 and len({line.index("us-east") for line in lines[1:]}) == 1
    assert lines[0].index("ZONE") == lines[1].index("us-east")


def test_a_new_account_shows_its_keys(server):
    text = done(server, "account", "create", "é")
    assert "AKIANEW" in text and "S3" in text and "once" in text


def test_url_with_a_path_and_token(server):
    url = f"http://127.0.0.1:{server.server_port}/some/where/"
    result = mallee(server, "--url", url, "status", AWS_SESSION_TOKEN="t/+", AWS_DEFAULT_REGION="eu-x-1")
    assert result.returncode == 0, result
    assert server.seen == [("/some/where/admin/Status", {})]


def test_refusals(server):
    result = mallee(server, "status", AWS_SECRET_ACCESS_KEY="wrong")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == "mallee: SignatureDoesNotMatch: no (request r-1)\n"
    assert "wrong" not in result.stderr and SECRET not in result.stderr
    server.refuse = (502, "<html>")
    result = mallee(server, "--json", "status")
    assert result.returncode == 1 and "502" in result.stderr
    server.refuse = (200, "[]")
    assert mallee(server, "status").returncode != 0


def test_no_answer():
    result = mallee(None, "status")
    assert result.returncode == 3 and result.stderr.startswith("mallee: ")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["node"], ["node", "show"], ["node", "list", "x"],
                                   ["node", "show", ""], ["status", "--email", "a@b"], ["--nonsense"],
                                   ["doctor", "x"], ["status", "--public"], ["backup"], ["backup", "a", "b"],
                                   ["backup", ""], ["restore"], ["restore", "/nonexistent"],
                                   ["status", "--cloud-config", "x"]])
def test_wrong_usage(server, words):
    result = mallee(server, *words)
    assert result.returncode == 2 and result.stderr and not result.stdout
    assert server.seen == []


def test_keys_are_needed(server):
    result = mallee(server, "status", AWS_SECRET_ACCESS_KEY="")
    assert result.returncode == 2 and "AWS_SECRET_ACCESS_KEY" in result.stderr
    assert mallee(server, "status", MALLEE_ADMIN_URL="file:///etc/passwd").returncode == 2


BACKUP = bytes(range(256)) * 10000  # three pieces


def backup_answer(server, action, sent):
    if action == "CreateBackup":
        return {"backup_id": "b-1", "size": len(BACKUP)}
    piece = BACKUP[sent["offset"]:sent["offset"] + (1 << 20)]
    end = sent["offset"] + len(piece) == len(BACKUP)
    if server.short and end:
        piece = piece[:-1]
    return {"data": base64.b64encode(piece).decode(), "end": end}


def backup(server, folder):
    return mallee(server, "backup", str(folder), AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{server.server_port}")


def test_backup(server, tmp_path):
    result = backup(server, tmp_path / "b")
    assert result.returncode == 0 and "cloud key" in result.stdout, result
    assert "cloud.db 100 %" in result.stderr and "store.db 100 %" in result.stderr
    assert (tmp_path / "b/cloud.db").read_bytes() == BACKUP and (tmp_path / "b/store.db").read_bytes() == b"index"
    assert sorted(os.listdir(tmp_path / "b")) == ["cloud.db", "store.db"]
    assert {oct(os.stat(tmp_path / "b" / n).st_mode)[-3:] for n in ("cloud.db", "store.db")} == {"600"}
    assert oct(os.stat(tmp_path / "b").st_mode)[-3:] == "700"
    assert server.seen[-1] == ("/admin/DeleteBackup", {"backup_id": "b-1"})


def test_backup_into_an_empty_folder(server, tmp_path):
    tmp_path.chmod(0o755)
    assert backup(server, tmp_path).returncode == 0
    assert oct(tmp_path.stat().st_mode)[-3:] == "700"
    assert backup(server, tmp_path).returncode == 2
    assert (tmp_path / "cloud.db").read_bytes() == BACKUP


@pytest.mark.parametrize("what", ["short", "no_store"])
def test_a_backup_that_fails_leaves_nothing(server, tmp_path, what):
    setattr(server, what, True)
    result = backup(server, tmp_path / "b")
    assert result.returncode in (1, 3) and result.stdout == "", result
    assert os.listdir(tmp_path) == []
    assert server.seen[-1] == ("/admin/DeleteBackup", {"backup_id": "b-1"})


def test_restore_needs_the_daemons_and_files(tmp_path):
    """A copy of mallee beside programs of the test's own."""
    shutil.copy(MALLEE, tmp_path / "mallee")
    (tmp_path / "b").mkdir()
    (tmp_path / "cloud.conf").write_text("")
    command = [tmp_path / "mallee", "restore", tmp_path / "b", "--cloud-config", tmp_path / "cloud.conf"]

    def restored():
        return subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)
    result = restored()
    assert result.returncode == 2 and "no mallee-cloud-controller" in result.stderr
    program = tmp_path / "mallee-cloud-controller"
    program.write_text("#!/bin/sh\necho \"$@\"\n")
    program.chmod(0o755)
    result = restored()
    assert result.returncode == 2 and "cloud.db" in result.stderr
    (tmp_path / "b/cloud.db").write_text("")
    result = restored()
    assert result.returncode == 0 and result.stdout == f"--config {command[4]} --restore {tmp_path}/b/cloud.db\n", result
    program.write_text("#!/bin/sh\necho no\nexit 1\n")
    result = restored()
    assert result.returncode == 1 and result.stderr == "mallee: no\n"


def test_help():
    result = mallee(None, "--help")
    assert result.returncode == 0 and "account disable ID" in result.stdout
    assert mallee(None, "--version").stdout.startswith("mallee ")


def test_a_full_disk_is_told(server):
    with open("/dev/full", "w", encoding="utf-8") as full:
        env = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
               "MALLEE_ADMIN_URL": f"http://127.0.0.1:{server.server_port}"}
        result = subprocess.run([MALLEE, "status"], env=env, stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode != 0


def doctor(server, **env):
    """The findings by name, and the exit status."""
    result = mallee(server, "--json", "doctor", **env)
    answer = json.loads(result.stdout)
    worst = max(answer["checks"], key=lambda c: ["good", "warning", "bad"].index(c["verdict"]))["verdict"]
    assert answer["verdict"] == worst and result.returncode == (1 if worst == "bad" else 0)
    return {c["check"]: c for c in answer["checks"]}, result.returncode


def test_doctor_says_what_to_do(server):
    found, _ = doctor(server)
    assert set(found) == {"KVM", "bridge filtering", "kernel network", "open files", "time", "disk", "ports", "programs"}
    for check in found.values():
        assert check["found"] and ("advice" in check) == (check["verdict"] != "good"), check
    assert "agrees" in found["time"]["found"]
    lines = mallee(server, "doctor").stdout.splitlines()
    assert sum(line.split()[0] in ("good", "warning", "bad") for line in lines) >= len(found)


@pytest.mark.parametrize("ahead, verdict", [(60, "warning"), (-60, "warning"), (3600, "bad"), (-3600, "bad")])
def test_doctor_sees_a_wrong_clock(server, ahead, verdict):
    server.ahead = ahead
    found, status = doctor(server)
    assert found["time"]["verdict"] == verdict and "from the cloud's clock" in found["time"]["found"]
    if verdict == "bad":
        assert status == 1


def test_doctor_sees_a_port_that_is_taken(server):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8776))
        except OSError:
            pytest.skip("port 8776 is in use")
        taken.listen(0)
        found, _ = doctor(server)
        assert found["ports"]["verdict"] == "warning" and "8776 is in use" in found["ports"]["found"]


def limited(*limit):
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "MALLEE_ADMIN_URL": "http://127.0.0.1:1"}
    result = subprocess.run(["prlimit", *limit, MALLEE, "--json", "doctor"], env=environment, capture_output=True, text=True,
                            timeout=60, check=False)
    return {c["check"]: c for c in json.loads(result.stdout)["checks"]}, result.returncode


def test_doctor_sees_few_files():
    found, status = limited("--nofile=512:512")
    assert found["open files"]["verdict"] == "bad" and status == 1
    assert limited("--nofile=2048:2048")[0]["open files"]["verdict"] == "warning"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_doctor_without_root_says_what_it_did_not_see(server):
    url = f"http://127.0.0.1:{server.server_port}"
    copy = "/tmp/mallee-doctor-test"
    subprocess.run(["install", "-m", "755", MALLEE, copy], check=True)
    try:
        result = subprocess.run(["setpriv", "--reuid", "64999", "--regid", "64999", "--clear-groups", copy, "--json",
                                 "--url", url, "doctor"], capture_output=True, text=True, timeout=60, check=False)
    finally:
        os.unlink(copy)
    found = {c["check"]: c for c in json.loads(result.stdout)["checks"]}
    assert found["bridge filtering"]["verdict"] == "warning" and "root" in found["bridge filtering"]["advice"]


def test_manual():
    result = mallee(None, "--man")
    assert result.returncode == 0 and result.stdout.startswith(".TH MALLEE 1") and "doctor" in result.stdout
