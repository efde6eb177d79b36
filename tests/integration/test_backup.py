# SPDX-License-Identifier: Apache-2.0
"""A backup made under load, and what becomes of guests when the controllers are restored from it.

The guests' processes are asked of the emulator witness: adopted means the same process, started once.
"""
import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import threading
import uuid

import botocore.exceptions
import pytest
from cloud import BUILD, Cloud, alive, wait_for

BIG = os.urandom(3 << 20)


class Load(threading.Thread):
    """Launches and terminates, and puts objects, until told to stop."""

    def __init__(self, cloud):
        super().__init__()
        self.cloud, self.stopping, self.ids, self.puts, self.error = cloud, threading.Event(), [], 0, None

    def run(self):
        try:
            ec2, s3 = self.cloud.client("ec2"), self.cloud.client("s3")
            while not self.stopping.is_set():
                ids = self.cloud.run(1, ec2)
                self.ids += ids
                s3.put_object(Bucket="load", Key=f"{self.puts:06}", Body=ids[0].encode())
                self.puts += 1
                ec2.terminate_instances(InstanceIds=ids)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error


def addresses(there):
    """{(VPC, private address), public address} of what DescribeInstances told."""
    return {x for i in there.values() for x in ((i["VpcId"], i["PrivateIpAddress"]), i.get("PublicIpAddress")) if x}


def processes(cloud, ids):
    """{id: the one process that ever ran for it}; more than one start is a failure."""
    runs = cloud.witnessed()
    for i in ids:
        assert len(runs.get(i, [])) == 1, f"{i} was started {len(runs.get(i, []))} times"
    return {i: runs[i][0][3] for i in ids}


def quarantined(cloud):
    return {q["id"] for q in json.loads(cloud.mallee("--json", "status")).get("quarantined", [])}


def settled(cloud, ids):
    """All of them are gone: terminated, with a reason, or not known, and no process is left."""
    there = cloud.instances()
    for i in ids:
        if i not in there:
            continue
        assert there[i]["State"]["Name"] == "terminated", f"{i} is {there[i]['State']['Name']}"
        assert there[i]["StateReason"]["Code"], f"{i} has no reason"
    running = {i for _, _, i in cloud.qemus()}
    assert not running & set(ids), f"processes of {running & set(ids)}"
    return True


def controllers(cloud):
    return ["cloud", "store"] + ["cluster-" + z for z in cloud.zone_names()]


def wipe(cloud):
    """What the controllers know; the store's big objects' bytes stay, which no backup has."""
    owner = os.stat(f"{cloud.dir}/state/cloud")
    shutil.rmtree(f"{cloud.dir}/state/cloud")
    os.mkdir(f"{cloud.dir}/state/cloud", 0o700)
    os.chown(f"{cloud.dir}/state/cloud", owner.st_uid, owner.st_gid)
    for name in os.listdir(f"{cloud.dir}/state/store"):
        if name.startswith("store.db"):
            os.unlink(f"{cloud.dir}/state/store/{name}")
    for name in ("identity", "system"):
        for file in os.listdir(f"{cloud.dir}/state/{name}"):
            os.unlink(f"{cloud.dir}/state/{name}/{file}")
    return owner


def restore(cloud, folder, check=True):
    etc = f"{cloud.dir}/etc"
    return subprocess.run([f"{cloud.dir}/programs/mallee", "restore", folder, "--cloud-config", f"{etc}/cloud.conf",
                           "--store-config", f"{etc}/store.conf"], env={"PATH": os.environ["PATH"]}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=check)


def lose_and_restore(cloud, folder):
    """The controllers die at once, what they knew is gone, and a backup takes its place."""
    with cloud.not_restarting(controllers(cloud)):
        for name in controllers(cloud):
            cloud.kill(name)
        owner = wipe(cloud)
        restore(cloud, folder)
        for path in ("cloud/cloud.db", "cloud/cloud.key", "cloud/admin-credentials"):
            there = os.stat(f"{cloud.dir}/state/{path}")
            assert (there.st_uid, stat.S_IMODE(there.st_mode)) == (owner.st_uid, 0o600), path
    for name in controllers(cloud):
        cloud.wait_up(name)
    wait_for("nodes up again", lambda: nodes_up(cloud), 60)


def nodes_up(cloud):
    nodes = json.loads(cloud.mallee("--json", "status"))["nodes"]
    return len(nodes) == len(cloud.node_numbers()) and all(n["state"] == "up" for n in nodes)


def era(cloud):
    with contextlib.closing(sqlite3.connect(f"file:{cloud.dir}/state/cloud/cloud.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT era FROM cloud").fetchone()[0]


def read(s3, key):
    return s3.get_object(Bucket="kept", Key=key)["Body"].read()


def room(cloud):
    return any(slot["free"] >= 2 for z in json.loads(cloud.mallee("--json", "status"))["zones"] for slot in z["slots"])


def data_files(cloud):
    return {name for _, _, names in os.walk(f"{cloud.dir}/state/store/data") for name in names}


def launch_works(cloud):
    wait_for("room", lambda: room(cloud), 60)
    ids = cloud.run(2)
    cloud.wait_states(ids, "running")
    return ids


@pytest.fixture(scope="module")
def cloud():
    with Cloud("backup", nodes=2) as it:
        yield it


def back_up_under_load(cloud, folder):
    load = Load(cloud)
    load.start()
    try:
        wait_for("load", lambda: load.puts >= 5 or load.error, 60)
        before = load.puts
        told = cloud.mallee("backup", folder)
        wait_for("load after the backup", lambda: load.puts > before or load.error, 60)
    finally:
        load.stopping.set()
        load.join()
    assert load.error is None, f"the backup was in somebody's way: {load.error}"
    return load, told


def test_guests_outlive_their_controllers(cloud, tmp_path):
    folder = str(tmp_path / "backup")
    s3 = cloud.client("s3")
    for bucket in ("kept", "load"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="kept", Key="small", Body=b"small")
    s3.put_object(Bucket="kept", Key="big", Body=BIG)
    first = cloud.run(6)
    cloud.wait_states(first, "running")

    load, told = back_up_under_load(cloud, folder)
    assert "cloud key" in told and "mallee restore" in told
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert sorted(os.listdir(folder)) == ["cloud.db", "store.db"]
    assert all(stat.S_IMODE(os.stat(f"{folder}/{n}").st_mode) == 0o600 for n in os.listdir(folder))
    assert os.listdir(f"{cloud.dir}/state/cloud/backups") == []
    assert os.listdir(f"{cloud.dir}/state/store/backups") == []

    later = cloud.run(3)
    cloud.wait_states(later, "running")
    ended, first = first[0], first[1:]
    cloud.client("ec2").terminate_instances(InstanceIds=[ended])
    wait_for("what the load left", lambda: settled(cloud, load.ids + [ended]), 60, 0.5)
    before = processes(cloud, first + later)
    there = cloud.instances(first + later)
    files = data_files(cloud)
    s3.put_object(Bucket="kept", Key="later", Body=BIG)
    unnamed = data_files(cloud) - files
    old_era = era(cloud)

    lose_and_restore(cloud, folder)
    wait_for("quarantine", lambda: quarantined(cloud) == set(later) or quarantined(cloud), 30)
    wait_for("all of the backup settled", lambda: settled(cloud, load.ids + [ended]), 90, 0.5)
    assert quarantined(cloud) == set(later)
    assert all(i in cloud.mallee("status") for i in later)
    assert "after the backup" in cloud.instances([ended])[ended]["StateReason"]["Message"]
    cloud.wait_states(first, "running", seconds=10)
    assert not set(later) & set(cloud.instances())
    assert processes(cloud, first + later) == before and all(alive(pid) for pid in before.values())
    assert era(cloud) > old_era

    cloud.mallee("node", "reap", later[0])
    wait_for("the reaped one's end", lambda: not alive(before[later[0]]), 30)
    wait_for("and nobody else's", lambda: quarantined(cloud) == set(later[1:]), 60)
    assert all(alive(pid) for i, pid in before.items() if i != later[0])

    s3 = cloud.client("s3")
    assert read(s3, "small") == b"small" and read(s3, "big") == BIG
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchKey"):
        read(s3, "later")
    assert len(unnamed) == 1 and unnamed <= data_files(cloud), "who restored by mistake can go back"
    s3.put_object(Bucket="kept", Key="after", Body=BIG[:100000])
    assert read(s3, "after") == BIG[:100000]
    s3.delete_object(Bucket="kept", Key="after")
    new = launch_works(cloud)
    assert not addresses(cloud.instances(new)) & addresses(there), "an address of a guest in quarantine was handed out again"
    del there[later[0]]
    there.update(cloud.instances(new))
    old_era = era(cloud)

    lose_and_restore(cloud, folder)
    wait_for("an era above the nodes'", lambda: era(cloud) > old_era, 30)
    wait_for("quarantine again", lambda: quarantined(cloud) == set(later[1:] + new), 60)
    cloud.wait_states(first, "running", seconds=10)
    del before[later[0]]
    assert processes(cloud, list(before)) == before and all(alive(pid) for pid in before.values())
    processes(cloud, new)
    assert read(cloud.client("s3"), "big") == BIG
    assert not addresses(cloud.instances(launch_works(cloud))) & addresses(there)
    os.unlink(f"{cloud.dir}/state/store/keep-unnamed")
    cloud.kill("store")
    wait_for("the end of what the index does not name", lambda: not unnamed & data_files(cloud), 30)
    wait_for("the store", lambda: read(cloud.client("s3"), "big") == BIG, 30)
    cloud.client("ec2").terminate_instances(InstanceIds=first)
    wait_for("an end that the user asked for", lambda: settled(cloud, first), 60, 0.5)


def test_backup_is_the_administrators(cloud, tmp_path):
    keys = json.loads(cloud.mallee("--json", "account", "create", f"other-{uuid.uuid4()}"))
    other = {**cloud.env, "AWS_ACCESS_KEY_ID": keys["access_key_id"], "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"]}
    done = subprocess.run(["mallee", "backup", str(tmp_path / "b")], env=other, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 1 and "AccessDenied" in done.stdout, done
    assert not os.path.exists(tmp_path / "b")
    s3 = cloud.client("s3", aws_access_key_id=keys["access_key_id"], aws_secret_access_key=keys["secret_access_key"])
    s3.meta.events.register("before-sign.s3.ListBuckets", ask_for_index)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.list_buckets()
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    with open(f"{cloud.dir}/etc/store.conf", encoding="utf-8") as conf:
        guests = dict(line.strip().split(" = ", 1) for line in conf)["guest-listen"]
    own = {**cloud.env, "AWS_ENDPOINT_URL_S3": f"https://{guests}", "AWS_CA_BUNDLE": f"{cloud.dir}/etc/cert.pem"}
    done = subprocess.run(["mallee", "backup", str(tmp_path / "b")], env=own, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode and "NotImplemented" in done.stdout, "not where guests call, whoever asks"
    assert not os.path.exists(tmp_path / "b")


def ask_for_index(request, **_):
    request.url += "?mallee-index="


def test_backup_refuses_a_folder_in_use(cloud, tmp_path):
    (tmp_path / "precious").write_text("x", encoding="utf-8")
    done = subprocess.run(["mallee", "backup", str(tmp_path)], env=cloud.env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 2 and "no empty folder" in done.stdout
    assert os.listdir(tmp_path) == ["precious"]


def test_restore_refuses(cloud, tmp_path):
    folder = str(tmp_path / "backup")
    cloud.mallee("backup", folder)
    key = open(f"{cloud.dir}/state/cloud/cloud.key", "rb").read()
    done = restore(cloud, folder, check=False)
    assert done.returncode == 1 and "a database already" in done.stdout and "move it away" in done.stdout, done
    done = subprocess.run([f"{BUILD}/cloud-controller/mallee-cloud-controller", "--config", f"{cloud.dir}/etc/cloud.conf",
                           "--state-dir", str(tmp_path / "state"), "--restore", f"{folder}/store.db"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 1 and "a backup of the object store" in done.stdout, done
    assert not [n for n in os.listdir(tmp_path / "state") if n != "cloud.db.lock"]
    assert open(f"{cloud.dir}/state/cloud/cloud.key", "rb").read() == key


def test_quickstart_restores_into_an_empty_folder(cloud, tmp_path):
    """Nothing but the backup is left, the nodes are new: the accounts and what they own are there. (The last test: the
    cloud is another one afterwards.)"""
    folder = str(tmp_path / "backup")
    name = f"tenant-{uuid.uuid4()}"
    keys = json.loads(cloud.mallee("--json", "account", "create", name))
    secret = cloud.env["AWS_SECRET_ACCESS_KEY"]
    cloud.mallee("backup", folder)
    cloud.stop()
    for part in os.listdir(f"{cloud.dir}/state"):
        shutil.rmtree(f"{cloud.dir}/state/{part}")
    cloud.quickstart("--no-demo", "--nodes", str(cloud.nodes), "--restore", folder)
    cloud.env = cloud.read_env()
    assert cloud.env["AWS_SECRET_ACCESS_KEY"] == secret
    assert name in cloud.mallee("account", "list")
    tenant = dict(aws_access_key_id=keys["access_key_id"], aws_secret_access_key=keys["secret_access_key"])
    assert cloud.client("s3", **tenant).list_buckets()["Buckets"] == []
    ec2 = cloud.client("ec2", **tenant)
    launched = cloud.run(1, ec2)
    wait_for("a tenant's launch", lambda: cloud.instances(client=ec2)[launched[0]]["State"]["Name"] == "running", 60)
    done = cloud.quickstart("--no-demo", "--restore", folder, check=False)
    assert done.returncode and "a cloud that runs is not restored" in done.stdout
