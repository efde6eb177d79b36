# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules, what an instance is launched with, interfaces and public addresses, as clients see
them; and what the Cloud Controller holds of them in its tables."""
import base64
import contextlib
import ipaddress
import json
import re
import sqlite3

import botocore.exceptions
import pytest

from cloud import Cloud, wait_for
from ec2_model import checking, filters, refused

ALL = [{"IpProtocol": "-1", "UserIdGroupPairs": [], "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [],
        "PrefixListIds": []}]
USABLE = 15 # of a /27: 32 without the first 16 and the last


def public_range(path):
    """Gives the cloud a small range of public addresses (of its own, where it has one); its Cloud Controller must start again."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    own = [line.split("=")[1].strip() for line in lines if line.startswith("public-network")]
    base = ipaddress.ip_network(own[0] if own else "192.0.2.0/24")
    small = next(base.subnets(new_prefix=27))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([line for line in lines if not line.startswith("public-network")] +
                             [f"public-network = {small}"]) + "\n")
    return small


@pytest.fixture(scope="module")
def cloud():
    with Cloud("ec2-groups", nodes=1) as started:
        started.public = public_range(f"{started.dir}/etc/cloud.conf")
        started.kill("cloud")

        def answers():
            with contextlib.suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return started.ec2.describe_subnets()["Subnets"][0]["MapPublicIpOnLaunch"]
        wait_for("the Cloud Controller with public addresses", answers, 30)
        wait_for("room", lambda: any(z["slots"] for z in json.loads(started.mallee("--json", "status"))["zones"]), 60)
        yield started


@pytest.fixture(scope="module")
def seen():
    return set()


@pytest.fixture
def ec2(cloud, seen):
    return checking(cloud.ec2, seen)


@pytest.fixture(scope="module")
def vpc(cloud):
    return cloud.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]


@pytest.fixture(scope="module")
def owner(cloud):
    return cloud.client("sts").get_caller_identity()["Account"]


@pytest.fixture(scope="module")
def other(cloud):
    made = json.loads(cloud.mallee("--json", "account", "create", "groups-other"))
    return cloud.client("ec2", aws_access_key_id=made["access_key_id"], aws_secret_access_key=made["secret_access_key"])


@pytest.fixture
def group(ec2, request):
    made = ec2.create_security_group(GroupName=re.sub(r"\W", "-", request.node.name)[:200], Description="of a test")["GroupId"]
    yield made
    with contextlib.suppress(botocore.exceptions.ClientError):
        ec2.delete_security_group(GroupId=made)


def shown(ec2, group):
    found, = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return found


def database(cloud):
    return contextlib.closing(sqlite3.connect(f"file:{cloud.dir}/state/cloud/cloud.db?mode=ro", uri=True, timeout=20))


def rule(protocol="tcp", low=22, high=22, cidr="10.0.0.0/8", **more):
    return {"IpProtocol": protocol, "FromPort": low, "ToPort": high, "IpRanges": [{"CidrIp": cidr, **more}]}


# ---- groups ----

def test_default_group(ec2, vpc, owner):
    found, = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    assert (found["VpcId"], found["OwnerId"], found["Description"]) == (vpc, owner, "default VPC security group")
    assert found["IpPermissionsEgress"] == ALL
    permission, = found["IpPermissions"]
    assert permission["IpProtocol"] == "-1" and permission["UserIdGroupPairs"] == [
        {"UserId": owner, "GroupId": found["GroupId"]}]
    message = refused("CannotDelete", ec2.delete_security_group, GroupId=found["GroupId"])["Error"]["Message"]
    assert message == f'the specified group: "{found["GroupId"]}" name: "default" cannot be deleted by a user'
    refused("CannotDelete", ec2.delete_security_group, GroupName="default")


def test_a_new_group_lets_all_out_and_nothing_in(ec2, vpc):
    made = ec2.create_security_group(GroupName="new one", Description="a-b (c)", VpcId=vpc, TagSpecifications=[
        {"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "n"}]}])
    assert re.fullmatch(r"sg-[0-9a-f]{17}", made["GroupId"]) and made["Tags"] == [{"Key": "Name", "Value": "n"}]
    found = shown(ec2, made["GroupId"])
    assert (found["IpPermissions"], found["IpPermissionsEgress"]) == ([], ALL)
    assert found["Tags"] == [{"Key": "Name", "Value": "n"}]
    message = refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="new one", Description="x")["Error"]["Message"]
    assert message == f"The security group 'new one' already exists for VPC '{vpc}'"
    ec2.create_tags(Resources=[made["GroupId"]], Tags=[{"Key": "more", "Value": ""}])
    assert [t["ResourceType"] for t in ec2.describe_tags(Filters=filters(resource_id=made["GroupId"]))["Tags"]] == ["security-group"] * 2
    refused("DryRunOperation", ec2.delete_security_group, GroupName="new one", DryRun=True)
    ec2.delete_security_group(GroupName="new one")
    assert ec2.describe_tags(Filters=filters(resource_id=made["GroupId"]))["Tags"] == []
    message = refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=made["GroupId"])["Error"]["Message"]
    assert message == f"The security group '{made['GroupId']}' does not exist"


@pytest.mark.parametrize("code, more", [
    ("InvalidGroup.Reserved", {"GroupName": "default"}), ("InvalidParameterValue", {"GroupName": "sg-abc"}),
    ("InvalidParameterValue", {"GroupName": "x" * 256}), ("InvalidParameterValue", {"GroupName": "größer"}),
    ("InvalidParameterValue", {"GroupName": "a\nb"}), ("InvalidParameterValue", {"Description": "<x>"}),
    ("InvalidParameterValue", {"Description": "x" * 256}), ("MissingParameter", {"GroupName": ""}),
    ("InvalidVpcID.NotFound", {"VpcId": "vpc-0123456789abcdef0"}), ("DryRunOperation", {"DryRun": True}),
    ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]}),
], ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_groups_that_are_not_made(ec2, code, more):
    before = ec2.describe_security_groups()["SecurityGroups"]
    refused(code, ec2.create_security_group, **{"GroupName": "no", "Description": "d", **more})
    assert ec2.describe_security_groups()["SecurityGroups"] == before


def test_names_of_groups_are_checked(ec2, group):
    refused("InvalidGroupId.Malformed", ec2.describe_security_groups, GroupIds=["sg-xyz"])
    refused("InvalidGroupId.Malformed", ec2.delete_security_group, GroupId="group")
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=["sg-0123456789abcdef0"])
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupNames=["nobody"])
    refused("InvalidGroup.NotFound", ec2.authorize_security_group_ingress, GroupName="nobody", IpPermissions=[rule()])
    refused("MissingParameter", ec2.delete_security_group)
    refused("MissingParameter", ec2.authorize_security_group_ingress, GroupId=group)
    refused("InvalidParameterCombination", ec2.delete_security_group, GroupId=group, GroupName="x")


# ---- rules ----

def test_rules_come_and_go(ec2, group, owner):
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        rule(Description="ssh (home)"), rule(cidr="192.168.7.9/24"), rule("udp", 0, 65535, "1.2.3.4/32"),
        rule("icmp", 8, -1, "0.0.0.0/0"), {"IpProtocol": "50", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]},
        {"IpProtocol": "6", "FromPort": 80, "ToPort": 81, "UserIdGroupPairs": [{"GroupId": group, "Description": "peers"}]}])
    rules = made["SecurityGroupRules"]
    assert made["Return"] is True and len(rules) == 6 and all(re.fullmatch(r"sgr-[0-9a-f]{17}", r["SecurityGroupRuleId"]) for r in rules)
    assert [r.get("CidrIpv4") for r in rules] == ["10.0.0.0/8", "192.168.7.0/24", "1.2.3.4/32", "0.0.0.0/0", "10.1.0.0/16", None]
    assert rules[5]["ReferencedGroupInfo"] == {"GroupId": group, "UserId": owner} and rules[5]["IpProtocol"] == "tcp"
    found = {(p["IpProtocol"], p.get("FromPort"), p.get("ToPort")): p for p in shown(ec2, group)["IpPermissions"]}
    assert set(found) == {("tcp", 22, 22), ("udp", 0, 65535), ("icmp", 8, -1), ("50", None, None), ("tcp", 80, 81)}
    assert found["tcp", 22, 22]["IpRanges"] == [{"CidrIp": "10.0.0.0/8", "Description": "ssh (home)"}, {"CidrIp": "192.168.7.0/24"}]
    assert found["tcp", 80, 81]["UserIdGroupPairs"] == [{"UserId": owner, "GroupId": group, "Description": "peers"}]
    listed = {r["SecurityGroupRuleId"]: r for r in ec2.describe_security_group_rules(
        Filters=filters(group_id=group))["SecurityGroupRules"]}
    assert len(listed) == 7 and {r["SecurityGroupRuleId"] for r in rules} < set(listed)
    outward, = [r for r in listed.values() if r["IsEgress"]]
    assert (outward["IpProtocol"], outward["FromPort"], outward["ToPort"], outward["CidrIpv4"]) == ("-1", -1, -1, "0.0.0.0/0")
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(cidr="192.168.7.1/24"), rule("50", 9, 9, "10.1.0.0/16")])
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rules[2]["SecurityGroupRuleId"]])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "UserIdGroupPairs": [{"GroupId": group, "UserId": owner}]}])
    assert {(p["IpProtocol"], len(p["IpRanges"])) for p in shown(ec2, group)["IpPermissions"]} == {("tcp", 1), ("icmp", 1)}
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=ALL)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule("tcp", 443, 443, "0.0.0.0/0")])
    assert [p["FromPort"] for p in shown(ec2, group)["IpPermissionsEgress"]] == [443]


def test_doubles_and_unknown_rules(ec2, group):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(cidr="100.68.0.0/18")])
    before = shown(ec2, group)
    message = refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group,
                      IpPermissions=[rule("tcp", 23, 23), rule(cidr="100.68.0.18/18")])["Error"]["Message"]
    assert message == 'the specified rule "peer: 100.68.0.0/18, TCP, from port: 22, to port: 22, ALLOW" already exists'
    refused("InvalidParameterValue", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule("udp"), rule("17")])
    refused("InvalidPermission.NotFound", ec2.revoke_security_group_ingress, GroupId=group,
            IpPermissions=[rule(cidr="100.68.0.0/18"), rule(cidr="9.9.9.9/32")])
    refused("InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=group, IpPermissions=[rule(cidr="100.68.0.0/18")])
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_ingress, GroupId=group,
            SecurityGroupRuleIds=["sgr-0123456789abcdef0"])
    refused("InvalidSecurityGroupRuleId.Malformed", ec2.revoke_security_group_ingress, GroupId=group, SecurityGroupRuleIds=["rule"])
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.describe_security_group_rules, SecurityGroupRuleIds=["sgr-0123456789abcdef0"])
    refused("DryRunOperation", ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[rule(cidr="100.68.0.0/18")], DryRun=True)
    refused("DryRunOperation", ec2.authorize_security_group_egress, GroupId=group, IpPermissions=[rule()], DryRun=True)
    assert shown(ec2, group) == before


@pytest.mark.parametrize("code, permission", [
    ("InvalidParameterValue", rule(cidr="10.0.0.0/33")), ("InvalidParameterValue", rule(cidr="10.0.0.0")),
    ("InvalidParameterValue", rule(cidr="10.0.0.256/8")), ("InvalidParameterValue", rule(cidr="10.0.0.01/8")),
    ("InvalidParameterValue", rule(cidr="::/0")), ("InvalidParameterValue", rule(cidr="")),
    ("InvalidParameterValue", rule("tcp", 0, 65536)), ("InvalidParameterValue", rule("tcp", 23, 22)),
    ("InvalidParameterValue", rule("udp", -1, -1)), ("InvalidParameterValue", rule("icmp", 256, 0)),
    ("InvalidParameterValue", rule("icmp", -1, 3)), ("InvalidParameterValue", rule("sctpp")),
    ("InvalidParameterValue", rule("256")), ("InvalidParameterValue", {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "1.0.0.0/8"}]}),
    ("MissingParameter", {"FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "1.0.0.0/8"}]}),
    ("MissingParameter", {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}),
    ("InvalidParameterValue", rule(Description="<>")), ("InvalidParameterValue", rule(Description="x" * 256)),
    ("UnsupportedOperation", rule("icmpv6", -1, -1)),
    ("UnsupportedOperation", {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
    ("UnsupportedOperation", {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "PrefixListIds": [{"PrefixListId": "pl-1"}]}),
    ("InvalidGroup.NotFound", {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-0123456789abcdef0"}]}),
    ("InvalidGroup.NotFound", {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "nobody"}]}),
    ("InvalidGroup.NotFound", {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "default", "UserId": "000000000000"}]}),
    ("InvalidGroupId.Malformed", {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-x"}]}),
], ids=str)
def test_permissions_that_are_refused(ec2, cloud, code, permission):
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    before = shown(ec2, group)
    for call in (ec2.authorize_security_group_ingress, ec2.authorize_security_group_egress, ec2.revoke_security_group_ingress):
        refused(code, call, GroupId=group, IpPermissions=[rule("tcp", 7, 7), permission])
    assert shown(ec2, group) == before


def test_flat_form(ec2, group, owner):
    name = shown(ec2, group)["GroupName"]
    ec2.authorize_security_group_ingress(GroupName=name, IpProtocol="TCP", FromPort=22, ToPort=23, CidrIp="10.9.8.7/16")
    permission, = shown(ec2, group)["IpPermissions"]
    assert (permission["IpProtocol"], permission["FromPort"], permission["ToPort"], permission["IpRanges"]) == \
        ("tcp", 22, 23, [{"CidrIp": "10.9.0.0/16"}])
    ec2.revoke_security_group_ingress(GroupName=name, IpProtocol="tcp", FromPort=22, ToPort=23, CidrIp="10.9.0.0/16")
    ec2.authorize_security_group_ingress(GroupId=group, SourceSecurityGroupName="default", SourceSecurityGroupOwnerId=owner)
    assert {(p["IpProtocol"], p["FromPort"], p["ToPort"]) for p in shown(ec2, group)["IpPermissions"]} == \
        {("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1)}
    ec2.revoke_security_group_ingress(GroupId=group, SourceSecurityGroupName="default")
    assert shown(ec2, group)["IpPermissions"] == []
    refused("InvalidParameterCombination", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule()],
            IpProtocol="tcp", FromPort=1, ToPort=1, CidrIp="1.0.0.0/8")
    refused("InvalidParameterCombination", ec2.authorize_security_group_ingress, GroupId=group,
            SourceSecurityGroupName="default", CidrIp="1.0.0.0/8")
    refused("InvalidGroup.NotFound", ec2.authorize_security_group_ingress, GroupId=group,
            SourceSecurityGroupName="default", SourceSecurityGroupOwnerId="000000000000")
    refused("UnsupportedOperation", ec2.authorize_security_group_egress, GroupId=group, IpProtocol="tcp", FromPort=1,
            ToPort=1, CidrIp="1.0.0.0/8")


def test_sixty_rules_and_no_more(ec2, group):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": f"10.0.{n}.0/24"} for n in range(60)]}])
    refused("RulesPerSecurityGroupLimitExceeded", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule()])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule()])
    assert len(shown(ec2, group)["IpPermissions"][0]["IpRanges"]) == 60


def test_a_named_group_cannot_go(ec2, group):
    second = ec2.create_security_group(GroupName="names another", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=second, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": group}, {"GroupId": second}]}])
    message = refused("DependencyViolation", ec2.delete_security_group, GroupId=group)["Error"]["Message"]
    assert message == f"resource {group} has a dependent object"
    ec2.delete_security_group(GroupId=second)
    ec2.delete_security_group(GroupId=group)


def test_filters_and_pages(ec2, vpc, owner):
    made = [ec2.create_security_group(GroupName=f"page {n}", Description=f"number {n}")["GroupId"] for n in range(7)]
    ec2.authorize_security_group_ingress(GroupId=made[0], IpPermissions=[rule("tcp", 80, 90, "10.2.0.0/16")])
    ec2.authorize_security_group_ingress(GroupId=made[1], IpPermissions=[
        {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "UserIdGroupPairs": [{"GroupId": made[0]}]}])
    ec2.authorize_security_group_egress(GroupId=made[2], IpPermissions=[rule("icmp", 3, 4, "10.3.0.0/16")])
    ec2.create_tags(Resources=[made[3]], Tags=[{"Key": "page", "Value": "three"}])

    def found(**named):
        groups = ec2.describe_security_groups(Filters=filters(**named) + filters(group_name="page *"))["SecurityGroups"]
        return sorted(made.index(g["GroupId"]) for g in groups)
    assert found() == list(range(7)) == found(vpc_id=vpc) == found(owner_id=owner)
    assert found(description="number ?") == list(range(7)) and found(group_id=made[5]) == [5]
    assert found(ip_permission__cidr="10.2.0.0/16") == [0] == found(ip_permission__from_port="80") == found(ip_permission__to_port="90")
    assert found(ip_permission__group_id=made[0]) == [1] == found(ip_permission__protocol="udp") == found(ip_permission__user_id=owner)
    assert found(ip_permission__group_name="page 0") == [1]
    assert found(egress__ip_permission__cidr="10.3.0.0/16") == [2] and found(egress__ip_permission__protocol="-1") == list(range(7))
    assert found(tag_key="page") == [3] and found(ip_permission__ipv6_cidr="*") == []
    refused("InvalidParameterValue", ec2.describe_security_groups, Filters=filters(colour="red"))
    refused("InvalidParameterCombination", ec2.describe_security_groups, GroupIds=made, MaxResults=5)
    pages = list(ec2.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 5}))
    ids = [g["GroupId"] for page in pages for g in page["SecurityGroups"]]
    assert len(pages) > 1 and len(ids) == len(set(ids)) and set(made) < set(ids)
    pages = list(ec2.get_paginator("describe_security_group_rules").paginate(PaginationConfig={"PageSize": 5}))
    ids = [r["SecurityGroupRuleId"] for page in pages for r in page["SecurityGroupRules"]]
    assert len(pages) > 1 and len(ids) == len(set(ids)) > 10
    for group in reversed(made):
        ec2.delete_security_group(GroupId=group)


def test_accounts_do_not_share_groups(ec2, other, group):
    theirs, = other.describe_security_groups()["SecurityGroups"]
    assert theirs["GroupName"] == "default"
    for call, more in ((other.describe_security_groups, {"GroupIds": [group]}), (other.delete_security_group, {"GroupId": group}),
                       (other.authorize_security_group_ingress, {"GroupId": group, "IpPermissions": [rule()]}),
                       (other.authorize_security_group_ingress, {"GroupId": theirs["GroupId"], "IpPermissions": [
                           {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]}),
                       (other.create_tags, {"Resources": [group], "Tags": [{"Key": "a", "Value": "b"}]})):
        refused("InvalidGroup.NotFound", call, **more)
    rules = ec2.describe_security_group_rules(Filters=filters(group_id=group))["SecurityGroupRules"]
    refused("InvalidSecurityGroupRuleId.NotFound", other.describe_security_group_rules,
            SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])
    refused("InvalidSecurityGroupRuleId.NotFound", other.revoke_security_group_egress, GroupId=theirs["GroupId"],
            SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])
    refused("InvalidVpcID.NotFound", other.create_security_group, GroupName="x", Description="d", VpcId=shown(ec2, group)["VpcId"])
    assert shown(ec2, group)["IpPermissions"] == []


# ---- launches ----

def launch(cloud, ec2, count=1, **more):
    answer = ec2.run_instances(ImageId=cloud.brick(), MinCount=count, MaxCount=count, **more)
    return answer["Instances"]


def end(cloud, ids):
    cloud.ec2.terminate_instances(InstanceIds=ids)
    cloud.wait_states(ids, "terminated")

    def released():
        with database(cloud) as db:
            return not db.execute("SELECT 1 FROM address WHERE instance_id IN (%s)" % ",".join("?" * len(ids)), ids).fetchall()
    wait_for("the addresses to be given back", released, 30)


def body_of(cloud, instance):
    with database(cloud) as db:
        body, uses = db.execute("SELECT body, uses FROM instance WHERE id = ?", (instance,)).fetchone()
    return json.loads(body), uses.split()


def test_what_an_instance_is_launched_with(cloud, ec2, group, vpc, owner):
    ec2.create_key_pair(KeyName="launch key", KeyType="ed25519")
    public = ec2.describe_key_pairs(IncludePublicKey=True)["KeyPairs"][0]["PublicKey"]
    default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    name = shown(ec2, group)["GroupName"]
    first, = launch(cloud, ec2, KeyName="launch key", SecurityGroupIds=[group], SecurityGroups=["default", name],
                    UserData="#!/bin/sh\necho \xe9\n", MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 3})
    instance = first["InstanceId"]
    assert first["KeyName"] == "launch key" and first["SecurityGroups"] == [
        {"GroupId": group, "GroupName": name}, {"GroupId": default, "GroupName": "default"}]
    assert first["PrivateDnsName"] == "ip-" + first["PrivateIpAddress"].replace(".", "-") + ".ec2.internal"
    assert first["PublicDnsName"] == "" and first["Monitoring"] == {"State": "disabled"}
    assert ipaddress.ip_address(first["PublicIpAddress"]) in cloud.public
    options = first["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["HttpEndpoint"]) == ("required", 3, "enabled")
    card, = first["NetworkInterfaces"]
    assert re.fullmatch("eni-[0-9a-f]{17}", card["NetworkInterfaceId"]) and card["Groups"] == first["SecurityGroups"]
    assert card["PrivateIpAddresses"][0]["Association"]["PublicIp"] == first["PublicIpAddress"] == card["Association"]["PublicIp"]
    body, uses = body_of(cloud, instance)
    subnet = ec2.describe_subnets(SubnetIds=[first["SubnetId"]])["Subnets"][0]
    assert uses == [subnet["SubnetId"], group, default]
    launched = body.pop("launch_ms")
    assert launched == round(first["LaunchTime"].timestamp() * 1000)
    with database(cloud) as db:
        vni, = db.execute("SELECT vni FROM subnet WHERE id = ?", (subnet["SubnetId"],)).fetchone()
    reservation = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["ReservationId"]
    assert body == {
        "account": owner, "reservation": reservation, "image": cloud.brick(), "type": "m1.small",
        "region": "us-east-1", "zone": "us-east-1a", "launch_index": 0, "address": first["PrivateIpAddress"],
        "mac": card["MacAddress"], "eni": card["NetworkInterfaceId"], "subnet": subnet["SubnetId"],
        "subnet_cidr": subnet["CidrBlock"], "vpc": vpc, "vpc_cidr": "172.31.0.0/16", "vni": vni,
        "public_address": first["PublicIpAddress"], "groups": [group, default], "group_names": [name, "default"],
        "key_name": "launch key", "public_key": public,
        "user_data": base64.b64encode("#!/bin/sh\necho \xe9\n".encode()).decode(),
        "metadata": {"tokens": "required", "hop_limit": 3, "endpoint": "enabled"}}
    assert 1 <= vni < 1 << 24
    described = cloud.instances([instance], ec2)[instance]
    assert described["NetworkInterfaces"][0]["Groups"] == first["SecurityGroups"]

    def found(**named):
        return [i["InstanceId"] for r in ec2.describe_instances(Filters=filters(**named))["Reservations"] for i in r["Instances"]]
    for named in ({"key_name": "launch key"}, {"instance__group_id": group}, {"instance__group_name": name},
                  {"ip_address": first["PublicIpAddress"]}, {"network_interface__network_interface_id": card["NetworkInterfaceId"]},
                  {"network_interface__group_id": group}, {"network_interface__addresses__private_ip_address": first["PrivateIpAddress"]},
                  {"network_interface__mac_address": card["MacAddress"]}, {"metadata_options__http_tokens": "required"},
                  {"network_interface__attachment__instance_id": instance}, {"network_interface__association__public_ip": first["PublicIpAddress"]}):
        assert found(**named) == [instance], named
    assert instance in found(dns_name="") and instance in found(network_interface__subnet_id=subnet["SubnetId"])
    interface, = ec2.describe_network_interfaces(NetworkInterfaceIds=[card["NetworkInterfaceId"]])["NetworkInterfaces"]
    assert interface["Attachment"]["InstanceId"] == instance and interface["Status"] == "in-use"
    assert interface["Groups"] == first["SecurityGroups"] and interface["VpcId"] == vpc
    for named in ({"group_id": group}, {"attachment__instance_id": instance}, {"private_ip_address": first["PrivateIpAddress"]}):
        assert len(ec2.describe_network_interfaces(Filters=filters(**named))["NetworkInterfaces"]) == 1
    attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(attribute).decode() == "#!/bin/sh\necho \xe9\n"
    assert ec2.describe_instance_attribute(InstanceId=instance, Attribute="groupSet")["Groups"] == first["SecurityGroups"]
    assert ec2.describe_instance_attribute(InstanceId=instance, Attribute="instanceType")["InstanceType"] == {"Value": "m1.small"}
    assert ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")["DisableApiTermination"] == {"Value": False}
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    cloud.wait_states([instance], "running")
    status, = ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"]
    assert (status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]) == ("ok", "ok")
    end(cloud, [instance])
    gone = cloud.instances([instance], ec2)[instance]
    assert gone["NetworkInterfaces"] == [] and gone["SecurityGroups"] == [] and "PublicIpAddress" not in gone
    refused("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interfaces, NetworkInterfaceIds=[card["NetworkInterfaceId"]])
    assert ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"] == []
    status, = ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)["InstanceStatuses"]
    assert (status["InstanceState"]["Name"], status["SystemStatus"]["Status"]) == ("terminated", "not-applicable")
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="launch key")


def test_the_interface_of_a_launch(cloud, ec2, group):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    private, = launch(cloud, ec2, NetworkInterfaces=[{
        "DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": False, "DeleteOnTermination": True}])
    public, = launch(cloud, ec2, NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": True}])
    assert "PublicIpAddress" not in private and [g["GroupId"] for g in private["SecurityGroups"]] == [group]
    assert "PublicIpAddress" in public and [g["GroupName"] for g in public["SecurityGroups"]] == ["default"]
    assert "public_address" not in body_of(cloud, private["InstanceId"])[0]
    end(cloud, [private["InstanceId"], public["InstanceId"]])


CARD = {"DeviceIndex": 0}


@pytest.mark.parametrize("code, more", [
    ("InvalidUserData.Malformed", {"raw": "not base64!"}), ("InvalidParameterValue", {"UserData": "x" * 16385}),
    ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-0123456789abcdef0"]}), ("InvalidGroup.NotFound", {"SecurityGroups": ["nobody"]}),
    ("InvalidGroupId.Malformed", {"SecurityGroupIds": ["default"]}), ("InvalidKeyPair.NotFound", {"KeyName": "nobody"}),
    ("InvalidParameterValue", {"MetadataOptions": {"HttpPutResponseHopLimit": 65}}),
    ("InvalidParameterValue", {"MetadataOptions": {"HttpPutResponseHopLimit": 0}}),
    ("InvalidParameterValue", {"MetadataOptions": {"HttpTokens": "maybe"}}),
    ("UnsupportedOperation", {"MetadataOptions": {"InstanceMetadataTags": "enabled"}}),
    ("UnsupportedOperation", {"NetworkInterfaces": [CARD, {"DeviceIndex": 1}]}),
    ("InvalidParameterValue", {"NetworkInterfaces": [{"DeviceIndex": 1}]}),
    ("MissingParameter", {"NetworkInterfaces": [{"AssociatePublicIpAddress": True}]}),
    ("UnsupportedOperation", {"NetworkInterfaces": [{**CARD, "DeleteOnTermination": False}]}),
    ("UnsupportedOperation", {"NetworkInterfaces": [{**CARD, "PrivateIpAddress": "172.31.0.9"}]}),
    ("UnsupportedOperation", {"NetworkInterfaces": [{**CARD, "SecondaryPrivateIpAddressCount": 1}]}),
    ("UnsupportedOperation", {"NetworkInterfaces": [{**CARD, "InterfaceType": "efa"}]}),
    ("InvalidParameterCombination", {"NetworkInterfaces": [CARD], "SecurityGroups": ["default"]}),
    ("InvalidParameterCombination", {"NetworkInterfaces": [CARD], "SubnetId": "subnet-0123456789abcdef0"}),
    ("InvalidSubnetID.NotFound", {"NetworkInterfaces": [{**CARD, "SubnetId": "subnet-0123456789abcdef0"}]}),
    ("UnsupportedOperation", {"DisableApiTermination": True}), ("UnsupportedOperation", {"IamInstanceProfile": {"Name": "x"}}),
    ("UnsupportedOperation", {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1"}]}), ("DryRunOperation", {"DryRun": True}),
], ids=str)
def test_launches_that_are_refused(cloud, ec2, code, more):
    if "raw" in more: # boto3 would encode it
        more = {"UserData": "x"}
        ec2.meta.events.register("before-call.ec2.RunInstances", lambda params, **_: params["body"].__setitem__("UserData", "not base64!"))
    with database(cloud) as db:
        before = db.execute("SELECT (SELECT count(*) FROM instance), (SELECT count(*) FROM public_address)").fetchone()
    refused(code, ec2.run_instances, **{"ImageId": cloud.brick(), "MinCount": 1, "MaxCount": 1, **more})
    with database(cloud) as db:
        assert db.execute("SELECT (SELECT count(*) FROM instance), (SELECT count(*) FROM public_address)").fetchone() == before


def test_five_groups_and_no_more(cloud, ec2):
    groups = [ec2.create_security_group(GroupName=f"five {n}", Description="d")["GroupId"] for n in range(6)]
    refused("SecurityGroupsPerInterfaceLimitExceeded", ec2.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1,
            SecurityGroupIds=groups)
    made, = launch(cloud, ec2, SecurityGroupIds=groups[:5] + groups[:1])
    assert [g["GroupId"] for g in made["SecurityGroups"]] == groups[:5]
    end(cloud, [made["InstanceId"]])
    for group in groups:
        ec2.delete_security_group(GroupId=group)


def test_user_data_of_the_greatest_size(cloud, ec2):
    made, = launch(cloud, ec2, UserData="x" * 16384)
    assert base64.b64decode(body_of(cloud, made["InstanceId"])[0]["user_data"]) == b"x" * 16384
    end(cloud, [made["InstanceId"]])


def test_another_account_cannot_use_a_group(cloud, other, group):
    refused("InvalidGroup.NotFound", other.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1, SecurityGroupIds=[group])


def test_token_covers_the_new_parameters(cloud, ec2, group):
    first, = launch(cloud, ec2, ClientToken="groups-token", SecurityGroupIds=[group])
    again, = launch(cloud, ec2, ClientToken="groups-token", SecurityGroupIds=[group])
    assert first["InstanceId"] == again["InstanceId"]
    refused("IdempotentParameterMismatch", ec2.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1, ClientToken="groups-token")
    end(cloud, [first["InstanceId"]])


# ---- public addresses ----

def test_public_addresses_are_handed_out_once(cloud, ec2):
    hosts = list(cloud.public)
    with database(cloud) as db:
        free = USABLE - db.execute("SELECT count(*) FROM public_address").fetchone()[0]
    assert free >= 3
    made = launch(cloud, ec2, count=free)
    addresses = [i["PublicIpAddress"] for i in made]
    assert len(set(addresses)) == free and {ipaddress.ip_address(a) for a in addresses} <= set(hosts[16:-1])
    refused("InsufficientAddressCapacity", ec2.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1)
    spare, = launch(cloud, ec2, NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": False}])
    ids = [i["InstanceId"] for i in made] + [spare["InstanceId"]]
    cloud.wait_states(ids, "running")
    end(cloud, ids)
    # They rest: none is handed out at once, all are once their minute is over.
    refused("InsufficientAddressCapacity", ec2.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1)
    with contextlib.closing(sqlite3.connect(f"{cloud.dir}/state/cloud/cloud.db", timeout=20)) as db, db:
        db.execute("UPDATE public_address SET freed_ms = freed_ms - 60000 WHERE instance_id IS NULL")
    again, = launch(cloud, ec2)
    assert ipaddress.ip_address(again["PublicIpAddress"]) == hosts[16]
    end(cloud, [again["InstanceId"]])


# ---- the rest of the network, what is done once ----

def test_network(cloud, ec2, vpc, owner):
    found, = ec2.describe_vpcs(Filters=filters(cidr_block_association__state="associated", is_default="true"))["Vpcs"]
    assert found["CidrBlockAssociationSet"][0]["CidrBlock"] == found["CidrBlock"]
    subnet, = ec2.describe_subnets(Filters=filters(map_public_ip_on_launch="true", availability_zone_id="mle1-az1"))["Subnets"]
    assert subnet["SubnetArn"] == f"arn:aws:ec2:us-east-1:{owner}:subnet/{subnet['SubnetId']}"
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"] == {"Value": True}
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"] == {"Value": False}
    refused("InvalidVpcID.NotFound", ec2.describe_vpc_attribute, VpcId="vpc-0123456789abcdef0", Attribute="enableDnsSupport")
    refused("InvalidParameterValue", ec2.describe_vpc_attribute, VpcId=vpc, Attribute="colour")
    attributes = {a["AttributeName"]: [v["AttributeValue"] for v in a["AttributeValues"]]
                  for a in ec2.describe_account_attributes()["AccountAttributes"]}
    assert attributes["default-vpc"] == [vpc] and attributes["supported-platforms"] == ["VPC"]
    assert len(ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]) == 1


def test_what_every_vpc_has(cloud, ec2, other, vpc):
    table, = ec2.describe_route_tables(Filters=filters(vpc_id=vpc, association__main="true"))["RouteTables"]
    assert [r["DestinationCidrBlock"] for r in table["Routes"]] == ["172.31.0.0/16", "0.0.0.0/0"]
    gateway, = cloud.ec2.describe_internet_gateways(Filters=filters(attachment__vpc_id=vpc))["InternetGateways"]
    assert table["Routes"][1]["GatewayId"] == gateway["InternetGatewayId"] and gateway["Attachments"][0]["State"] == "available"
    acl, = ec2.describe_network_acls(Filters=filters(default="true", vpc_id=vpc))["NetworkAcls"]
    subnet, = ec2.describe_subnets()["Subnets"]
    assert acl["Associations"][0]["SubnetId"] == subnet["SubnetId"]
    assert [(e["RuleNumber"], e["RuleAction"], e["Egress"]) for e in acl["Entries"]] == [
        (100, "allow", False), (32767, "deny", False), (100, "allow", True), (32767, "deny", True)]
    assert ec2.describe_route_tables(RouteTableIds=[table["RouteTableId"]])["RouteTables"] == [table]
    assert ec2.describe_network_acls(Filters=filters(vpc_id="vpc-0"))["NetworkAcls"] == []
    for client, name in ((other, table["RouteTableId"]), (ec2, "rtb-0123456789abcdef0")):
        refused("InvalidRouteTableID.NotFound", client.describe_route_tables, RouteTableIds=[name])
    refused("InvalidInternetGatewayID.NotFound", ec2.describe_internet_gateways, InternetGatewayIds=["igw-0123456789abcdef0"])
    refused("InvalidNetworkAclID.NotFound", other.describe_network_acls, NetworkAclIds=[acl["NetworkAclId"]])


def test_statuses(cloud, ec2):
    ids = cloud.run(6)
    cloud.wait_states(ids, "running")
    pages = list(ec2.get_paginator("describe_instance_status").paginate(PaginationConfig={"PageSize": 5}))
    assert len(pages) > 1 and set(ids) <= {s["InstanceId"] for page in pages for s in page["InstanceStatuses"]}
    assert len(ec2.describe_instance_status(InstanceIds=ids, Filters=filters(
        instance_status__status="ok", system_status__reachability="passed"))["InstanceStatuses"]) == 6
    refused("InvalidInstanceID.NotFound", ec2.describe_instance_status, InstanceIds=["i-0123456789abcdef0"])
    refused("InvalidParameterValue", ec2.describe_instance_status, Filters=filters(colour="red"))
    refused("InvalidInstanceID.NotFound", ec2.describe_instance_attribute, InstanceId="i-0123456789abcdef0", Attribute="userData")
    refused("InvalidParameterValue", ec2.describe_instance_attribute, InstanceId=ids[0], Attribute="colour")
    end(cloud, ids)


def test_operations_are_checked_before_anything_is_done(cloud, ec2):
    instance, = cloud.run(1)
    cloud.wait_states([instance], "running")
    refused("InvalidInstanceID.Malformed", ec2.reboot_instances, InstanceIds=[instance, "x"])
    refused("InvalidInstanceID.NotFound", ec2.reboot_instances, InstanceIds=[instance, "i-0123456789abcdef0"])
    refused("DryRunOperation", ec2.reboot_instances, InstanceIds=[instance], DryRun=True)
    refused("InvalidInstanceID.NotFound", ec2.get_console_output, InstanceId="i-0123456789abcdef0")
    refused("DryRunOperation", ec2.get_console_output, InstanceId=instance, DryRun=True)
    with database(cloud) as db:
        assert db.execute("SELECT count(*) FROM operation").fetchone() == (0,)
    end(cloud, [instance])
    refused("IncorrectInstanceState", ec2.reboot_instances, InstanceIds=[instance])
    assert ec2.get_console_output(InstanceId=instance)["Output"] == ""


def test_the_command_line_tool(cloud):
    made = cloud.aws("ec2", "create-security-group", "--group-name", "cli", "--description", "by the tool")["GroupId"]
    cloud.aws("ec2", "authorize-security-group-ingress", "--group-id", made, "--protocol", "tcp", "--port", "22-23", "--cidr", "10.0.0.0/8")
    cloud.aws("ec2", "authorize-security-group-ingress", "--group-name", "cli", "--protocol", "icmp", "--port", "-1", "--source-group", "cli")
    found = cloud.aws("ec2", "describe-security-groups", "--group-names", "cli")["SecurityGroups"][0]
    assert {p["IpProtocol"] for p in found["IpPermissions"]} == {"tcp", "icmp"}
    cloud.aws("ec2", "revoke-security-group-ingress", "--group-id", made, "--protocol", "tcp", "--port", "22-23", "--cidr", "10.0.0.0/8")
    cloud.aws("ec2", "delete-security-group", "--group-name", "cli")


def test_groups_survive_a_death(cloud, ec2):
    """An answered change is there after kill -9, in the tables and in what nodes are to hold."""
    made = ec2.create_security_group(GroupName="lasting", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[rule()])
    cloud.kill("cloud")

    def back():
        with contextlib.suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return shown(cloud.ec2, made)
    assert wait_for("the group after the death", back, 30)["IpPermissions"][0]["FromPort"] == 22
    with database(cloud) as db:
        generation, = db.execute("SELECT generation FROM shared_object WHERE id = ?", (made,)).fetchone()
        assert generation == 2
        assert not db.execute("SELECT id FROM subnet EXCEPT SELECT id FROM shared_object").fetchall()
        assert not db.execute("SELECT id FROM security_group EXCEPT SELECT id FROM shared_object").fetchall()
    cloud.ec2.delete_security_group(GroupId=made)
    with database(cloud) as db:
        assert not db.execute("SELECT 1 FROM shared_object WHERE id = ?", (made,)).fetchall()


def test_every_answer_was_held_against_the_model(seen):
    assert {"CreateSecurityGroup", "DeleteSecurityGroup", "DescribeSecurityGroups", "DescribeSecurityGroupRules",
            "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress",
            "RevokeSecurityGroupEgress", "RunInstances", "DescribeInstances", "DescribeNetworkInterfaces",
            "DescribeInstanceStatus", "DescribeInstanceAttribute", "DescribeVpcs", "DescribeSubnets",
            "DescribeVpcAttribute", "DescribeAccountAttributes", "DescribeRouteTables",
            "DescribeNetworkAcls", "GetConsoleOutput"} <= seen
