# SPDX-License-Identifier: Apache-2.0
"""Each fault strikes two nodes while ten bricks are being launched and ten terminated; then the laws are checked.

kill -9 and SIGSTOP of each daemon, of libvirtd and of the broker; a wipe of the broker's folder; a power cut of
everything; a domain destroyed behind the cloud's back; a foreign domain put in. One round with SIGSTOP for 10 s, or
five with 60 s (tests/run --long). MALLEE_SEED repeats the moments.
"""
import concurrent.futures
import contextlib
import os
import random
import threading
import time
import uuid

import botocore.exceptions
import pytest

from cloud import Cloud, wait_for

LONG = bool(os.environ.get("MALLEE_LONG"))
ROUNDS = 5 if LONG else 1
PAUSE = 60 if LONG else 10
SEED = int(os.environ.get("MALLEE_SEED", "1"))
SETTLE = 60  # seconds from the last fault until everything has settled
BRICKS = 10

PROCESSES = ["cloud", "cluster", "node-1", "libvirtd-2", "broker"]
FAULTS = [f"kill {p}" for p in PROCESSES] + [f"pause {p}" for p in PROCESSES] + [
    "wipe broker", "power cut", "destroy a domain", "put in a foreign domain"]


class Requests:
    """Requests of clients that want to be answered: a lost answer is asked for again under the same token."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.lock = threading.Lock()
        self.open = 0
        self.launched = {}    # id -> what was acknowledged
        self.terminated = set()
        self.refused = []     # an error that the cloud answered with
        self.gave_up = []

    @contextlib.contextmanager
    def counted(self):
        with self.lock:
            self.open += 1
        try:
            yield
        finally:
            with self.lock:
                self.open -= 1

    def until_answered(self, call):
        until = time.monotonic() + SETTLE + PAUSE
        while True:
            try:
                return call()
            except botocore.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status < 500:
                    raise
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as problem:
                error = problem
            if time.monotonic() > until:
                with self.lock:
                    self.gave_up.append(repr(error))
                return None
            time.sleep(0.2)

    def launch(self, client):
        token = str(uuid.uuid4())
        with self.counted():
            try:
                ids = self.until_answered(lambda: self.cloud.run(1, client=client, ClientToken=token))
            except botocore.exceptions.ClientError as error:
                with self.lock:
                    self.refused.append(error.response["Error"]["Code"])
                return
        with self.lock:
            self.launched.update(dict.fromkeys(ids or [], token))

    def terminate(self, client, instance):
        with self.counted():
            done = self.until_answered(lambda: client.terminate_instances(InstanceIds=[instance]))
        if done:
            with self.lock:
                self.terminated.add(instance)


class Struck:
    """What was done to the cloud so far, for the checks at the end of each round."""

    def __init__(self):
        self.power_cuts = []
        self.destroyed = {}
        self.foreign = {}


@pytest.fixture(scope="module")
def cloud():
    print(f"note seed {SEED}")
    with Cloud("faults", nodes=2) as started:
        started.struck = Struck()
        yield started


def strike(cloud, fault, dice):
    what, _, name = fault.partition(" ")
    if what == "kill":
        cloud.kill(name)
    elif what == "pause":
        with cloud.paused(name):
            time.sleep(PAUSE)
    elif what == "wipe":
        cloud.wipe_broker()
    elif what == "power":
        cloud.struck.power_cuts.append(cloud.power_cut())
    elif what == "destroy":
        victims = [q for q in cloud.qemus() if q[2].startswith("i-")]
        dice.shuffle(victims)
        for _, node, instance in victims:
            with contextlib.suppress(AssertionError):  # it was on its way out: another one then
                cloud.virsh(node, "destroy", cloud.domain_name(node, instance), check=False)
                cloud.struck.destroyed[instance] = fault
                return instance
        raise AssertionError("there was no domain to destroy")
    elif what == "put":
        name = f"somebody-elses-{len(cloud.struck.foreign)}"
        node = dice.choice(list(cloud.node_numbers()))
        cloud.put_foreign_domain(node, name)
        cloud.struck.foreign[name] = node
    return None


def check_never_two(cloud):
    """Intervals of one id never overlap; a start beyond the first is explained by a power cut between the two."""
    now = time.monotonic_ns()
    for instance, runs in cloud.witnessed().items():
        if not instance.startswith("i-"):
            continue
        for (start, end, node, _), (again, _, other, _) in zip(runs, runs[1:]):
            assert end is not None and end <= again, \
                f"{instance} ran twice at once: on {node} from {start} to {end or now}, on {other} from {again}"
            cut = [c for c in cloud.struck.power_cuts if start <= c["end"] and c["begin"] <= again]
            assert cut, f"{instance} was started again ({node} at {start}, ended {end}; {other} at {again}) without a power cut"


def check_promises(cloud, requests, others):
    """Every acknowledged request came true, or ended with its reason."""
    described = cloud.instances()
    running = {q[2] for q in cloud.qemus()}
    wanted = set(requests.launched) | set(others)
    problems = []
    for instance in wanted | requests.terminated:
        shown = described.get(instance)
        state = shown["State"]["Name"] if shown else "gone"
        reason = (shown or {}).get("StateReason", {}).get("Code", "")
        if instance in requests.terminated:
            if state != "terminated":
                problems.append(f"{instance} was terminated and is {state}")
        elif state == "running":
            if instance not in running:
                problems.append(f"{instance} is said to run and has no QEMU")
        elif state == "terminated":
            if not reason.startswith("Server."):
                problems.append(f"{instance} ended without a reason ({reason or 'none'})")
        else:
            problems.append(f"{instance} is {state}")
    assert not problems, f"{len(problems)} problems: {problems[:6]}"


def check_owners(cloud):
    """No QEMU, disk or spec file without an owner; foreign domains live."""
    alive = {i for i, v in cloud.instances().items() if v["State"]["Name"] != "terminated"}
    qemus = cloud.qemus()
    ids = [q[2] for q in qemus if q[2].startswith("i-")]
    assert len(ids) == len(set(ids)), f"two QEMUs of one instance: {sorted(ids)}"
    assert set(ids) <= alive, f"QEMU without an owner: {set(ids) - alive}"
    for node in cloud.node_numbers():
        strays = {i: p for i, p in cloud.node_files(node).items() if i not in alive}
        assert not strays, f"files without an owner on node {node}: {dict(list(strays.items())[:3])}"
    names = {(q[1], q[2]) for q in qemus}
    for name, node in cloud.struck.foreign.items():
        cut = any(node in c["nodes"] for c in cloud.struck.power_cuts)
        assert cut or (node, name) in names, f"the foreign domain {name} on node {node} is gone"


def check_all(cloud, requests, others):
    check_promises(cloud, requests, others)
    check_owners(cloud)
    check_never_two(cloud)
    return True


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("fault", FAULTS)
def test_strike(cloud, fault, turn):
    seed = f"{SEED}/{turn}/{fault}"
    dice = random.Random(seed)
    clients = [cloud.client("ec2", read_timeout=5) for _ in range(2 * BRICKS)]
    victims = wait_for("room for the bricks", lambda: run_if_room(cloud), 60, 0.5)
    cloud.wait_states(victims, "running", seconds=90)
    requests = Requests(cloud)
    delay = dice.uniform(0.1, 0.8)
    with concurrent.futures.ThreadPoolExecutor(2 * BRICKS) as pool:
        waits = []
        for k in range(BRICKS):
            waits.append(pool.submit(after(dice.uniform(0, 0.4), requests.launch), clients[2 * k]))
            waits.append(pool.submit(after(dice.uniform(0, 0.4), requests.terminate), clients[2 * k + 1], victims[k]))
        time.sleep(delay)
        launching, terminating = under_way(cloud, requests)
        print(f"note {fault}: seed {seed}, after {delay:.2f} s: {launching + terminating} requests open ({launching} launches, "
              f"{terminating} terminations; {requests.open} of them not answered yet), {len(requests.launched)} launches and "
              f"{len(requests.terminated)} terminations answered", flush=True)
        strike(cloud, fault, dice)
        struck = time.monotonic()
        for wait in waits:
            wait.result()
    for name in cloud.supervised():
        cloud.wait_up(name)
    assert not requests.gave_up, f"requests were never answered: {requests.gave_up[:3]}"
    assert len(requests.terminated) == BRICKS
    left = max(5.0, SETTLE - (time.monotonic() - struck))
    wait_for(f"settled {SETTLE} s after the fault", lambda: check_all(cloud, requests, victims), left, 0.5)
    print(f"note {fault}: settled after {time.monotonic() - struck:.1f} s; "
          f"{len(requests.launched)} launched, {len(requests.refused)} refused {sorted(set(requests.refused))}", flush=True)
    clear(cloud)


def under_way(cloud, requests):
    """(launches, terminations) that were asked for and have not come true: answered or not."""
    with requests.lock:
        launched, terminated, unanswered = list(requests.launched), set(requests.terminated), requests.open
    qemus = {q[2] for q in cloud.qemus()}
    return (len([i for i in launched if i not in qemus]) + unanswered, len([i for i in terminated if i in qemus]))


def run_if_room(cloud):
    """A cluster that is still learning after the fault before has no room to offer."""
    try:
        return cloud.run(BRICKS)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] != "InsufficientInstanceCapacity", "no room yet"
        raise


def after(seconds, function):
    def later(*arguments):
        time.sleep(seconds)
        return function(*arguments)
    return later


def clear(cloud):
    """The next fault finds no bricks but its own."""
    ids = [i for i, s in cloud.states().items() if s != "terminated"]
    for k in range(0, len(ids), 50):
        cloud.client("ec2", retries=5).terminate_instances(InstanceIds=ids[k:k + 50])
    if ids:
        cloud.wait_states(ids, "terminated", seconds=90)


def test_all_is_quiet_at_the_end(cloud):
    clear(cloud)
    wait_for("nothing without an owner", lambda: check_owners(cloud) is None, 60, 0.5)
    check_never_two(cloud)
    runs = {i: r for i, r in cloud.witnessed().items() if i.startswith("i-")}
    starts = sum(map(len, runs.values()))
    print(f"note {starts} QEMU processes of {len(runs)} instances were witnessed, {len(cloud.struck.power_cuts)} power cuts")
    assert not [1 for r in runs.values() for start in r if start[1] is None], "a QEMU that nobody saw end"
    assert starts >= 10 * BRICKS
