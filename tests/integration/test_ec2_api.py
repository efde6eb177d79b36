# SPDX-License-Identifier: Apache-2.0
"""The EC2, STS and admin APIs as clients see them: every answer against botocore's model, filters, pages, accounts that
do not see each other, and requests that must be refused without changing anything."""
import datetime
import json
import re
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import pytest

from cloud import Cloud
from ec2_model import check_answer, refused


@pytest.fixture(scope="module")
def cloud():
    with Cloud("ec2-api", nodes=1) as started:
        yield started


@pytest.fixture(scope="module")
def bricks(cloud):
    ids = cloud.run(3, TagSpecifications=[{"ResourceType": "instance",
                                           "Tags": [{"Key": "Name", "Value": "<b>&\"x"}, {"Key": "n", "Value": ""}]}])
    cloud.wait_states(ids, "running")
    return ids


def test_answers_fit_the_model(cloud, bricks):
    kept = {}
    client = cloud.client("ec2")
    client.meta.events.register("after-call.ec2", lambda http_response, model, **_:
                                kept.setdefault(model.name, http_response.content))
    client.describe_instances()
    client.describe_regions()
    client.describe_availability_zones()
    client.describe_instance_types()
    client.describe_tags()
    client.describe_vpcs()
    client.describe_subnets()
    client.create_tags(Resources=bricks[:1], Tags=[{"Key": "a", "Value": "b"}])
    client.delete_tags(Resources=bricks[:1], Tags=[{"Key": "a"}])
    more = client.run_instances(ImageId=cloud.brick(), MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    client.terminate_instances(InstanceIds=[more])
    assert len(kept) == 11
    for name, body in kept.items():
        check_answer(client.meta.service_model, name, body)


def test_older_versions_are_answered_in_their_namespace(cloud):
    body = signed(cloud, "Action=DescribeRegions&Version=2014-05-01")[1]
    assert b'xmlns="http://ec2.amazonaws.com/doc/2014-05-01/"' in body


# ---- filters and pages ----

@pytest.mark.parametrize("name, value, count", [
    ("instance-state-name", "running", 3), ("instance-state-name", "run*", 3), ("instance-state-name", "r?n", 0),
    ("tag:Name", '<b>&"x', 3), ("tag:Name", "*&*", 3), ("tag:Name", "\\*", 0), ("tag-key", "n", 3), ("tag:n", "", 3),
    ("instance-type", "m1.small", 3), ("instance-type", "M1.small", 0), ("launch-index", "1", 1),
    ("instance-state-code", "16", 3), ("image-id", "ami-*", 3), ("key-name", "*", 0),
])
def test_filters(cloud, bricks, name, value, count):
    found = [i["InstanceId"] for r in cloud.ec2.describe_instances(Filters=[
        {"Name": name, "Values": [value]}, {"Name": "instance-id", "Values": bricks}])["Reservations"] for i in r["Instances"]]
    assert len(found) == count


def test_unknown_filters_are_refused(cloud):
    refused("InvalidParameterValue", cloud.ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["x"]}])
    refused("InvalidParameterValue", cloud.ec2.describe_tags, Filters=[{"Name": "colour", "Values": ["x"]}])


def test_pages(cloud, bricks):
    cloud.ec2.create_tags(Resources=bricks, Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(8)])
    pages = list(cloud.ec2.get_paginator("describe_tags").paginate(PaginationConfig={"PageSize": 5}))
    tags = [(t["ResourceId"], t["Key"]) for page in pages for t in page["Tags"]]
    assert len(pages) > 3 and len(set(tags)) == len(tags) and tags == sorted(tags)
    assert set(bricks) <= {t[0] for t in tags}
    token = pages[0]["NextToken"]
    refused("InvalidPaginationToken", cloud.ec2.describe_tags, NextToken=token[:-8] + "AAAAAAA=")
    refused("InvalidPaginationToken", cloud.ec2.describe_instances, NextToken=token)
    refused("InvalidParameterValue", cloud.ec2.describe_tags, MaxResults=4)
    cloud.ec2.delete_tags(Resources=bricks, Tags=[{"Key": f"k{n}"} for n in range(8)])


def test_default_network(cloud, bricks):
    vpc, = cloud.ec2.describe_vpcs()["Vpcs"]
    subnet, = cloud.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert vpc["IsDefault"] and subnet["DefaultForAz"] and subnet["AvailabilityZone"] == "us-east-1a"
    shown = cloud.instances(bricks)
    assert {i["SubnetId"] for i in shown.values()} == {subnet["SubnetId"]}
    assert subnet["AvailableIpAddressCount"] <= 4091 - len(bricks)
    assert cloud.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"] == []
    refused("InvalidVpcID.NotFound", cloud.ec2.describe_vpcs, VpcIds=["vpc-0123456789abcdef0"])
    refused("InvalidSubnetID.NotFound", cloud.ec2.describe_subnets, SubnetIds=["subnet-0123456789abcdef0"])


# ---- tags ----

def test_tags_are_all_or_nothing(cloud, bricks):
    before = cloud.ec2.describe_tags()["Tags"]
    refused("InvalidInstanceID.NotFound", cloud.ec2.create_tags, Resources=[bricks[0], "i-0123456789abcdef0"],
            Tags=[{"Key": "half", "Value": "done"}])
    refused("TagLimitExceeded", cloud.ec2.create_tags, Resources=[bricks[0]],
            Tags=[{"Key": f"many{n}", "Value": "x"} for n in range(51)])
    refused("InvalidParameterValue", cloud.ec2.create_tags, Resources=[bricks[0]], Tags=[{"Key": "aws:x", "Value": "x"}])
    refused("InvalidParameterValue", cloud.ec2.create_tags, Resources=[bricks[0]], Tags=[{"Key": "x" * 129, "Value": "x"}])
    assert cloud.ec2.describe_tags()["Tags"] == before
    cloud.ec2.create_tags(Resources=[bricks[0]], Tags=[{"Key": "é" * 128, "Value": "ß" * 256}])
    cloud.ec2.delete_tags(Resources=[bricks[0]], Tags=[{"Key": "é" * 128, "Value": "other"}])
    assert len(cloud.ec2.describe_tags()["Tags"]) == len(before) + 1
    cloud.ec2.delete_tags(Resources=[bricks[0]], Tags=[{"Key": "é" * 128}])
    assert cloud.ec2.describe_tags()["Tags"] == before


# ---- what cannot be had ----

@pytest.mark.parametrize("code, more", [
    ("InvalidParameterCombination", {"MinCount": 3, "MaxCount": 2}),
    ("InvalidParameterValue", {"MaxCount": 1001}),
    ("InvalidParameterValue", {"InstanceType": "m9.huge"}),
    ("InvalidAMIID.Malformed", {"ImageId": "ami-xyz"}),
    ("InvalidKeyPair.NotFound", {"KeyName": "nobody"}),
    ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-0123456789abcdef0"}),
    ("InvalidParameterValue", {"Placement": {"AvailabilityZone": "us-east-1z"}}),
    ("InsufficientInstanceCapacity", {"MinCount": 900, "MaxCount": 900}),
    ("UnsupportedOperation", {"KernelId": "aki-1"}),
    ("UnsupportedOperation", {"EbsOptimized": True}),
    ("InvalidParameterCombination", {"InstanceInitiatedShutdownBehavior": "stop"}),
    ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]}),
], ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_launches_that_are_refused(cloud, code, more):
    before = cloud.instances()
    arguments = {"ImageId": cloud.brick(), "MinCount": 1, "MaxCount": 1, **more}
    answer = refused(code, cloud.ec2.run_instances, **arguments)
    assert answer["ResponseMetadata"]["RequestId"]
    assert set(cloud.instances()) == set(before)


def test_launch_of_as_many_as_there_is_room(cloud, bricks):
    room = next(s["free"] for s in cloud_status(cloud)["zones"][0]["slots"] if s["type"] == "m3.2xlarge")
    ids = [i["InstanceId"] for i in cloud.ec2.run_instances(
        ImageId=cloud.brick(), MinCount=1, MaxCount=room + 5, InstanceType="m3.2xlarge")["Instances"]] if room else []
    assert len(ids) == room
    if ids:
        cloud.ec2.terminate_instances(InstanceIds=ids)
        cloud.wait_states(ids, "terminated")


def test_what_can_never_be_here_is_an_empty_set(cloud):
    assert cloud.ec2.describe_reserved_instances()["ReservedInstances"] == []
    assert cloud.ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    assert cloud.ec2.describe_vpc_classic_link()["Vpcs"] == []


def test_actions_that_are_not_there(cloud):
    refused("UnsupportedOperation", cloud.ec2.describe_spot_price_history)
    refused("UnsupportedOperation", cloud.ec2.create_volume, AvailabilityZone="us-east-1a", Size=1)
    status, body = signed(cloud, "Action=MakeCoffee&Version=2016-11-15")
    assert status == 400 and b"<Code>InvalidAction</Code>" in body
    status, body = signed(cloud, "Version=2016-11-15")
    assert status == 400 and b"<Code>MissingAction</Code>" in body
    status, body = signed(cloud, "Action=DescribeRegions&Colour=red")
    assert status == 400 and b"<Code>UnknownParameter</Code>" in body


# ---- who may ----

def signed(cloud, form, service="ec2", region="us-east-1", secret=None, age=0, path="/", spoil=None):
    """POSTs a form signed by botocore; (status, body)."""
    url = cloud.env["AWS_ENDPOINT_URL_EC2"].rstrip("/") + path
    credentials = botocore.credentials.Credentials(cloud.env["AWS_ACCESS_KEY_ID"], secret or cloud.env["AWS_SECRET_ACCESS_KEY"])
    request = botocore.awsrequest.AWSRequest("POST", url, data=form.encode(), headers={
        "Content-Type": "application/x-www-form-urlencoded"})
    signer = botocore.auth.SigV4Auth(credentials, service, region)
    if age:
        now = datetime.datetime.utcnow() - datetime.timedelta(minutes=age)

        class Then(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return now
        real, botocore.auth.datetime.datetime = botocore.auth.datetime.datetime, Then
    try:
        signer.add_auth(request)
    finally:
        if age:
            botocore.auth.datetime.datetime = real
    if spoil:
        spoil(request)
    prepared = request.prepare()
    call = urllib.request.Request(url, data=prepared.body, headers=dict(prepared.headers), method="POST")
    try:
        with urllib.request.urlopen(call, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def cloud_status(cloud):
    return json.loads(cloud.mallee("--json", "status"))


@pytest.mark.parametrize("name, code, how", [
    ("old", b"RequestExpired", {"age": 16}), ("future", b"RequestExpired", {"age": -16}),
    ("foreign region", b"SignatureDoesNotMatch", {"region": "eu-west-1"}),
    ("foreign service", b"SignatureDoesNotMatch", {"service": "s3"}),
    ("wrong secret", b"SignatureDoesNotMatch", {"secret": "x" * 40}),
    ("other body", b"SignatureDoesNotMatch", {"spoil": lambda r: setattr(r, "data", r.data.replace(b"k=k", b"k=l"))}),
    ("unsigned x-amz header", b"SignatureDoesNotMatch", {"spoil": lambda r: r.headers.add_header("X-Amz-Meta-Evil", "1")}),
    ("no signature", b"MissingAuthenticationToken", {"spoil": lambda r: r.headers.__delitem__("Authorization")}),
], ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("action", ["RunInstances", "TerminateInstances", "CreateTags", "DeleteTags", "DescribeInstances"])
def test_bad_signatures_change_nothing(cloud, bricks, action, name, code, how):
    before = (set(cloud.instances()), cloud.ec2.describe_tags()["Tags"])
    form = f"Action={action}&Version=2016-11-15&ImageId={cloud.brick()}&MinCount=1&MaxCount=1&InstanceId.1={bricks[0]}" \
           f"&ResourceId.1={bricks[0]}&Tag.1.Key=evil&k=k"
    status, body = signed(cloud, form, **how)
    assert status in (400, 401, 403), body
    assert code in body, body
    assert (set(cloud.instances()), cloud.ec2.describe_tags()["Tags"]) == before
    assert cloud.states([bricks[0]])[bricks[0]] == "running"


def other_account(cloud, name):
    made = json.loads(cloud.mallee("--json", "account", "create", name))
    return made["account_id"], cloud.client("ec2", aws_access_key_id=made["access_key_id"],
                                            aws_secret_access_key=made["secret_access_key"]), made


def test_accounts_do_not_see_each_other(cloud, bricks):
    account, other, made = other_account(cloud, "other")
    assert other.describe_instances()["Reservations"] == []
    assert other.describe_tags()["Tags"] == []
    real, missing = bricks[0], "i-0123456789abcdef0"
    for call, more in ((other.describe_instances, "InstanceIds"), (other.terminate_instances, "InstanceIds")):
        theirs = refused("InvalidInstanceID.NotFound", call, **{more: [real]})["Error"]["Message"].replace(real, missing)
        assert theirs == refused("InvalidInstanceID.NotFound", call, **{more: [missing]})["Error"]["Message"]
    for call in (other.create_tags, other.delete_tags):
        refused("InvalidInstanceID.NotFound", call, Resources=[real], Tags=[{"Key": "a", "Value": "b"}])
    subnet = list(cloud.instances(bricks).values())[0]["SubnetId"]
    refused("InvalidSubnetID.NotFound", other.run_instances, ImageId=cloud.brick(), MinCount=1, MaxCount=1, SubnetId=subnet)
    ids = cloud.run(1, client=other)
    assert ids[0] not in cloud.instances()
    other.terminate_instances(InstanceIds=ids)
    sts = cloud.client("sts", aws_access_key_id=made["access_key_id"], aws_secret_access_key=made["secret_access_key"])
    assert sts.get_caller_identity()["Account"] == account
    cloud.mallee("account", "disable", account)
    refused("AuthFailure", other.describe_instances)


def test_administration_is_for_the_administrator(cloud):
    _, _, made = other_account(cloud, "plain")
    env = {"aws_access_key_id": made["access_key_id"], "aws_secret_access_key": made["secret_access_key"]}
    credentials = botocore.credentials.Credentials(env["aws_access_key_id"], env["aws_secret_access_key"])
    for action in ("Status", "ListAccounts", "CreateAccount", "DisableAccount", "FenceNode"):
        body = {"CreateAccount": {"name": "evil"}, "DisableAccount": {"account_id": "1"}, "FenceNode": {"node_id": "n"}}
        url = cloud.env["EC2_URL"].rstrip("/") + "/admin/" + action
        request = botocore.awsrequest.AWSRequest("POST", url, data=json.dumps(body.get(action, {})).encode())
        botocore.auth.SigV4Auth(credentials, "mallee", "us-east-1").add_auth(request)
        prepared = request.prepare()
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(urllib.request.Request(url, data=prepared.body, headers=dict(prepared.headers)), timeout=20)
        assert error.value.code == 403 and json.loads(error.value.read())["code"] == "AccessDenied"
    assert "evil" not in cloud.mallee("account", "list")


def test_no_secret_is_in_a_log(cloud):
    secret = cloud.env["AWS_SECRET_ACCESS_KEY"]
    for name in ("cloud", "cluster-us-east-1a", "node-1", "broker"):
        with open(f"{cloud.dir}/log/{name}.log", encoding="utf-8", errors="replace") as log:
            text = log.read()
        assert secret not in text and "Signature=" not in text


def test_metrics_and_health(cloud):
    base = cloud.env["AWS_ENDPOINT_URL_EC2"].rstrip("/")
    assert urllib.request.urlopen(base + "/healthz", timeout=10).read() == b"ok\n"
    text = urllib.request.urlopen(base + "/metrics", timeout=10).read().decode()
    for name in ("mallee_db_groups_total", "mallee_mq_published_total", "mallee_http_requests_total"):
        assert re.search(rf"^{name}(\{{.*\}})? \d+$", text, re.M), name
