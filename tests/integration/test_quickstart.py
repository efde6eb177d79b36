# SPDX-License-Identifier: Apache-2.0
"""deploy/quickstart: what it gives the host, what it listens on, what guests' endpoints answer, what stays after --stop."""
import contextlib
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
import pytest

from cloud import BUILD, SRC, Cloud, process_environment_free

ENV = ("AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION AWS_ENDPOINT_URL_EC2 AWS_ENDPOINT_URL_S3 "
       "AWS_ENDPOINT_URL_STS EC2_URL S3_URL STS_URL MALLEE_DIR MALLEE_DEMO_IMAGE MALLEE_DEMO_KEY PATH").split()


def run(*command, check=True, **more):
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=check, timeout=120, **more).stdout


def bridges():
    return {line.split()[0] for line in run("ip", "-br", "link", "show", "type", "bridge").splitlines()}


def routes():
    return set(run("ip", "-4", "route").splitlines())


@pytest.fixture(scope="module")
def host_before():
    return bridges(), routes()


@pytest.fixture(scope="module")
def cloud(host_before):
    with Cloud("quickstart", nodes=2) as started:
        yield started


@pytest.fixture(scope="module")
def status(cloud):
    return cloud.quickstart("--status").stdout


def guest_urls(status):
    return (re.search(r"EC2 and STS for guests +(https://\S+)", status).group(1),
            re.search(r"S3 for guests +(https://\S+)", status).group(1))


def test_env(cloud):
    with open(f"{cloud.dir}/env", encoding="utf-8") as file:
        text = file.read()
    assert re.findall(r"export (\w+)=", text) == ENV
    assert cloud.env["PATH"].split(":")[0] == f"{cloud.dir}/bin"
    assert cloud.env["MALLEE_DIR"] == cloud.dir and cloud.env["MALLEE_DEMO_KEY"] == f"{cloud.dir}/demo.pem"
    assert cloud.env["MALLEE_DEMO_IMAGE"] == cloud.brick()
    assert os.stat(f"{cloud.dir}/env").st_mode & 0o077 == 0


def test_one_bridge_and_one_route(cloud, status, host_before):
    bridge = re.search(r"bridge on this host +(\S+)", status).group(1)
    route = re.search(r"route on this host +(\S+)", status).group(1)
    # Other clouds of this machine, whose bridges are called alike, come and go meanwhile.
    new = {b for b in bridges() - host_before[0] if b == bridge or not re.fullmatch("ml[0-9a-f]{6}", b)}
    assert new == {bridge}
    new = {r for r in routes() - host_before[1] if f"dev {bridge} " in r or not re.search(" dev ml[0-9a-f]{6} ", r)}
    assert len(new) == 1 and new.pop().startswith(f"{route} dev {bridge}")
    assert route.endswith("/18")


def test_nodes_are_in_the_lower_half(status):
    network = re.search(r"route on this host +(\d+\.\d+)\.(\d+)\.0/18", status)
    assert re.search(r"public addresses of guests +(\S+)", status).group(1) == \
        f"{network.group(1)}.{int(network.group(2)) + 32}.0/19"
    addresses = re.findall(r"node \d+ +(\d+\.\d+)\.(\d+)\.\d+, namespace", status)
    assert len(addresses) == 2 and all(int(third) < int(network.group(2)) + 32 for _, third in addresses)


def test_listens_on_loopback_and_the_link_network_only(cloud, status):
    host = re.search(r"bridge on this host +\S+ \(([\d.]+)/18\)", status).group(1)
    pids = set(run("pgrep", "-s", open(f"{cloud.dir}/run/supervisor.pid", encoding="utf-8").read().strip(), check=False).split())
    with contextlib.suppress(OSError):
        for name in os.listdir(f"{cloud.dir}/run"):
            if name.endswith(".pid"):
                pids.add(open(f"{cloud.dir}/run/{name}", encoding="utf-8").read().strip())
    ours = [line for line in run("ss", "-Hltnp").splitlines() if pids & set(re.findall(r"pid=(\d+)", line))]
    assert len(ours) >= 6, ours
    assert {line.split()[3].rsplit(":", 1)[0] for line in ours} <= {"127.0.0.1", "[::1]", host}, ours


def status_of(url, context):
    try:
        return urllib.request.urlopen(url, timeout=10, context=context).status
    except urllib.error.HTTPError as error:
        return error.code


def test_endpoints_of_guests(cloud, status):
    ec2, s3 = guest_urls(status)
    certificate = f"{cloud.dir}/etc/cert.pem"
    context = ssl.create_default_context(cafile=certificate)
    for path in ("healthz", "metrics", "admin/Status"):
        assert status_of(ec2 + path, context) == 404
    for path in ("healthz", "metrics"):
        assert status_of(s3 + path, context) == 403
    session = boto3.session.Session(aws_access_key_id=cloud.env["AWS_ACCESS_KEY_ID"], region_name="us-east-1",
                                    aws_secret_access_key=cloud.env["AWS_SECRET_ACCESS_KEY"])
    assert session.client("ec2", endpoint_url=ec2, verify=certificate).describe_regions()["Regions"]
    assert session.client("sts", endpoint_url=ec2, verify=certificate).get_caller_identity()["Account"]
    store = session.client("s3", endpoint_url=s3, verify=certificate)
    store.create_bucket(Bucket="from-a-guest")
    store.delete_bucket(Bucket="from-a-guest")
    with pytest.raises(botocore.exceptions.SSLError):
        session.client("sts", endpoint_url=ec2).get_caller_identity()


def test_a_listener_without_certificate_is_refused(cloud):
    for name, program in (("cloud", "mallee-cloud-controller"), ("store", "mallee-object-store")):
        done = subprocess.run([f"{cloud.dir}/programs/{program}", "--config", f"{cloud.dir}/etc/{name}.conf",
                               "--guest-cert-file", "", "--check-config"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, timeout=20)
        assert done.returncode != 0 and "guest-cert-file" in done.stdout


def test_a_second_cloud_beside_it(cloud, status):
    with Cloud("quickstart-two", witness=False) as other:
        theirs = other.quickstart("--status").stdout
        for what in (r"route on this host +(\S+)", r"bridge on this host +(\S+)", r"EC2, STS and admin API +(\S+)"):
            assert re.search(what, theirs).group(1) != re.search(what, status).group(1)
        assert other.client("sts").get_caller_identity()["Account"] != cloud.client("sts").get_caller_identity()["Account"]
    assert cloud.client("sts").get_caller_identity()["Account"], "the first goes on"


def test_stop_takes_vpc_namespaces_too(cloud):
    """As a node makes them: in its own mount namespace, with a process in them that ignores SIGTERM."""
    node = int(open(f"{cloud.dir}/run/node-1.pid", encoding="utf-8").read())
    netns = f"mallee-{cloud.hash()}-node-1-vpc-0123456789abcdef0"
    run("nsenter", "-t", node, "-m", "-n", "ip", "netns", "add", netns)
    run("nsenter", "-t", node, "-m", "-n", "ip", "link", "add", f"mv{cloud.hash()}-x", "type", "veth", "peer", "name", "p",
        "netns", netns)
    left = subprocess.Popen(["ip", "netns", "exec", netns, "sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"],
                            stdout=subprocess.PIPE)
    left.stdout.readline()
    begun = time.monotonic()
    said = cloud.stop()
    assert "no process, namespace, link, route or mount" in said and time.monotonic() - begun < 45
    assert left.wait(timeout=10) != 0
    assert cloud.hash() not in run("ip", "netns") + run("ip", "-br", "link") + run("cat", "/proc/self/mountinfo")
    assert cloud.quickstart("--status", check=False).returncode == 3
    begun = time.monotonic()
    cloud.start()
    assert time.monotonic() - begun < 45


class Host:
    """A network namespace that stands for a host, with an uplink to an outside."""

    def __init__(self):
        self.name, self.outside = f"mallee-host-{os.getpid()}", f"mallee-out-{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="mallee-nat-", dir="/tmp")
        os.chmod(self.dir, 0o711)

    def __enter__(self):
        for name in (self.name, self.outside):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.name, "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", self.outside)
        for name, address in ((self.name, "198.51.100.2/24"), (self.outside, "198.51.100.1/24")):
            run("ip", "-n", name, "addr", "add", address, "dev", "up0")
            run("ip", "-n", name, "link", "set", "up0", "up")
        return self

    def __exit__(self, *_):
        self.quickstart("--stop", check=False)
        for name in (self.name, self.outside):
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def enter(self, *command, **more):
        return run("nsenter", f"--net=/run/netns/{self.name}", *command, **more)

    def quickstart(self, *arguments, check=True):
        return self.enter(f"{SRC}/deploy/quickstart", "--dir", self.dir, *arguments, check=check,
                          env={**process_environment_free(os.environ), "MALLEE_BUILD": BUILD})

    def outside_sees(self):
        """The address that a connection from the node comes from, outside; None: it does not get there."""
        node = re.search(r"namespace (\S+),", self.quickstart("--status")).group(1)
        listener = subprocess.Popen(
            ["ip", "netns", "exec", self.outside, "/usr/bin/python3", "-c", "import socket; s=socket.create_server(('198.51.100.1',"
             "80)); print(flush=True); s.settimeout(6); print(s.accept()[1][0])"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        listener.stdout.readline()
        run("ip", "netns", "exec", node, "curl", "-s", "-m", "3", "http://198.51.100.1/", check=False)
        return listener.communicate(timeout=20)[0].strip() or None


def test_nat_is_a_way_out():
    with Host() as host:
        said = host.quickstart("--no-demo")
        assert "ip_forward" not in said
        assert host.enter("cat", "/proc/sys/net/ipv4/ip_forward") == "0\n" and not host.enter("nft", "list", "ruleset")
        assert host.outside_sees() is None
        refused = host.quickstart("--no-demo", "--nat", check=False)
        assert "FAILED: it runs without --nat" in refused and "--stop" in refused
        host.quickstart("--stop")
        said = host.quickstart("--no-demo", "--nat")
        assert "net.ipv4.ip_forward was 0 and is 1 now" in said
        assert len(host.enter("nft", "list", "tables").splitlines()) == 1
        assert "way out" in host.quickstart("--status")
        assert host.outside_sees() == "198.51.100.2"
        host.quickstart("--stop")
        assert not host.enter("nft", "list", "ruleset")
