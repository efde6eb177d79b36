# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: one line per test as tests/run counts them."""


def one_line(text):
    return " ".join(str(text).split())[:300]


def reason(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    return one_line(crash.message if crash else report.longrepr)


def pytest_runtest_logreport(report):
    name = report.nodeid.rsplit("/", 1)[-1]
    if report.skipped:
        print(f"\nskip {name} - {one_line(report.longrepr[2])}", flush=True)
    elif report.failed:
        why = reason(report) if report.when == "call" else f"{report.when}: {reason(report)}"
        print(f"\nnot ok {name} - {why}", flush=True)
    elif report.when == "call":
        print(f"\nok {name} ({report.duration:.1f} s)", flush=True)


def pytest_collectreport(report):
    if report.failed:
        print(f"\nnot ok {report.nodeid} - collection: {one_line(report.longrepr)}", flush=True)
