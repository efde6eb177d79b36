# SPDX-License-Identifier: Apache-2.0
"""Images, from a user's object to a running domain: made, launched, looked for on the disk, flipped, removed."""
import os
import subprocess
import threading

import botocore.exceptions
import pytest

from cloud import BUILD, Cloud, wait_for
from s3_refusals import looks, taken, writes

MIB = 1 << 20


@pytest.fixture(scope="module", name="cloud")
def start_cloud():
    with Cloud("images", nodes=1, MALLEE_GARBAGE_DELAY="2s") as running:
        yield running


@pytest.fixture(scope="module", name="disk")
def make_disk():
    """A brick whose rest is noise: it boots, and each of its bytes can be looked for."""
    with open(os.path.join(BUILD, "deploy/images/brick/brick.raw"), "rb") as file:
        brick = file.read()
    return brick + os.urandom(9 * MIB) + bytes(5 * MIB) + os.urandom(MIB)


def register(cloud, name, data, key=None):
    s3 = cloud.client("s3")
    if "uploads" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="uploads")
    key = key or f"{name} disk.raw"
    s3.put_object(Bucket="uploads", Key=key, Body=data)
    return cloud.ec2.register_image(ImageLocation=f"uploads/{key}", Name=name)["ImageId"]


def wait_state(cloud, image_id, state):
    def settled():
        found = cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]
        return found if found["State"] != "pending" else None
    found = wait_for(f"{image_id} to be {state}", settled, 60)
    assert found["State"] == state, found
    return found


def run(cloud, image_id):
    return cloud.ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]


def wait_instance(cloud, instance_id, *states):
    def settled():
        found = cloud.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return found if found["State"]["Name"] in states else None
    return wait_for(f"{instance_id} to be {states}", settled, 90)


def terminate(cloud, *ids):
    cloud.ec2.terminate_instances(InstanceIds=list(ids))
    for instance_id in ids:
        wait_instance(cloud, instance_id, "terminated")


def refused(call, code, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == code


def part(cloud, name):
    """An S3 client with the key of one of the cloud's own parts."""
    with open(os.path.join(cloud.dir, "state/system", name), encoding="utf-8") as file:
        keys = dict(line.strip().split(" = ") for line in file if " = " in line)
    return cloud.client("s3", aws_access_key_id=keys["access_key_id"],
                        aws_secret_access_key=keys["secret_access_key"])


class Search(threading.Thread):
    """Looks, again and again, for pieces of a file in all files of the cloud and in deleted ones still open."""

    def __init__(self, cloud, file):
        super().__init__()
        self.command = [os.path.join(BUILD, "tests/lib/lookfor"), file, cloud.dir]
        self.over, self.rounds, self.found, self.root = threading.Event(), 0, set(), cloud.dir

    def look(self):
        done = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=True)
        self.rounds += 1
        return {os.path.relpath(path, self.root) for path in done.stdout.splitlines()}

    def run(self):
        while not self.over.is_set():
            self.found |= self.look()

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def __enter__(self):
        self.start()
        return self


def test_from_upload_to_domain(cloud, disk):
    image_id = register(cloud, "noise", disk)
    found = wait_state(cloud, image_id, "available")
    assert found["ImageLocation"] == "uploads/noise disk.raw" and found["Name"] == "noise"
    first, second = run(cloud, image_id), run(cloud, image_id)
    for instance_id in (first, second):
        wait_instance(cloud, instance_id, "running")
    folder = os.path.join(cloud.dir, "state/node-1")
    with open(os.path.join(folder, "images", image_id, "disk.raw"), "rb") as file:
        assert file.read() == disk
    base = os.path.join(folder, "instances", first, "base.raw")
    assert os.stat(base).st_nlink == 3
    assert os.stat(os.path.dirname(base)).st_mode & 0o077 == 0
    terminate(cloud, first, second)


def test_no_plain_byte_elsewhere(cloud, disk, tmp_path):
    large = disk[:512] + os.urandom(64 * MIB)
    file = tmp_path / "noise"
    file.write_bytes(bytes(4096) + large[4096:])  # without the boot sector, which others have too
    search = Search(cloud, file)
    with search:
        image_id = register(cloud, "large", large)
        wait_state(cloud, image_id, "available")
        instance_id = run(cloud, image_id)
        wait_instance(cloud, instance_id, "running")
    allowed = (f"state/node-1/images/{image_id}/", f"state/node-1/instances/{instance_id}/", "state/store/")
    print(f"{search.rounds} rounds found it in {sorted(search.found)}")
    assert not [path for path in search.found if not path.startswith(allowed)]
    assert any(path.startswith("state/store/") for path in search.found)  # the upload: its owner's until he deletes it
    cloud.client("s3").delete_object(Bucket="uploads", Key="large disk.raw")
    wait_for("the upload to go", lambda: not [p for p in search.look() if p.startswith("state/store/")], 60, every=1)
    assert {f"state/node-1/images/{image_id}/disk.raw", f"state/node-1/instances/{instance_id}/base.raw"} <= search.look()
    terminate(cloud, instance_id)


def test_qcow2(cloud, disk, tmp_path):
    raw, qcow2 = tmp_path / "raw", tmp_path / "qcow2"
    raw.write_bytes(disk)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, qcow2], check=True)
    image_id = register(cloud, "packed", qcow2.read_bytes())
    wait_state(cloud, image_id, "available")
    instance_id = run(cloud, image_id)
    wait_instance(cloud, instance_id, "running")
    with open(os.path.join(cloud.dir, "state/node-1/images", image_id, "disk.raw"), "rb") as file:
        assert file.read() == disk
    terminate(cloud, instance_id)


def test_flipped_byte(cloud, disk):
    image_id = register(cloud, "flipped", disk)
    wait_state(cloud, image_id, "available")
    s3 = part(cloud, "image-service")
    chunk = s3.list_objects_v2(Bucket="mallee-images", Prefix=f"chunks/{image_id}/")["Contents"][1]["Key"]
    body = bytearray(s3.get_object(Bucket="mallee-images", Key=chunk)["Body"].read())
    body[len(body) // 2] ^= 1
    s3.put_object(Bucket="mallee-images", Key=chunk, Body=bytes(body))
    found = wait_instance(cloud, run(cloud, image_id), "terminated", "running")
    assert found["State"]["Name"] == "terminated"
    assert f"chunk 1 of {image_id}" in found["StateReason"]["Message"]


def test_keys_of_the_parts(cloud, disk):
    image_id = register(cloud, "keys", disk[:MIB])
    wait_state(cloud, image_id, "available")
    images, node = part(cloud, "image-service"), part(cloud, "node")
    chunk = images.list_objects_v2(Bucket="mallee-images", Prefix=f"chunks/{image_id}/")["Contents"][0]["Key"]
    manifest = f"manifests/{image_id}"
    assert node.get_object(Bucket="mallee-images", Key=chunk)["Body"].read()
    assert node.head_object(Bucket="mallee-images", Key=manifest)["ContentLength"]
    assert not taken(node, writes("mallee-images", chunk) + writes("mallee-images", manifest))
    assert not taken(node, looks("mallee-images", chunk) + looks("uploads", "keys disk.raw"))
    assert not taken(images, [("list_objects_v2", {"Bucket": "uploads"}), ("list_buckets", {})])
    refused(cloud.client("s3").list_objects_v2, "AccessDenied", Bucket="mallee-images")
    instance_id = run(cloud, image_id)  # nothing was harmed
    wait_instance(cloud, instance_id, "running")
    terminate(cloud, instance_id)


def test_bad_uploads(cloud, tmp_path):
    found = wait_state(cloud, register(cloud, "gzip", b"\x1f\x8b" + bytes(600)), "failed")
    assert "gzip" in found["StateReason"]["Message"]
    back, qcow2 = tmp_path / "back", tmp_path / "qcow2"
    back.write_bytes(bytes(MIB))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", back, qcow2], check=True)
    found = wait_state(cloud, register(cloud, "backed", qcow2.read_bytes()), "failed")
    assert "backing file" in found["StateReason"]["Message"]
    missing = cloud.ec2.register_image(ImageLocation="uploads/none", Name="none")["ImageId"]
    found = wait_state(cloud, missing, "failed")
    assert "no such object" in found["StateReason"]["Message"]
    refused(cloud.ec2.run_instances, "InvalidAMIID.Unavailable", ImageId=missing, MinCount=1, MaxCount=1)


def test_refusals(cloud):
    refused(cloud.ec2.register_image, "InvalidAMIName.Malformed", ImageLocation="uploads/x", Name="ab")
    cloud.ec2.register_image(ImageLocation="uploads/x", Name="twice")
    refused(cloud.ec2.register_image, "InvalidAMIName.Duplicate", ImageLocation="uploads/x", Name="twice")
    refused(cloud.ec2.register_image, "InvalidParameterValue", ImageLocation="nothing", Name="abc")
    refused(cloud.ec2.deregister_image, "InvalidAMIID.NotFound", ImageId="ami-0123456789abcdef0")
    refused(cloud.ec2.deregister_image, "InvalidAMIID.Malformed", ImageId="ami-zz")


def test_removed(cloud, disk):
    image_id = register(cloud, "passing", disk[:MIB])
    wait_state(cloud, image_id, "available")
    filters = [{"Name": "name", "Values": ["pass*"]}]
    assert cloud.ec2.describe_images(Filters=filters)["Images"]
    s3 = part(cloud, "image-service")
    assert any(image_id in o["Key"] for o in s3.list_objects_v2(Bucket="mallee-images")["Contents"])
    cloud.ec2.deregister_image(ImageId=image_id)
    assert not cloud.ec2.describe_images(Filters=filters)["Images"]
    refused(cloud.ec2.describe_images, "InvalidAMIID.NotFound", ImageIds=[image_id])
    wait_for("its chunks to go",
             lambda: not any(image_id in o["Key"] for o in s3.list_objects_v2(Bucket="mallee-images")["Contents"]))


def test_import(cloud, disk, tmp_path):
    file = tmp_path / "a disk.raw"
    file.write_bytes(disk)
    done = subprocess.run(["mallee", "image", "import", file], env=cloud.env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    image_id = done.stdout.strip()
    assert "uploading 100 %" in done.stderr and "converting 100 %" in done.stderr
    assert wait_state(cloud, image_id, "available")["Name"].startswith("a-disk.raw-")
    s3 = cloud.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        assert not bucket["Name"].startswith("mallee-import-") or \
            "Contents" not in s3.list_objects_v2(Bucket=bucket["Name"])
    bad = tmp_path / "bad.gz"
    bad.write_bytes(b"\x1f\x8b" + bytes(600))
    done = subprocess.run(["mallee", "image", "import", bad], env=cloud.env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "gzip" in done.stderr
