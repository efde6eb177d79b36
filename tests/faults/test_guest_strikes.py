# SPDX-License-Identifier: Apache-2.0
"""Guests that ran go on answering ssh, and get their metadata, whatever strikes the controllers.

Two residents, one on each node, are called by ssh all through. First with every controller down; then each fault of
test_strikes.py strikes once while others are launched and terminated (tests/run --long).
"""
import os
import random
import threading
import time

import pytest

import test_strikes
from cloud import wait_for
from guests import GuestCloud

BOOTS_LINUX = True  # tests/run --sanitize leaves it out

LONG = bool(os.environ.get("MALLEE_LONG"))
SEED = int(os.environ.get("MALLEE_SEED", "1"))
FAULTS = test_strikes.FAULTS if LONG else []
CONTROLLERS = ["cloud", "store", "image", "broker", "cluster"]
SILENT_MAX = 20.0  # seconds without an answer, of which one call may take ten; a power cut is another matter


class Residents:
    """Calls each resident by turns and keeps the longest time that one did not answer."""

    def __init__(self, cloud, addresses):
        self.cloud, self.addresses = cloud, addresses
        self.silent = dict.fromkeys(addresses, 0.0)
        self.calls = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=(a,)) for a in addresses]

    def watch(self, address):
        last = time.monotonic()
        while not self.over.is_set():
            answered = self.cloud.answers(address)
            self.calls += 1
            self.silent[address] = max(self.silent[address], time.monotonic() - last)  # the call's own time is in it
            if answered:
                last = time.monotonic()
            self.over.wait(0.5)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture(scope="module")
def cloud():
    with GuestCloud("guest-faults", nodes=2) as started:
        started.struck = test_strikes.Struck()
        yield started


@pytest.fixture(scope="module")
def residents(cloud):
    """{instance: address}, on both nodes; the demonstration is one of them."""
    ids = [cloud.demo()]
    for _ in range(4):
        ids += cloud.launch(1)
        cloud.wait_states(ids, "running", seconds=120)
        where = {q[2]: q[1] for q in cloud.qemus()}
        second = next((i for i in ids if where[i] != where[ids[0]]), None)
        if second:
            break
    assert second, "all guests came to one node"
    extra = [i for i in ids if i not in (ids[0], second)]
    if extra:
        cloud.ec2.terminate_instances(InstanceIds=extra)
    found = {i: cloud.public(i) for i in (ids[0], second)}
    cloud.wait_ssh(found.values())
    return found


def test_every_controller_is_down(cloud, residents):
    """Cloud, cluster, store, image service and broker are held down; then the node controllers and libvirtd too."""
    names = [cloud.full_name(n) for n in CONTROLLERS]
    with cloud.not_restarting(names):
        for name in names:
            cloud.kill(name)
        for instance, address in residents.items():
            assert cloud.answers(address), f"{instance} does not answer while every controller is down"
            assert cloud.metadata(address, "meta-data/instance-id").strip() == instance
            assert "ssh-" in cloud.metadata(address, "meta-data/public-keys/0/openssh-key")
        hosts = [f"{what}-{n}" for what in ("node", "libvirtd") for n in cloud.node_numbers()]
        with cloud.not_restarting(hosts):
            for name in hosts:
                cloud.kill(name)
            for instance, address in residents.items():
                assert cloud.answers(address), f"{instance} does not answer while everything is down"
        for name in hosts:
            cloud.wait_up(name)
        for instance, address in residents.items():
            wait_for("metadata of a node that started while its cloud is down",
                     lambda a=address, i=instance: cloud.metadata(a, "meta-data/instance-id").strip() == i, 60, 1)
    for name in names:
        cloud.wait_up(name)
    wait_for("the cloud's answer", lambda: answered(cloud), 60, 1)
    cloud.wait_states(list(residents), "running", seconds=60)
    test_strikes.check_never_two(cloud)


def answered(cloud):
    try:
        return cloud.ec2.describe_instances()
    except Exception as error:  # noqa: BLE001  any failure is "not yet"
        raise AssertionError(str(error)) from error


@pytest.mark.parametrize("fault", FAULTS)
def test_strike(cloud, residents, fault):
    dice = random.Random(f"{SEED}/guests/{fault}")
    cut = fault == "power cut"
    victims = wait_for("room", lambda: room_for(cloud, 2), 90, 1)
    cloud.wait_states(victims, "running", seconds=120)
    test_strikes_clients = cloud.client("ec2", retries=8)
    with Residents(cloud, list(residents.values())) as watched:
        launched = wait_for("room", lambda: room_for(cloud, 2), 90, 1)
        test_strikes_clients.terminate_instances(InstanceIds=victims)
        time.sleep(dice.uniform(0.1, 1.0))
        struck = strike(cloud, fault, dice, residents)
        for name in cloud.supervised():
            cloud.wait_up(name)
        wait_for("the cloud's answer", lambda: answered(cloud), 60, 1)
        cloud.wait_states(victims, "terminated", seconds=120)
        wait_for("the others have come up or ended", lambda: settled(cloud, launched, struck), 120, 1)
    assert watched.calls >= 2
    silent = max(watched.silent.values())
    print(f"note guests, {fault}: {watched.calls} calls, at most {silent:.1f} s without an answer", flush=True)
    if cut:
        cloud.wait_ssh(residents.values(), seconds=180)
    else:
        assert silent < SILENT_MAX, f"a resident was silent for {silent:.1f} s"
    for instance, address in residents.items():
        assert cloud.metadata(address, "meta-data/instance-id").strip() == instance
    test_strikes.check_never_two(cloud)
    cloud.wait_ssh([cloud.public(i) for i in launched if cloud.states([i])[i] == "running"], seconds=180)
    cloud.client("ec2", retries=8).terminate_instances(InstanceIds=launched)
    cloud.wait_states(launched, "terminated", seconds=120)
    wait_for("nothing without an owner", lambda: test_strikes.check_owners(cloud) is None, 60, 1)


def room_for(cloud, count):
    try:
        return cloud.launch(count)
    except Exception as error:  # noqa: BLE001
        raise AssertionError(str(error)) from error


def strike(cloud, fault, dice, residents):
    """As in test_strikes.py, but what is destroyed is no resident."""
    if fault != "destroy a domain":
        return test_strikes.strike(cloud, fault, dice)
    others = [q for q in cloud.qemus() if q[2].startswith("i-") and q[2] not in residents]
    dice.shuffle(others)
    for _, node, instance in others:
        cloud.virsh(node, "destroy", f"mallee-{instance}", check=False)
        return instance
    return None


def settled(cloud, launched, struck):
    states = cloud.states(launched)
    open_ = {i: s for i, s in states.items() if s not in ("running", "terminated")}
    assert not open_, f"not settled: {open_}"
    ended = {i for i, s in states.items() if s == "terminated" and i != struck}
    assert not ended, f"ended: {[cloud.instances([i])[i].get('StateReason') for i in ended]}"
    return True
