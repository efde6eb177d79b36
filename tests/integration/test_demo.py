# SPDX-License-Identifier: Apache-2.0
"""deploy/quickstart with its demonstration: from nothing to a guest that answers ssh, again while up, again after --stop."""
import json
import os
import re
import subprocess
import time

import pytest

from cloud import Cloud, wait_for

BOOTS_LINUX = True  # tests/run --sanitize leaves it out

AGAIN_SECONDS = 45


class Demo(Cloud):
    """A cloud with the demonstration in it."""

    def start(self):
        begun = time.monotonic()
        self.said = self.quickstart("--nodes", str(self.nodes)).stdout
        self.took = time.monotonic() - begun
        self.env = self.read_env()
        return self.said

    def address(self):
        return re.search(r"^  ssh -i (\S+) root@(\S+)$", self.said, re.M).group(2)

    def ssh(self, command, check=True, address=None):
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", self.env["MALLEE_DEMO_KEY"], "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o",
             "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
             f"root@{address or self.address()}", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise AssertionError(f"ssh: {done.stdout}")
        return done.stdout

    def demos(self):
        answer = self.ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["demo"]},
                                                      {"Name": "instance-state-name", "Values": ["pending", "running"]}])
        return [i for r in answer["Reservations"] for i in r["Instances"]]


@pytest.fixture(scope="module")
def cloud():
    with Demo("demo") as started:
        yield started


def test_first_run(cloud):
    print(f"\nnote quickstart: a first run with everything built took {cloud.took:.1f} s")
    assert cloud.took < 180
    (demo,) = cloud.demos()
    assert demo["PublicIpAddress"] == cloud.address() and demo["KeyName"] == "demo"
    assert cloud.ssh("cat /run/instance-id").strip() == demo["InstanceId"]
    image = cloud.ec2.describe_images(ImageIds=[cloud.env["MALLEE_DEMO_IMAGE"]])["Images"][0]
    assert demo["ImageId"] == image["ImageId"] and image["Public"] and image["Name"].startswith("tiny-")
    assert os.stat(cloud.env["MALLEE_DEMO_KEY"]).st_mode & 0o777 == 0o600


def test_another_account_may_launch_the_image(cloud):
    made = json.loads(cloud.mallee("--json", "account", "create", "guest"))
    other = cloud.client("ec2", aws_access_key_id=made["access_key_id"], aws_secret_access_key=made["secret_access_key"])
    assert other.describe_images(ImageIds=[cloud.env["MALLEE_DEMO_IMAGE"]])["Images"][0]["State"] == "available"


def test_from_the_guest_only_the_endpoints_answer(cloud):
    status = cloud.quickstart("--status").stdout
    host = re.search(r"bridge on this host +\S+ \(([\d.]+)/18\)", status).group(1)
    open_to_guests = sorted(int(p) for p in re.findall(rf"https://{re.escape(host)}:(\d+)/", status))
    listening = {int(line.split()[3].rsplit(":", 1)[1]) for line in subprocess.run(
        ["ss", "-Hltn"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        if line.split()[3].rsplit(":", 1)[0] in (host, "0.0.0.0", "*")}
    assert set(open_to_guests) < listening and len(open_to_guests) == 2, "there is something to be refused"
    ports = " ".join(str(p) for p in sorted(listening | {22, 80, 443}))
    script = (f"for p in {ports}; do (timeout 3 nc {host} $p </dev/null >/dev/null 2>&1; "
              "[ $? = 0 ] && echo $p) & done; wait")
    assert sorted(int(p) for p in cloud.ssh(script).split()) == open_to_guests


def test_the_guest_has_no_way_out(cloud):
    assert cloud.ssh("timeout 5 nc 192.0.2.1 80 </dev/null >/dev/null 2>&1; echo $?").strip() != "0"
    assert "none" in re.search(r"guests' way out +(.*)", cloud.quickstart("--status").stdout).group(1)


def test_again_while_up(cloud):
    before, address = cloud.demos(), cloud.address()
    cloud.ssh("echo kept >/root/kept; sync")
    cloud.start()
    print(f"\nnote quickstart: again while up took {cloud.took:.1f} s")
    assert cloud.took < AGAIN_SECONDS
    assert [i["InstanceId"] for i in cloud.demos()] == [i["InstanceId"] for i in before] and cloud.address() == address
    assert cloud.ssh("cat /root/kept /var/lib/mallee/boots").split() == ["kept", "1"]


def test_again_after_stop(cloud):
    before, address = cloud.demos(), cloud.address()
    cloud.stop()
    cloud.start()
    print(f"\nnote quickstart: again after --stop took {cloud.took:.1f} s")
    assert cloud.took < AGAIN_SECONDS
    assert [i["InstanceId"] for i in cloud.demos()] == [i["InstanceId"] for i in before] and cloud.address() == address
    assert cloud.ssh("cat /root/kept /var/lib/mallee/boots").split() == ["kept", "2"]


def test_a_demo_that_is_gone_is_replaced(cloud):
    (old,) = cloud.demos()
    cloud.ec2.terminate_instances(InstanceIds=[old["InstanceId"]])
    cloud.wait_states([old["InstanceId"]], "terminated")
    os.unlink(cloud.env["MALLEE_DEMO_KEY"])  # and with it the key
    cloud.start()
    (new,) = cloud.demos()
    assert new["InstanceId"] != old["InstanceId"] and cloud.ssh("cat /run/instance-id").strip() == new["InstanceId"]


def test_a_demo_whose_key_is_lost_is_replaced(cloud):
    (old,) = cloud.demos()
    os.unlink(cloud.env["MALLEE_DEMO_KEY"])
    cloud.start()
    wait_for("one demo", lambda: [i["InstanceId"] for i in cloud.demos()] != [old["InstanceId"]], 30)
    assert cloud.ssh("cat /run/instance-id").strip() == cloud.demos()[0]["InstanceId"]
