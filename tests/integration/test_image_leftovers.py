# SPDX-License-Identifier: Apache-2.0
"""What jobs that were killed, failed or given up leave in the system's bucket goes; what a job still needs stays."""
import contextlib
import os
import signal
import subprocess

import pytest

from cloud import BUILD, Cloud, wait_for

MIB = 1 << 20
BUCKET = "mallee-images"


@pytest.fixture(scope="module", name="cloud")
def start_cloud():
    with Cloud("image-leftovers", nodes=1, MALLEE_CHUNK_DELAY="2s", MALLEE_GARBAGE_DELAY="2s") as running:
        running.client("s3").create_bucket(Bucket="uploads")
        yield running


@pytest.fixture(scope="module", name="disk")
def make_disk():
    with open(os.path.join(BUILD, "deploy/images/brick/brick.raw"), "rb") as file:
        brick = file.read()
    return brick + os.urandom(400 * MIB)


@pytest.fixture(scope="module", name="images")
def images_client(cloud):
    with open(os.path.join(cloud.dir, "state/system/image-service"), encoding="utf-8") as file:
        keys = dict(line.strip().split(" = ") for line in file if " = " in line)
    return cloud.client("s3", aws_access_key_id=keys["access_key_id"], aws_secret_access_key=keys["secret_access_key"])


def register(cloud, name, disk):
    cloud.client("s3", read_timeout=120).put_object(Bucket="uploads", Key=name, Body=disk)
    return cloud.ec2.register_image(ImageLocation=f"uploads/{name}", Name=name)["ImageId"]


def state(cloud, image_id):
    return cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"]


def chunks(images, image_id):
    pages = images.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"chunks/{image_id}/")
    return [o["Key"] for page in pages for o in page.get("Contents", [])]


def editions(images, image_id):
    return {key.split("/")[2] for key in chunks(images, image_id)}


def under_way(cloud, images, name, disk):
    """An image whose making has put something, and is not over."""
    image_id = register(cloud, name, disk)
    wait_for("its first chunk", lambda: chunks(images, image_id), every=0.01)
    return image_id


def boots(cloud, image_id):
    answer = cloud.ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1)
    instance_id = answer["Instances"][0]["InstanceId"]
    cloud.wait_states([instance_id], "running", seconds=120)
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_states([instance_id], "terminated")


def test_killed(cloud, images, disk):
    image_id = under_way(cloud, images, "killed", disk)
    cloud.kill("image")
    first, = editions(images, image_id)
    wait_for("the image to be made again", lambda: state(cloud, image_id) == "available", 120)
    wait_for("what was left to go", lambda: first not in editions(images, image_id))
    named = images.head_object(Bucket=BUCKET, Key=f"manifests/{image_id}")["Metadata"]["edition"]
    assert editions(images, image_id) == {named} and named != first
    assert len(chunks(images, image_id)) >= 100
    boots(cloud, image_id)


def test_given_up(cloud, images, disk):
    image_id = under_way(cloud, images, "given-up", disk)
    cloud.ec2.deregister_image(ImageId=image_id)
    wait_for("its chunks to go", lambda: not chunks(images, image_id))
    assert "Contents" not in images.list_objects_v2(Bucket=BUCKET, Prefix=f"manifests/{image_id}")


def test_failed(cloud, images, disk):
    image_id = under_way(cloud, images, "failed", disk)
    cloud.client("s3").put_object(Bucket="uploads", Key="failed", Body=b"another")
    wait_for("the image to fail", lambda: state(cloud, image_id) == "failed")
    wait_for("its chunks to go", lambda: not chunks(images, image_id))


@contextlib.contextmanager
def another_service(cloud):
    folder = os.path.join(cloud.dir, "another")
    command = [os.path.join(cloud.dir, "programs/mallee-image-service"), "--config",
               os.path.join(cloud.dir, "etc/image.conf"), "--state-dir", folder, "--listen", "127.0.0.1:0"]
    with open(os.path.join(cloud.dir, "log/another.log"), "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_paused_job_keeps_its_chunks(cloud, images, disk):
    image_id = under_way(cloud, images, "paused", disk)
    with cloud.paused("image"), another_service(cloud):
        before = chunks(images, image_id)
        assert before and state(cloud, image_id) == "pending"
        decoy = "chunks/ami-0123456789abcdef0/00/00000000"  # younger than any of them, and nobody's
        images.put_object(Bucket=BUCKET, Key=decoy, Body=b"x")
        wait_for("the decoy to go", lambda: not chunks(images, "ami-0123456789abcdef0"))
        assert set(before) <= set(chunks(images, image_id))  # one more may have been on its way to the store
    wait_for("the image to be made", lambda: state(cloud, image_id) == "available", 120)
    assert len(editions(images, image_id)) == 1
    boots(cloud, image_id)


def test_images_stay(cloud, images):
    """Made before, of chunks much older than the delay by now."""
    for image in cloud.ec2.describe_images(Owners=["self"])["Images"]:
        if image["State"] == "available":
            boots(cloud, image["ImageId"])
            assert len(editions(images, image["ImageId"])) == 1
