# SPDX-License-Identifier: Apache-2.0
"""Key pairs as clients see them; fingerprints and keys are judged by ssh-keygen and openssl."""
import base64
import hashlib
import json
import os
import re
import sqlite3
import subprocess

import pytest

from cloud import Cloud
from ec2_model import checking, filters, refused


@pytest.fixture(scope="module")
def cloud():
    with Cloud("ec2-keys", nodes=1) as started:
        yield started


@pytest.fixture(scope="module")
def seen():
    return set()


@pytest.fixture
def ec2(cloud, seen):
    client = checking(cloud.ec2, seen)
    yield client
    for pair in client.describe_key_pairs()["KeyPairs"]:
        client.delete_key_pair(KeyPairId=pair["KeyPairId"])


@pytest.fixture(scope="module")
def other(cloud):
    made = json.loads(cloud.mallee("--json", "account", "create", "keys-other"))
    return cloud.client("ec2", aws_access_key_id=made["access_key_id"], aws_secret_access_key=made["secret_access_key"])


def run(*command, given=None):
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def colons(digest):
    return ":".join(digest[i:i + 2] for i in range(0, len(digest), 2))


def public_of(tmp_path, material):
    path = tmp_path / "private"
    path.write_text(material)
    path.chmod(0o600)
    return path, run("ssh-keygen", "-y", "-P", "", "-f", path).decode().strip()


def openssh_fingerprint(tmp_path, line):
    (tmp_path / "public").write_text(line + "\n")
    found = run("ssh-keygen", "-l", "-E", "sha256", "-f", tmp_path / "public").decode().split()[1].removeprefix("SHA256:")
    return found + "=" * (-len(found) % 4)


def make(tmp_path, *options):
    path = tmp_path / "made"
    run("ssh-keygen", "-q", "-N", "", "-C", "who@where", "-f", path, *options)
    return path, (tmp_path / "made.pub").read_text()


# ---- CreateKeyPair ----

def test_rsa_is_what_aws_makes(ec2, tmp_path):
    made = ec2.create_key_pair(KeyName="first key")
    assert re.fullmatch(r"key-[0-9a-f]{17}", made["KeyPairId"]) and made["KeyName"] == "first key"
    assert made["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    path, line = public_of(tmp_path, made["KeyMaterial"])
    pkcs8 = run("openssl", "pkcs8", "-in", path, "-inform", "PEM", "-outform", "DER", "-topk8", "-nocrypt")
    assert made["KeyFingerprint"] == colons(hashlib.sha1(pkcs8).hexdigest())
    assert b"2048 bit" in run("openssl", "rsa", "-in", path, "-text", "-noout")
    shown, = ec2.describe_key_pairs(KeyNames=["first key"], IncludePublicKey=True)["KeyPairs"]
    assert shown["PublicKey"] == f"{line} first key"
    assert (shown["KeyType"], shown["KeyFingerprint"], shown["KeyPairId"]) == \
        ("rsa", made["KeyFingerprint"], made["KeyPairId"])
    assert "CreateTime" in shown and "PublicKey" not in ec2.describe_key_pairs()["KeyPairs"][0]


def test_ed25519_is_what_openssh_reads(ec2, tmp_path):
    made = ec2.create_key_pair(KeyName="ed", KeyType="ed25519", KeyFormat="pem", TagSpecifications=[
        {"ResourceType": "key-pair", "Tags": [{"Key": "Name", "Value": "<x>"}]}])
    assert made["KeyMaterial"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    _, line = public_of(tmp_path, made["KeyMaterial"])
    assert made["KeyFingerprint"] == openssh_fingerprint(tmp_path, line)
    assert made["KeyFingerprint"].endswith("=") and made["Tags"] == [{"Key": "Name", "Value": "<x>"}]
    message = tmp_path / "message"
    message.write_text("signed")
    run("ssh-keygen", "-Y", "sign", "-f", tmp_path / "private", "-n", "file", message)
    (tmp_path / "allowed").write_text(f"me {line}\n")
    run("ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "me", "-n", "file", "-s",
        tmp_path / "message.sig", given=b"signed")


def test_private_keys_are_nowhere(cloud, ec2):
    rows = [base64.b64decode(line) for kind in ("rsa", "ed25519") for line in
            ["".join(ec2.create_key_pair(KeyName=f"secret-{kind}", KeyType=kind)["KeyMaterial"].split("\n")[1:-2])]]
    # A piece of each private half within one line of its text: of RSA's d in the middle, and Ed25519's seed.
    pieces = [base64.b64encode(rows[0][48 * 8:48 * 9]), base64.b64encode(rows[1][162:192])]
    for root, _, files in os.walk(cloud.dir):
        for name in files:
            path = os.path.join(root, name)
            if not os.path.isfile(path) or os.path.getsize(path) > 1 << 26 or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                data = file.read()
            for row, piece in zip(rows, pieces):
                assert row not in data and piece not in data, path
                assert b"PRIVATE KEY-----\\n" not in data or not path.endswith(".log"), path
    copy = sqlite3.connect(f"file:{cloud.dir}/state/cloud/cloud.db?mode=ro", uri=True)
    assert {n for _, n, *_ in copy.execute("PRAGMA table_info(key_pair)")} == \
        {"id", "account_id", "name", "type", "public_key", "fingerprint", "created_ms"}


@pytest.mark.parametrize("code, more", [
    ("InvalidParameterValue", {"KeyType": "dsa"}), ("InvalidParameterValue", {"KeyFormat": "der"}),
    ("UnsupportedOperation", {"KeyFormat": "ppk"}), ("InvalidParameterValue", {"KeyName": "x" * 256}),
    ("InvalidParameterValue", {"KeyName": "schlüssel"}), ("MissingParameter", {"KeyName": ""}),
    ("InvalidParameterValue", {"KeyName": "a\nb"}), ("InvalidParameterValue", {"KeyName": " a"}),
    ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]}),
    ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "key-pair", "Tags": [{"Key": "aws:a", "Value": "b"}]}]}),
    ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "key-pair", "Tags": [{"Key": "a"}, {"Key": "a"}]}]}),
    ("TagLimitExceeded", {"TagSpecifications": [{"ResourceType": "key-pair", "Tags": [
        {"Key": f"k{n}", "Value": "v"} for n in range(51)]}]}),
    ("DryRunOperation", {"DryRun": True}),
], ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_keys_that_are_not_made(ec2, code, more):
    refused(code, ec2.create_key_pair, **{"KeyName": "no", "KeyType": "ed25519", **more})
    assert ec2.describe_key_pairs()["KeyPairs"] == [] and ec2.describe_tags()["Tags"] == []


def test_names(ec2):
    for name in ("x" * 255, "a b", "~!@#$%^&*()_+<>&\"'"):
        ec2.create_key_pair(KeyName=name, KeyType="ed25519")
        assert ec2.describe_key_pairs(KeyNames=[name])["KeyPairs"][0]["KeyName"] == name
    message = refused("InvalidKeyPair.Duplicate", ec2.create_key_pair, KeyName="a b", KeyType="ed25519")["Error"]["Message"]
    assert message == "The keypair 'a b' already exists."
    refused("InvalidKeyPair.Duplicate", ec2.import_key_pair, KeyName="a b",
            PublicKeyMaterial="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJP0PCwN3/MNF5S6IH3BmJcFc/T1k6ZAnfjsLLyKT9QR")


# ---- ImportKeyPair ----

def test_imported_rsa(ec2, tmp_path):
    path, line = make(tmp_path, "-t", "rsa", "-b", "2048")
    pem = run("ssh-keygen", "-e", "-m", "PKCS8", "-f", f"{path}.pub")
    der = run("openssl", "pkey", "-pubin", "-outform", "DER", given=pem)
    forms = [line.encode(), pem, der, base64.b64encode(der), run("ssh-keygen", "-e", "-m", "RFC4716", "-f", f"{path}.pub")]
    for n, form in enumerate(forms):
        made = ec2.import_key_pair(KeyName=f"form {n}", PublicKeyMaterial=form)
        assert made["KeyFingerprint"] == colons(hashlib.md5(der).hexdigest()), n
        shown, = ec2.describe_key_pairs(KeyPairIds=[made["KeyPairId"]], IncludePublicKey=True)["KeyPairs"]
        assert shown["PublicKey"] == " ".join(line.split()[:2]) + f" form {n}"
    assert len(ec2.describe_key_pairs(Filters=filters(fingerprint=made["KeyFingerprint"]))["KeyPairs"]) == len(forms)


@pytest.mark.parametrize("bits", ["1024", "3072", "4096"])
def test_imported_rsa_sizes(ec2, tmp_path, bits):
    ec2.import_key_pair(KeyName="size", PublicKeyMaterial=make(tmp_path, "-t", "rsa", "-b", bits)[1])


def test_imported_ed25519(ec2, tmp_path):
    _, line = make(tmp_path, "-t", "ed25519")
    made = ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=line)
    assert made["KeyFingerprint"] == openssh_fingerprint(tmp_path, line)
    assert ec2.describe_key_pairs(KeyNames=["mine"])["KeyPairs"][0]["KeyType"] == "ed25519"


def test_keys_that_are_not_imported(ec2, tmp_path):
    _, ecdsa = make(tmp_path, "-t", "ecdsa")
    for bad in ("", "hello", ecdsa, "ssh-rsa AAAAB3NzaC1yc2E=", b"\x00\x01\x02", "-----BEGIN PUBLIC KEY-----\n",
                (tmp_path / "made").read_text()):
        refused("InvalidKey.Format", ec2.import_key_pair, KeyName="bad", PublicKeyMaterial=bad)
    refused("InvalidParameterValue", ec2.import_key_pair, KeyName="bad", PublicKeyMaterial="ssh-rsa " + "A" * 2048)
    assert ec2.describe_key_pairs()["KeyPairs"] == []


# ---- describing, tags, deleting ----

def test_filters_and_names(ec2):
    for name, kind in (("alpha", "rsa"), ("beta", "ed25519"), ("gamma", "ed25519")):
        ec2.create_key_pair(KeyName=name, KeyType=kind, TagSpecifications=[
            {"ResourceType": "key-pair", "Tags": [{"Key": "team", "Value": name[0]}]}])
    by_name = {p["KeyName"]: p for p in ec2.describe_key_pairs()["KeyPairs"]}
    assert sorted(by_name) == ["alpha", "beta", "gamma"]

    def found(**named):
        return sorted(p["KeyName"] for p in ec2.describe_key_pairs(Filters=filters(**named))["KeyPairs"])
    assert found(key_name="*a") == ["alpha", "beta", "gamma"] and found(key_name=["alpha", "beta"]) == ["alpha", "beta"]
    assert found(key_type="rsa") == ["alpha"] and found(key_pair_id=by_name["beta"]["KeyPairId"]) == ["beta"]
    assert found(fingerprint=by_name["gamma"]["KeyFingerprint"].replace("*", "\\*")) == ["gamma"]
    assert found(tag_key="team", key_type="ed25519") == ["beta", "gamma"]
    assert [p["KeyName"] for p in ec2.describe_key_pairs(Filters=[{"Name": "tag:team", "Values": ["g"]}])["KeyPairs"]] == ["gamma"]
    refused("InvalidParameterValue", ec2.describe_key_pairs, Filters=filters(colour="red"))
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["alpha", "delta"])
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyPairIds=["key-0123456789abcdef0"])
    refused("DryRunOperation", ec2.describe_key_pairs, DryRun=True)


def test_tags_live_and_die_with_the_key(ec2):
    made = ec2.create_key_pair(KeyName="tagged", KeyType="ed25519")
    ec2.create_tags(Resources=[made["KeyPairId"]], Tags=[{"Key": "a", "Value": "b"}])
    assert [(t["ResourceType"], t["ResourceId"]) for t in ec2.describe_tags()["Tags"]] == [("key-pair", made["KeyPairId"])]
    assert ec2.describe_key_pairs()["KeyPairs"][0]["Tags"] == [{"Key": "a", "Value": "b"}]
    refused("DryRunOperation", ec2.delete_key_pair, KeyName="tagged", DryRun=True)
    ec2.delete_key_pair(KeyName="tagged")
    assert ec2.describe_tags()["Tags"] == []


def test_deleting(ec2):
    made = ec2.create_key_pair(KeyName="gone", KeyType="ed25519")
    ec2.delete_key_pair(KeyName="never was")
    ec2.delete_key_pair(KeyPairId="key-0123456789abcdef0")
    ec2.delete_key_pair(KeyPairId=made["KeyPairId"])
    ec2.delete_key_pair(KeyPairId=made["KeyPairId"])
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["gone"])
    refused("MissingParameter", ec2.delete_key_pair)
    refused("InvalidParameterCombination", ec2.delete_key_pair, KeyName="a", KeyPairId="key-0123456789abcdef0")
    ec2.create_key_pair(KeyName="gone", KeyType="ed25519")


def test_quota(cloud, ec2):
    # The administrator's quota is a row; there is no API for it yet.
    account = cloud.client("sts").get_caller_identity()["Account"]
    with sqlite3.connect(f"{cloud.dir}/state/cloud/cloud.db", timeout=20) as db:
        db.execute("INSERT INTO quota VALUES (?, 'key-pairs', 2)", (account,))
    for n in range(2):
        ec2.create_key_pair(KeyName=f"q{n}", KeyType="ed25519")
    refused("ResourceLimitExceeded", ec2.create_key_pair, KeyName="q2", KeyType="ed25519")
    with sqlite3.connect(f"{cloud.dir}/state/cloud/cloud.db", timeout=20) as db:
        db.execute("DELETE FROM quota")
    assert len(ec2.describe_key_pairs()["KeyPairs"]) == 2


def test_accounts_do_not_share_keys(cloud, ec2, other):
    made = ec2.create_key_pair(KeyName="shared name", KeyType="ed25519")
    assert other.describe_key_pairs()["KeyPairs"] == []
    refused("InvalidKeyPair.NotFound", other.describe_key_pairs, KeyPairIds=[made["KeyPairId"]])
    refused("InvalidKeyPair.NotFound", other.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1,
            KeyName="shared name")
    refused("InvalidKeyPair.NotFound", other.create_tags, Resources=[made["KeyPairId"]], Tags=[{"Key": "a", "Value": "b"}])
    other.delete_key_pair(KeyPairId=made["KeyPairId"])
    other.delete_key_pair(KeyName="shared name")
    other.create_key_pair(KeyName="shared name", KeyType="ed25519")
    other.delete_key_pair(KeyName="shared name")
    assert ec2.describe_key_pairs()["KeyPairs"][0]["KeyPairId"] == made["KeyPairId"]


def test_the_command_line_tool(cloud, ec2, tmp_path):
    text = cloud.aws("ec2", "create-key-pair", "--key-name", "cli", "--query", "KeyMaterial", "--output", "text")
    _, line = public_of(tmp_path, text)
    (tmp_path / "public").write_text(line + "\n")
    cloud.aws("ec2", "import-key-pair", "--key-name", "cli2", "--public-key-material", f"fileb://{tmp_path}/public")
    shown = cloud.aws("ec2", "describe-key-pairs", "--include-public-key")["KeyPairs"]
    assert [p["PublicKey"] for p in shown] == [line + " cli", line + " cli2"]
    cloud.aws("ec2", "delete-key-pair", "--key-name", "cli")


def test_every_answer_was_held_against_the_model(seen):
    assert {"CreateKeyPair", "ImportKeyPair", "DescribeKeyPairs", "DeleteKeyPair"} <= seen
