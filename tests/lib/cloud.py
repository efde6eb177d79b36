# SPDX-License-Identifier: Apache-2.0
"""A cloud of its own for tests: started by deploy/quickstart, asked by boto3, struck by signals.

    with Cloud("faults", nodes=2) as cloud:
        ids = cloud.run(3)
        cloud.kill("libvirtd-1")
        cloud.wait_states(ids, "running")

Processes are named as in DIR/run: cloud, cluster-ZONE (or just cluster: the first zone's), node-N, libvirtd-N,
virtlogd-N, broker, epmd. runit starts again whatever ends.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import boto3
import botocore.config

SRC = os.environ.get("SRC") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("MALLEE_BUILD") or os.path.join(SRC, "build")
INSTANCE_ID = re.compile(r"(?<![a-z])i-[0-9a-f]{8,17}")
# Capacity that bricks (8 MiB of real memory each) never fill.
ROOMY = dict(MALLEE_NODE_VCPUS="512", MALLEE_NODE_MEMORY_MIB="1048576", MALLEE_NODE_DISK_GIB="4096")


class Timeout(AssertionError):
    pass


def wait_for(what, condition, seconds=60.0, every=0.1):
    """The first true value of condition(); it may raise an AssertionError to say what is missing."""
    until = time.monotonic() + seconds
    why = ""
    while True:
        try:
            value = condition()
            if value:
                return value
            why = f"last value {value!r}"
        except AssertionError as error:
            why = str(error)
        if time.monotonic() > until:
            raise Timeout(f"{what}: not within {seconds:.0f} s ({why})")
        time.sleep(every)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def process_environment_free(environment):
    """Without what another cloud's shell left behind."""
    return {k: v for k, v in environment.items() if not k.startswith(("AWS_", "EC2_", "STS_", "S3_"))}


class Cloud:
    def __init__(self, name, nodes=1, zones=1, witness=True, directory=None, **environment):
        self.name, self.nodes, self.zones, self.witness = name, nodes, zones, witness
        self.own_directory = directory is None
        self.dir = directory or tempfile.mkdtemp(prefix=f"mallee-{name}-", dir="/tmp")
        os.chmod(self.dir, 0o711)
        self.environment = {**process_environment_free(os.environ), **ROOMY, **environment, "MALLEE_BUILD": BUILD}
        if witness:
            self.environment["MALLEE_EMULATOR"] = os.path.join(BUILD, "tests/lib/qemu-witness")
        self.env = {}

    # -- life

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(True, None, None)
            raise
        return self

    def __exit__(self, failure, *_):
        self.keep_logs()
        self.quickstart("--stop", check=not failure)
        self.keep_logs()
        reports = self.sanitizer_reports()
        if reports and not failure:
            raise AssertionError("a sanitizer found something:\n" + "\n".join(reports[:40]))
        if self.own_directory and not os.environ.get("MALLEE_KEEP_DIR"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def quickstart(self, *arguments, check=True):
        command = [os.path.join(SRC, "deploy/quickstart"), "--dir", self.dir, *arguments]
        done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done

    def start(self):
        done = self.quickstart("--no-demo", "--nodes", str(self.nodes), "--zones", str(self.zones))
        self.env = self.read_env()
        return done.stdout

    def stop(self):
        return self.quickstart("--stop").stdout

    def read_env(self):
        code = '. "$0"/env && env -0'
        text = subprocess.run(["sh", "-c", code, self.dir], env=self.environment, stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)

    def keep_logs(self):
        to = os.path.join(BUILD, "test-logs", f"cloud-{self.name}")
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(os.path.join(self.dir, "log"), to, ignore_dangling_symlinks=True)

    def sanitizer_reports(self):
        """Lines of the daemons' logs in which a sanitizer speaks (leaks are told at their end)."""
        found = []
        for path in glob.glob(os.path.join(self.dir, "log", "*.log")):
            with open(path, encoding="utf-8", errors="replace") as log:
                found += [f"{os.path.basename(path)}: {line.rstrip()}" for line in log
                          if re.search(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:", line)]
        return found

    # -- clients

    def client(self, service, retries=0, read_timeout=20, **credentials):
        url = self.env[f"AWS_ENDPOINT_URL_{service.upper()}"]
        config = botocore.config.Config(retries={"max_attempts": retries, "mode": "standard"}, connect_timeout=5,
                                        read_timeout=read_timeout, max_pool_connections=80)
        credentials.setdefault("aws_access_key_id", self.env["AWS_ACCESS_KEY_ID"])
        credentials.setdefault("aws_secret_access_key", self.env["AWS_SECRET_ACCESS_KEY"])
        return boto3.session.Session(region_name=self.env["AWS_DEFAULT_REGION"], **credentials).client(
            service, endpoint_url=url, config=config)

    @property
    def ec2(self):
        return self.client("ec2")

    def aws(self, *arguments, check=True):
        """The AWS CLI as a user of DIR/env meets it; its JSON, or its text where that is not JSON."""
        done = subprocess.run(["aws", *arguments], env={**self.env, "AWS_PAGER": ""}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise AssertionError(f"aws {' '.join(arguments)}: {done.stderr.strip()}")
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout if check else done.stdout + done.stderr

    def mallee(self, *arguments, check=True):
        done = subprocess.run(["mallee", *arguments], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"mallee {' '.join(arguments)}: {done.stdout.strip()}")
        return done.stdout

    def brick(self):
        """The image id of the brick, which the quickstart has imported."""
        with open(f"{self.dir}/etc/brick-image", encoding="utf-8") as file:
            return file.read().split()[0]

    def run(self, count=1, client=None, **more):
        more.setdefault("ClientToken", str(uuid.uuid4()))
        answer = (client or self.ec2).run_instances(ImageId=self.brick(), MinCount=count, MaxCount=count, **more)
        return [i["InstanceId"] for i in answer["Instances"]]

    def instances(self, ids=None, client=None):
        client = client or self.ec2
        found = {}
        wanted = {"InstanceIds": list(ids)} if ids else {}
        for page in client.get_paginator("describe_instances").paginate(**wanted):
            for reservation in page["Reservations"]:
                found.update((i["InstanceId"], i) for i in reservation["Instances"])
        return found

    def states(self, ids=None):
        return {k: v["State"]["Name"] for k, v in self.instances(ids).items()}

    def wait_states(self, ids, *states, seconds=60):
        def there():
            now = self.states(ids)
            missing = {i: now.get(i, "not described") for i in ids if now.get(i) not in states}
            assert not missing, f"{len(missing)} of {len(ids)} not {'/'.join(states)}: {dict(list(missing.items())[:5])}"
            return True
        wait_for(f"instances {'/'.join(states)}", there, seconds, 0.25)

    # -- processes

    def zone_names(self):
        return [self.env["AWS_DEFAULT_REGION"] + chr(ord("a") + z) for z in range(self.zones)]

    def node_numbers(self):
        return range(1, self.nodes * self.zones + 1)

    def full_name(self, name):
        return "cluster-" + self.zone_names()[0] if name == "cluster" else name

    def pid(self, name):
        with open(f"{self.dir}/run/{self.full_name(name)}.pid", encoding="utf-8") as file:
            return int(file.read())

    def signal(self, name, number):
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def kill(self, name):
        """kill -9; returns when it is gone. runit starts it again."""
        pid = self.signal(name, signal.SIGKILL)
        wait_for(f"end of {name}", lambda: not alive(pid), 10, 0.01)

    @contextlib.contextmanager
    def paused(self, name):
        pid = self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def wait_up(self, name, seconds=60):
        def up():
            with contextlib.suppress(OSError, ValueError):
                return alive(self.pid(name))
            return False
        wait_for(f"{name} up", up, seconds)

    @contextlib.contextmanager
    def not_restarting(self, names):
        """While inside, what ends of these stays down."""
        keepers = []
        for name in names:
            with open(f"{self.dir}/run/sv/{self.full_name(name)}/supervise/pid", encoding="utf-8"):
                pass
            keepers += self.keeper(name)
        for pid in keepers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in keepers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def keeper(self, name):
        """The runsv of a service."""
        folder = f"{self.dir}/run/sv/{self.full_name(name)}"
        found = []
        for entry in glob.glob("/proc/[0-9]*"):
            with contextlib.suppress(OSError):
                with open(entry + "/comm", encoding="utf-8") as file:
                    if file.read().strip() != "runsv":
                        continue
                if os.path.samefile(entry + "/cwd", folder):
                    found.append(int(entry[6:]))
        return found

    def supervised(self):
        return sorted(os.listdir(f"{self.dir}/run/sv"))

    def wipe_broker(self):
        """kill -9 of the broker, and all it ever wrote is gone when it starts again."""
        with self.not_restarting(["broker"]):
            self.kill("broker")
            shutil.rmtree(f"{self.dir}/state/broker")

    # -- hosts and power

    def netns(self, node):
        for line in subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout.splitlines():
            if line.split()[0] == f"mallee-{self.hash()}-node-{node}":
                return line.split()[0]
        raise AssertionError(f"node {node} has no namespace")

    def hash(self):
        done = subprocess.run(["sha256sum"], input=os.path.realpath(self.dir), stdout=subprocess.PIPE, text=True,
                              check=True)
        return done.stdout[:6]

    def qemus(self):
        """[(pid, node, instance id or domain name)] of the QEMU processes that run."""
        found = []
        for node in self.node_numbers():
            pids = subprocess.run(["ip", "netns", "pids", self.netns(node)], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout.split()
            for pid in map(int, pids):
                line = self.command_line(pid)
                if line and "qemu-system" in os.path.basename(line[0]) + self.comm(pid) and "-uuid" in line \
                        and alive(pid):
                    found.append((pid, node, self.domain_of(line)))
        return found

    @staticmethod
    def comm(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read()
        return ""

    @staticmethod
    def command_line(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")[:-1]
        return []

    @staticmethod
    def domain_of(line):
        for option, value in zip(line, line[1:]):
            if option == "-smbios" and value.startswith("type=1,"):
                serial = re.search(r",serial=([^,]+)", value)
                if serial:
                    return serial.group(1)
        for option, value in zip(line, line[1:]):
            if option == "-name":
                return value.removeprefix("guest=").split(",")[0]
        return "?"

    def power_cut(self, nodes=None, everything=True):
        """kill -9 of QEMU, libvirtd and the daemons at once (of these nodes, or of all and the controllers and the
        broker too); the host comes up with another boot id."""
        nodes = list(nodes or self.node_numbers())
        names = self.supervised() if everything else \
            [n for n in self.supervised() if re.fullmatch(rf"(node|libvirtd|virtlogd)-({'|'.join(map(str, nodes))})", n)]
        with self.not_restarting(names):
            moment = time.monotonic_ns()
            pids = []
            for name in names:
                with contextlib.suppress(OSError, ValueError):
                    pids.append(self.pid(name))
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.kill_qemus(nodes)
            wait_for("end of all", lambda: not any(alive(p) for p in pids), 10, 0.01)
            self.kill_qemus(nodes)
            for node in nodes:
                self.new_boot_id(node)
                self.empty_run(node)
            after = time.monotonic_ns()
        return dict(nodes=nodes, begin=moment, end=after)

    def kill_qemus(self, nodes):
        for pid, node, _ in self.qemus():
            if node in nodes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def empty_run(self, node):
        """/run is memory: after a power cut libvirtd finds nothing of what ran. (The folder itself is mounted.)"""
        run = f"{self.dir}/nodes/node-{node}/run"
        for name in os.listdir(run):
            path = os.path.join(run, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def new_boot_id(self, node):
        path = f"{self.dir}/nodes/node-{node}/boot-id"
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(str(uuid.uuid4()) + "\n")
        os.rename(path + ".new", path)

    # -- libvirt, from outside

    def virsh(self, node, *arguments, check=True, **more):
        uri = f"qemu+unix:///system?socket={self.dir}/nodes/node-{node}/run/libvirt-sock"
        return subprocess.run(["virsh", "-q", "-c", uri, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, check=check, **more).stdout

    def domains(self, node):
        return [n for n in self.virsh(node, "list", "--all", "--name").split("\n") if n]

    def domain_name(self, node, instance):
        """The domain of an instance: the one whose XML says its id."""
        for name in self.domains(node):
            if instance in name or instance in self.virsh(node, "dumpxml", name, check=False):
                return name
        raise AssertionError(f"node {node} has no domain of {instance}")

    def put_foreign_domain(self, node, name="somebody-elses"):
        """A domain that is not this cloud's; returns its name."""
        disk = f"{self.dir}/witness/{name}.raw"
        shutil.copy(f"{self.dir}/brick/brick.raw", disk)
        xml = f"""<domain type='qemu'><name>{name}</name><uuid>{uuid.uuid4()}</uuid>
            <memory unit='MiB'>8</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
            <features><acpi/></features><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
            <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
            <target dev='vda' bus='virtio'/></disk><controller type='usb' model='none'/>
            <memballoon model='none'/></devices></domain>"""
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(xml)
            file.flush()
            self.virsh(node, "create", file.name)
        return name

    # -- what is there

    def node_files(self, node):
        """Paths below a node's state folder that bear an instance's id, by id. Tombstones are not counted."""
        found = {}
        root = f"{self.dir}/state/node-{node}"
        for folder, folders, files in os.walk(root):
            for name in files + folders:
                path = os.path.relpath(os.path.join(folder, name), root)
                match = INSTANCE_ID.search(path)
                if match and not self.is_tombstone(os.path.join(folder, name)):
                    found.setdefault(match.group(0), []).append(path)
        return found

    @staticmethod
    def is_tombstone(path):
        with contextlib.suppress(OSError, ValueError):
            if "/records/" in path:
                with open(path, encoding="utf-8") as file:
                    return json.load(file)["phase"] == "gone"
        return False

    def witnessed(self):
        """{instance: [(start ns, end ns or None, node, pid)]} in order of start, of all QEMU processes so far."""
        starts, ends = {}, {}
        for path in glob.glob(f"{self.dir}/witness/[0-9]*-[0-9]*"):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    what, instance, node, pid, moment = line.split()
                    key = (instance, os.path.basename(path))
                    (starts if what == "start" else ends)[key] = (int(moment), node, int(pid))
        runs = {}
        for key, (moment, node, pid) in starts.items():
            end = ends.get(key)
            if end is None and not alive(pid):
                end = (moment,)  # the watcher writes within a moment of the end; asked for again by the caller
            runs.setdefault(key[0], []).append((moment, end[0] if end else None, node, pid))
        return {k: sorted(v) for k, v in runs.items()}
