# SPDX-License-Identifier: Apache-2.0
"""What a 2xx is worth: the flush that covers it came first; and flushes are shared, eight calls or more to one."""
import collections
import glob
import os
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import pytest

from cloud import BUILD, Cloud, wait_for

CLIENTS = 64
CALLS_EACH = 50


@pytest.fixture(scope="module")
def cloud():
    more = dict(MALLEE_PRELOAD_CLOUD=os.path.join(BUILD, "tests/lib/flushcount.so"))
    with Cloud("flushes", nodes=1, **more) as started:
        started.ids = started.run(4)
        started.wait_states(started.ids, "running")
        yield started


def records(cloud):
    """Lists of flushes (begin, end, path) and {marker: time} of written (all times), asked, answered."""
    flushes, marks = [], dict(written=collections.defaultdict(list), asked={}, answered={})
    for path in glob.glob(f"{cloud.dir}/witness/flushes.*"):
        with open(path, encoding="utf-8") as file:
            for line in file:
                what, *rest = line.split()
                if what == "flush":
                    flushes.append((int(rest[0]), int(rest[1]), rest[2]))
                elif what == "written":
                    marks["written"][rest[1]].append(int(rest[0]))
                else:
                    marks[what][rest[1]] = int(rest[0])
    return sorted(flushes), marks


def tag(client, instance, key, marks):
    mark = "mark-" + uuid.uuid4().hex
    client.create_tags(Resources=[instance], Tags=[dict(Key=key, Value=mark)])
    marks.append(mark)


def flushes_between(cloud, begin, end):
    return [f for f in records(cloud)[0] if begin <= f[0] <= end]


def quiet(cloud):
    """Nothing was flushed for two seconds."""
    return not flushes_between(cloud, time.monotonic_ns() - 2 * 10**9, time.monotonic_ns())


def check_covered(cloud, marks):
    flushes, seen = records(cloud)
    ends = [f for f in flushes if f[2].endswith("-wal")]
    for mark in marks:
        assert mark in seen["answered"], f"{mark} was answered unseen: the counter does not see this daemon's sockets"
        answered = seen["answered"][mark]
        written = [t for t in seen["written"].get(mark, []) if t < answered]
        assert written, f"{mark} was answered before anything of it was written"
        assert any(min(written) <= f[0] and f[1] <= answered for f in ends), \
            f"{mark} was answered before the flush that covers it"


def test_one_client_one_flush_a_call(cloud):
    client, marks = cloud.ec2, []
    tag(client, cloud.ids[0], "warm", marks)
    wait_for("quiet", lambda: quiet(cloud), 60, 0.2)
    counts = []
    for k in range(40):
        begin = time.monotonic_ns()
        tag(client, cloud.ids[k % 4], "one", marks)
        counts.append(len(flushes_between(cloud, begin, time.monotonic_ns())))
    print(f"note one client: {sum(counts)} flushes for {len(counts)} calls")
    assert set(counts) == {1}, f"flushes per call: {counts}"
    check_covered(cloud, marks)


class Captured(Exception):
    pass


def signed_call(client, instance, key, mark):
    """The bytes of a signed CreateTags: 64 clients that sign as they go are too slow to be 64 at once."""
    kept = []

    def capture(request, **_):
        kept.append(request)
        raise Captured

    client.meta.events.register_first("before-send.ec2.CreateTags", capture)
    try:
        client.create_tags(Resources=[instance], Tags=[dict(Key=key, Value=mark)])
    except Captured:
        pass
    finally:
        client.meta.events.unregister("before-send.ec2.CreateTags", capture)
    request = kept[0]
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    url = urllib.parse.urlsplit(request.url)
    headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
    headers = {k: v for k, v in headers.items() if k.lower() not in ("host", "content-length")}
    headers.update({"Host": url.netloc, "Content-Length": str(len(body))})
    head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return f"POST {url.path or '/'} HTTP/1.1\r\n{head}\r\n".encode() + body


def test_many_clients_share_flushes(cloud):
    url = urllib.parse.urlsplit(cloud.env["AWS_ENDPOINT_URL_EC2"])
    client, marks, work = cloud.ec2, [], []
    for number in range(CLIENTS):
        work.append([])
        for _ in range(CALLS_EACH):
            marks.append("mark-" + uuid.uuid4().hex)
            # A key for each client: a value that another call of the same group overwrites is never written.
            work[-1].append(signed_call(client, cloud.ids[number % 4], f"many-{number}", marks[-1]))
    with tempfile.NamedTemporaryFile(suffix=".volley") as file:
        for requests in work:
            file.write(b"client\n" + b"".join(b"request %d\n%b\n" % (len(r), r) for r in requests))
        file.flush()
        begin = time.monotonic_ns()
        done = subprocess.run([os.path.join(BUILD, "tests/lib/volley"), url.hostname, str(url.port), file.name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        end = time.monotonic_ns()
    assert done.returncode == 0, done.stdout
    flushes = flushes_between(cloud, begin, end)
    each = len(marks) / max(1, len(flushes))
    print(f"note {CLIENTS} clients: {len(marks)} calls, {len(flushes)} flushes, {each:.1f} calls a flush, "
          f"{len(marks) / ((end - begin) / 1e9):.0f} calls a second")
    check_covered(cloud, marks)
    assert each >= 8
