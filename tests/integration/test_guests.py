# SPDX-License-Identifier: Apache-2.0
"""Guests that answer ssh, from the quickstart's first VM to their end, by the AWS CLI and boto3.

One cloud of two nodes with its demonstration; real boots under emulation. What is said of the network here is said by
the guests themselves; tests/integration/network proves the same with more ways to fail.
"""
import os
import re
import shutil
import subprocess

import botocore.exceptions
import pytest

from cloud import BUILD, SRC, wait_for
from guests import GuestCloud

BOOTS_LINUX = True  # tests/run --sanitize leaves it out


@pytest.fixture(scope="module")
def cloud():
    with GuestCloud("guests", nodes=2, witness=False) as started:
        yield started
        started.stop()  # what it cannot take away it names, and fails
        names = subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
        assert started.hash() not in names


def ready_lines(cloud, instance):
    """[boot number] of what the guest said on its console, by the CLI."""
    answer = cloud.aws("ec2", "get-console-output", "--instance-id", instance, "--output", "json")
    return [int(n) for n in re.findall(rf"mallee-tiny: ready {instance} boot=(\d+)", answer.get("Output") or "")]


def test_demo_answers_with_its_key_only(cloud):
    address = cloud.public(cloud.demo())
    assert cloud.ssh(address, "id -u").strip() == "0"
    done = subprocess.run(["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                           "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", "/dev/null", f"root@{address}", "true"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 255 and "denied" in done.stderr


def test_life_by_the_cli(cloud):
    image = cloud.image
    made = cloud.aws("ec2", "run-instances", "--image-id", image, "--count", "3", "--key-name", "demo")
    ids = [i["InstanceId"] for i in made["Instances"]]
    assert len(ids) == 3
    cloud.aws("ec2", "wait", "instance-running", "--instance-ids", *ids)
    addresses = {i: v["PublicIpAddress"] for i, v in cloud.instances(ids).items()}
    cloud.wait_ssh(addresses.values())
    for instance, address in addresses.items():
        assert cloud.metadata(address, "meta-data/instance-id").strip() == instance
    first = ids[0]
    wait_for("the console's word", lambda: ready_lines(cloud, first) == [1], 30, 1)
    cloud.ssh(addresses[first], "echo kept > /root/kept && sync")
    cloud.aws("ec2", "reboot-instances", "--instance-ids", first)
    wait_for("the second boot", lambda: ready_lines(cloud, first) == [1, 2], 150, 2)
    cloud.wait_ssh([addresses[first]])
    assert cloud.ssh(addresses[first], "cat /root/kept").strip() == "kept"
    cloud.aws("ec2", "terminate-instances", "--instance-ids", *ids)
    cloud.aws("ec2", "wait", "instance-terminated", "--instance-ids", *ids)


def test_by_boto3_with_user_data_and_required_tokens(cloud):
    script = "#!/bin/sh\necho said-by-user-data > /root/said\n"
    [instance] = cloud.launch(1, UserData=script, MetadataOptions={"HttpTokens": "required"})
    cloud.ec2.get_waiter("instance_running").wait(InstanceIds=[instance])
    address = cloud.public(instance)
    cloud.wait_ssh([address])
    wait_for("user data", lambda: cloud.ssh(address, "cat /root/said 2>/dev/null || true").strip() == "said-by-user-data", 30, 1)
    refused = cloud.ssh(address, "wget -q -O - http://169.254.169.254/latest/meta-data/ 2>&1 || true")
    assert "401" in refused or not refused.strip()
    output = cloud.ec2.get_console_output(InstanceId=instance)["Output"]
    assert f"ready {instance} boot=1" in output
    status = cloud.ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"][0]
    assert status["InstanceState"]["Name"] == "running" and status["SystemStatus"]["Status"] == "ok"
    cloud.ec2.terminate_instances(InstanceIds=[instance])
    cloud.ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance])


@pytest.mark.skipif(not os.environ.get("MALLEE_LONG"), reason="with --long: three more boots")
def test_by_the_javascript_sdk(cloud):
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = os.path.join(BUILD, "tests", "clients", "ec2-js")
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "life.mjs"):
        shutil.copy(os.path.join(SRC, "tests/clients/ec2-js", name), folder)
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True,
                          text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip("npm cannot install the SDK: " + done.stderr[-300:])
    done = subprocess.run(["node", os.path.join(folder, "life.mjs")], env=cloud.env, capture_output=True, text=True,
                          check=False, timeout=400)
    assert done.stdout.strip() == "ok", done.stdout + done.stderr[-3000:]


def serve(cloud, address, *ports):
    for port in ports:
        cloud.ssh(address, f"mkdir -p /tmp/www && echo page-{port} > /tmp/www/page && httpd -p {port} -h /tmp/www")


def get(cloud, address, url):
    """What a guest gets from there within three seconds; "" where nothing answers."""
    return cloud.ssh(address, f"timeout 3 wget -q -O - {url} 2>/dev/null || true", 30).strip()


@pytest.fixture(scope="module")
def pair(cloud):
    """Two guests on two nodes, in a group that admits ssh and port 8080."""
    vpc = cloud.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = cloud.ec2.create_security_group(GroupName="pair", Description="d", VpcId=vpc)["GroupId"]
    cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        for port in (22, 8080)])
    ids = []
    for _ in range(4):  # until both nodes have one
        ids += cloud.launch(1, SecurityGroupIds=[group])
        cloud.wait_states(ids, "running", seconds=90)
        where = {q[2]: q[1] for q in cloud.qemus()}
        if len({where[i] for i in ids}) == 2:
            break
    else:
        raise AssertionError("all guests came to one node")
    first = ids[0]
    second = next(i for i in ids if where[i] != where[first])
    cloud.wait_ssh([cloud.public(first), cloud.public(second)])
    serve(cloud, cloud.public(second), 8080, 9090)
    yield group, first, second
    cloud.ec2.terminate_instances(InstanceIds=ids)
    cloud.wait_states(ids, "terminated")
    cloud.ec2.delete_security_group(GroupId=group)


def test_an_allowed_port_answers_and_a_closed_one_does_not(cloud, pair):
    group, first, second = pair
    caller, target, outside = cloud.public(first), cloud.private(second), cloud.public(second)
    assert get(cloud, caller, f"http://{target}:8080/page").startswith("page-")
    assert get(cloud, caller, f"http://{outside}:8080/page").startswith("page-")
    assert get(cloud, caller, f"http://{target}:9090/page") == ""
    assert get(cloud, caller, f"http://{outside}:9090/page") == ""
    rule = [{"IpProtocol": "tcp", "FromPort": 9090, "ToPort": 9090, "UserIdGroupPairs": [{"GroupId": group}]}]
    cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    wait_for("the new rule", lambda: get(cloud, caller, f"http://{target}:9090/page").startswith("page-"), 30, 1)
    cloud.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)
    wait_for("the revoked rule", lambda: get(cloud, caller, f"http://{target}:9090/page") == "", 30, 1)


def test_a_spoofed_address_is_dropped(cloud, pair):
    _, first, second = pair
    caller, target = cloud.public(first), cloud.private(second)
    assert get(cloud, caller, f"http://{target}:8080/page").startswith("page-")
    count = "awk '$2 ~ /:1F90$/ && $4 == \"03\"' /proc/net/tcp | wc -l"
    other = cloud.private(cloud.demo())
    cloud.ssh(caller, f"ip addr add {other}/32 dev eth0")
    try:
        said = cloud.ssh(caller, f"echo x | timeout 3 nc -s {other} {target} 8080; true")
        assert "page-" not in said
        assert cloud.ssh(cloud.public(second), count).strip() == "0", "a spoofed SYN arrived"
    finally:
        cloud.ssh(caller, f"ip addr del {other}/32 dev eth0")
    assert get(cloud, caller, f"http://{target}:8080/page").startswith("page-")


def test_a_guest_reaches_ec2_and_s3_and_nothing_else(cloud, pair):
    _, first, _ = pair
    caller = cloud.public(first)
    status = cloud.quickstart("--status").stdout
    services = sorted(set(re.findall(r"https://([0-9.]+):(\d+)", status)))
    assert len(services) >= 2, status
    host = services[0][0]
    ports = {int(port) for _, port in services}
    base = min(ports) // 64 * 64
    listening = subprocess.run(["ss", "-Hltn"], stdout=subprocess.PIPE, text=True, check=True).stdout
    others = {int(line.split()[3].rsplit(":", 1)[1]) for line in listening.splitlines()} | set(range(base, base + 64))
    script = "for p in %s; do (nc -w 2 " + host + " $p </dev/null >/dev/null 2>&1 && echo open $p) & done; wait; true"
    candidates = sorted(others | ports)
    opened = set()
    for k in range(0, len(candidates), 12):
        said = cloud.ssh(caller, script % " ".join(map(str, candidates[k:k + 12])), 60)
        opened |= {int(p) for p in re.findall(r"open (\d+)", said)}
    assert opened == ports


def test_a_guest_that_powers_off_is_terminated(cloud):
    [instance] = cloud.launch(1)
    cloud.wait_states([instance], "running")
    address = cloud.public(instance)
    cloud.wait_ssh([address])
    cloud.ssh(address, "(sleep 1; poweroff) >/dev/null 2>&1 &")
    cloud.wait_states([instance], "terminated", seconds=90)
    reason = cloud.instances([instance])[instance]["StateReason"]["Code"]
    assert reason == "Client.InstanceInitiatedShutdown"


def test_console_of_what_never_ran(cloud):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        cloud.ec2.get_console_output(InstanceId="i-0123456789abcdef0")
    assert refused.value.response["Error"]["Code"] == "InvalidInstanceID.NotFound"
