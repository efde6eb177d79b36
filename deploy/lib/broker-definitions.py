#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes RabbitMQ's definitions: one user per component and what it may do.

Lines on stdin:  cloud USER PASSWORD | cluster USER PASSWORD ZONE | node USER PASSWORD ZONE
(a node's user is its id). The definitions go to stdout; the broker loads them at every start, so a wiped one
comes back by itself.
"""
import base64
import hashlib
import json
import re
import sys

NOTHING = "^$"
DEAD_MAX = 10000  # as common/mq declares it
OWN = r"amq\.gen-.*"  # queues that the broker names: a process's own


def one_of(*patterns):
    return "^(" + "|".join(patterns) + ")$"


def cloud(user):
    everything = one_of(r"mallee\..*", OWN, r"amq\.default")
    yield "permission", dict(configure=everything, write=everything, read=everything)


def cluster(user, zone):
    zone = re.escape(zone)
    # It makes its nodes' queues too: what is sent to a node that was never up must have a place to wait.
    mine = (rf"mallee\.(cluster|node)\.{zone}(\..*)?", OWN, r"mallee\.(cluster|node|report|dead)")
    yield "permission", dict(configure=one_of(*mine), write=one_of(*mine, r"amq\.default"), read=one_of(*mine))
    yield "topic", dict(exchange="mallee.cluster", write=rf"^{zone}(\..*)?$", read=rf"^{zone}(\..*)?$")
    yield "topic", dict(exchange="mallee.node", write=rf"^{zone}\.", read=rf"^{zone}\.")
    yield "topic", dict(exchange="mallee.report", write=rf"^{zone}\.", read=rf"^({zone}|\*|#)(\..*)?$")


def node(user, zone):
    zone, user = re.escape(zone), re.escape(user)
    queue = rf"mallee\.node\.{zone}\.{user}"
    yield "permission", dict(
        configure=one_of(queue, OWN),
        write=one_of(queue, OWN, r"mallee\.(node|report|dead)"),
        read=one_of(queue, OWN, r"mallee\.node"),
    )
    # Never to amq.default: that exchange reaches every queue by name. To its own queue through mallee.node (so that
    # a node can ping itself), and reports of its own.
    yield "topic", dict(exchange="mallee.node", write=rf"^{zone}\.{user}$", read=rf"^{zone}\.{user}$")
    yield "topic", dict(exchange="mallee.report", write=rf"^{zone}\.{user}\.", read=NOTHING)


def password_hash(user, password):
    # The salt only has to differ from user to user; drawn from the password so that the file stays the same.
    salt = hashlib.sha256(f"salt {user} {password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def exchange(name, kind="topic"):
    return dict(name=name, vhost="/", type=kind, durable=True, auto_delete=False, internal=False, arguments={})


def main():
    users, permissions, topics = [], [], []
    rules = dict(cloud=cloud, cluster=cluster, node=node)
    for line in sys.stdin:
        kind, user, password, *rest = line.split()
        users.append(dict(name=user, password_hash=password_hash(user, password), tags=[],
                          hashing_algorithm="rabbit_password_hashing_sha256", limits={}))
        for what, rule in rules[kind](user, *rest):
            rule.update(user=user, vhost="/")
            (permissions if what == "permission" else topics).append(rule)
    json.dump(dict(vhosts=[dict(name="/")], users=users, permissions=permissions, topic_permissions=topics,
                   exchanges=[exchange("mallee." + n) for n in ("cluster", "node", "report")]
                   + [exchange("mallee.dead", "fanout")],
                   queues=[dict(name="mallee.dead", vhost="/", durable=True, auto_delete=False,
                                arguments={"x-max-length": DEAD_MAX})],
                   bindings=[dict(source="mallee.dead", vhost="/", destination="mallee.dead",
                                  destination_type="queue", routing_key="", arguments={})]),
              sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
