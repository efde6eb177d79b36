# SPDX-License-Identifier: Apache-2.0
"""A node's image cache in a whole cloud: bounded, filled again, killed at work, told by nobody that an image is gone."""
import os
import re
import subprocess

import pytest

from cloud import BUILD, Cloud, wait_for

MIB = 1 << 20


@pytest.fixture(scope="module", name="cloud")
def start_cloud():
    with Cloud("image-cache", nodes=1, MALLEE_IMAGE_CACHE_GIB="1", MALLEE_GARBAGE_DELAY="2s",
               MALLEE_NODE_TIMING="images=500,images-asked=1000") as running:
        yield running


def import_disk(cloud, tmp_path, name, letter):
    """600 MiB that no hole shortens, small on its way."""
    with open(os.path.join(BUILD, "deploy/images/brick/brick.raw"), "rb") as file:
        brick = file.read()
    raw, packed = tmp_path / "raw", tmp_path / name
    with open(raw, "wb") as file:
        file.write(brick)
        for _ in range(600):
            file.write(letter * MIB)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, packed], check=True)
    raw.unlink()
    done = subprocess.run(["mallee", "image", "import", packed], env=cloud.env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def cached(cloud, image_id):
    return os.path.exists(os.path.join(cloud.dir, "state/node-1/images", image_id, "disk.raw"))


def metric(cloud, name):
    pid = cloud.pid("node-1")
    with open(os.path.join(cloud.dir, "etc/node-1.conf"), encoding="utf-8") as file:
        listen = re.search(r"^listen = (\S+)", file.read(), re.M)[1]
    done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "curl", "-sS", f"http://{listen}/metrics"],
                          stdout=subprocess.PIPE, text=True, check=False, timeout=20)
    assert done.returncode == 0, "the node does not listen yet"
    return int(re.search(rf"^{name} (\d+)", done.stdout, re.M)[1])


def launch(cloud, image_id):
    answer = cloud.ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1)
    instance_id = answer["Instances"][0]["InstanceId"]
    cloud.wait_states([instance_id], "running", seconds=120)
    return instance_id


def end(cloud, instance_id):
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_states([instance_id], "terminated")


def test_bounded(cloud, tmp_path):
    first, second = import_disk(cloud, tmp_path, "first", b"a"), import_disk(cloud, tmp_path, "second", b"b")
    one = launch(cloud, first)
    two = launch(cloud, second)  # past the bound: an instance stands on either
    assert cached(cloud, first) and cached(cloud, second)
    assert metric(cloud, "mallee_image_cache_bytes") > 1200 * MIB
    assert metric(cloud, "mallee_image_cache_evictions_total") == 0
    end(cloud, one)
    wait_for("the first to go", lambda: not cached(cloud, first))
    assert cached(cloud, second)
    wait_for("its count", lambda: metric(cloud, "mallee_image_cache_evictions_total") == 1)
    end(cloud, two)
    one = launch(cloud, first)  # fetched again, and the second has to go for it
    assert cached(cloud, first)
    wait_for("the second to go", lambda: not cached(cloud, second))
    wait_for("the bytes of one", lambda: 600 * MIB < metric(cloud, "mallee_image_cache_bytes") < 1024 * MIB)
    # Killed and started again the node knows what it has.
    cloud.kill("node-1")
    cloud.wait_up("node-1")
    wait_for("its count", lambda: metric(cloud, "mallee_image_cache_bytes") > 600 * MIB)
    assert cached(cloud, first) and cloud.states([one])[one] == "running"
    # No image any more, and still there for the instance that stands on it; then gone from the cache.
    cloud.ec2.deregister_image(ImageId=first)
    base = os.path.join(cloud.dir, "state/node-1/instances", one, "base.raw")
    assert cached(cloud, first) and os.stat(base).st_nlink == 2
    end(cloud, one)
    wait_for("the cache to hear of it", lambda: not cached(cloud, first))
    assert not os.path.exists(base)
