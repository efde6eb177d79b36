# SPDX-License-Identifier: Apache-2.0
"""A cloud of two nodes from deploy/quickstart; bricks launched, described and terminated by boto3 and the AWS CLI."""
import json
import os
import time
import uuid

import botocore.exceptions
import pytest

from cloud import Cloud, wait_for


@pytest.fixture(scope="module")
def cloud():
    with Cloud("first-light", nodes=2) as started:
        yield started


def code_of(error):
    return error.value.response["Error"]["Code"]


def console(cloud, instance):
    """What the instance wrote to its serial port, as the node keeps it."""
    for node in cloud.node_numbers():
        for folder in (f"{cloud.dir}/state/node-{node}", f"{cloud.dir}/nodes/node-{node}"):
            for root, _, files in os.walk(folder):
                for name in files:
                    path = os.path.join(root, name)
                    if instance in path and ("console" in name or name.endswith(".log")):
                        with open(path, encoding="utf-8", errors="replace") as file:
                            return file.read()
    return ""


def test_regions_zones_and_types(cloud):
    ec2 = cloud.ec2
    assert [r["RegionName"] for r in ec2.describe_regions()["Regions"]] == ["us-east-1"]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [(z["ZoneName"], z["State"]) for z in zones] == [("us-east-1a", "available")]
    types = [t["InstanceType"] for t in ec2.describe_instance_types()["InstanceTypes"]]
    assert "m1.small" in types


def test_who_am_i(cloud):
    me = cloud.client("sts").get_caller_identity()
    assert len(me["Account"]) == 12 and me["Arn"].startswith("arn:aws:iam::" + me["Account"])


def test_bricks_by_boto3(cloud):
    ids = cloud.run(3)
    assert len(set(ids)) == 3
    cloud.wait_states(ids, "running")
    described = cloud.instances(ids)
    assert {i["InstanceType"] for i in described.values()} == {"m1.small"}
    assert all(i["Placement"]["AvailabilityZone"] == "us-east-1a" for i in described.values())
    assert len({i["PrivateIpAddress"] for i in described.values()}) == 3
    running = [q for q in cloud.qemus() if q[2] in ids]
    assert sorted(q[2] for q in running) == sorted(ids), f"one QEMU each, by its SMBIOS serial: {running}"
    for instance in ids:
        wait_for(f"the line of {instance}", lambda: f"serial={instance} boot=1" in console(cloud, instance), 10)
    answer = cloud.ec2.terminate_instances(InstanceIds=ids)
    assert {i["CurrentState"]["Name"] for i in answer["TerminatingInstances"]} <= {"shutting-down", "terminated"}
    cloud.wait_states(ids, "terminated")
    wait_for("no QEMU of theirs", lambda: not [q for q in cloud.qemus() if q[2] in ids], 20)
    wait_for("no file of theirs", lambda: not [i for n in cloud.node_numbers() for i in cloud.node_files(n) if i in ids], 60)


def room(cloud):
    """Instances of m1.small that the zone offers, and the most that one node alone could."""
    status = json.loads(cloud.mallee("--json", "status"))
    free = next((s["free"] for s in status["zones"][0].get("slots", []) if s["type"] == "m1.small"), 0)
    return free, max(min(n["vcpus"], n["memory_mib"] // 256) for n in status["nodes"])


def test_spread_over_nodes(cloud):
    wait_for("room on both nodes", lambda: room(cloud)[0] > room(cloud)[1], 30)
    ids = cloud.run(4)
    cloud.wait_states(ids, "running")
    nodes = {q[1] for q in cloud.qemus() if q[2] in ids}
    cloud.ec2.terminate_instances(InstanceIds=ids)
    cloud.wait_states(ids, "terminated")
    assert nodes == {1, 2}, f"four bricks on nodes {nodes}"


def test_bricks_by_the_cli(cloud):
    answer = cloud.aws("ec2", "run-instances", "--image-id", cloud.brick(), "--count", "2")
    ids = [i["InstanceId"] for i in answer["Instances"]]
    cloud.aws("ec2", "wait", "instance-running", "--instance-ids", *ids)
    shown = cloud.aws("ec2", "describe-instances", "--instance-ids", *ids)
    assert sorted(i["InstanceId"] for r in shown["Reservations"] for i in r["Instances"]) == sorted(ids)
    cloud.aws("ec2", "create-tags", "--resources", ids[0], "--tags", "Key=Name,Value=first light")
    tags = cloud.aws("ec2", "describe-tags", "--filters", f"Name=resource-id,Values={ids[0]}")["Tags"]
    assert [(t["Key"], t["Value"]) for t in tags] == [("Name", "first light")]
    cloud.aws("ec2", "delete-tags", "--resources", ids[0], "--tags", "Key=Name")
    assert cloud.aws("ec2", "describe-tags", "--filters", f"Name=resource-id,Values={ids[0]}")["Tags"] == []
    cloud.aws("ec2", "terminate-instances", "--instance-ids", *ids)
    cloud.aws("ec2", "wait", "instance-terminated", "--instance-ids", *ids)
    assert cloud.aws("sts", "get-caller-identity")["Account"]


def test_client_token_makes_one_reservation(cloud):
    token = str(uuid.uuid4())
    ids = cloud.run(2, ClientToken=token)
    assert cloud.run(2, ClientToken=token) == ids
    with pytest.raises(botocore.exceptions.ClientError) as error:
        cloud.run(1, ClientToken=token)
    assert code_of(error) == "IdempotentParameterMismatch"
    cloud.ec2.terminate_instances(InstanceIds=ids)
    cloud.wait_states(ids, "terminated")


@pytest.mark.parametrize("call, code", [
    (lambda ec2: ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"]), "InvalidInstanceID.NotFound"),
    (lambda ec2: ec2.describe_instances(InstanceIds=["rubbish"]), "InvalidInstanceID.Malformed"),
    (lambda ec2: ec2.terminate_instances(InstanceIds=["i-0123456789abcdef0"]), "InvalidInstanceID.NotFound"),
    (lambda ec2: ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1), "InvalidAMIID.NotFound"),
    (lambda ec2: ec2.describe_instances(DryRun=True), "DryRunOperation"),
], ids=["not-there", "malformed", "terminate-not-there", "no-image", "dry-run"])
def test_errors(cloud, call, code):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(cloud.ec2)
    assert code_of(error) == code


def test_wrong_keys(cloud):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        cloud.client("ec2", aws_secret_access_key="wrong").describe_instances()
    assert code_of(error) in ("SignatureDoesNotMatch", "AuthFailure")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        cloud.client("ec2", aws_access_key_id="AKIANOBODYATALL00000").describe_instances()
    assert code_of(error) in ("AuthFailure", "InvalidClientTokenId")


def test_mallee_status(cloud):
    text = cloud.mallee("status")
    assert "us-east-1a" in text


def test_up_again_and_stopped_and_started(cloud):
    ids = cloud.run(2)
    cloud.wait_states(ids, "running")
    assert "up already" in cloud.start()
    assert sorted(q[2] for q in cloud.qemus() if q[2] in ids) == sorted(ids)
    before = cloud.env["AWS_SECRET_ACCESS_KEY"]
    said = cloud.stop()
    assert "no process, namespace, link, route or mount" in said
    begun = time.monotonic()
    cloud.start()
    assert time.monotonic() - begun < 45
    assert cloud.env["AWS_SECRET_ACCESS_KEY"] == before
    cloud.wait_states(ids, "running")  # its hosts were off: they start again, the same instances
    wait_for("their QEMUs", lambda: sorted(q[2] for q in cloud.qemus() if q[2] in ids) == sorted(ids), 60)
    cloud.ec2.terminate_instances(InstanceIds=ids)
    cloud.wait_states(ids, "terminated")
