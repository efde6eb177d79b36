# SPDX-License-Identifier: Apache-2.0
"""`make install` into a DESTDIR: what is there, that it runs, that it goes again."""
import glob
import os
import re
import shutil
import subprocess

import pytest

from cloud import BUILD, SRC

DAEMONS = ("cloud-controller", "cluster-controller", "node-controller", "object-store", "image-service")
PREFIX = "usr/local"


def make(target, root):
    done = subprocess.run(["make", "-s", "-C", BUILD, target, f"DESTDIR={root}"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("root")
    make("install", path)
    return path


def run(*command):
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("name", DAEMONS)
def test_daemons_run_and_have_manuals_and_units(root, name):
    program = root / PREFIX / "sbin" / f"mallee-{name}"
    text = run(program, "--help")
    keys = re.findall(r"^  --([a-z-]+) ", text, re.M)
    assert {"config", "log-level", "listen"} <= set(keys)
    manual = (root / PREFIX / "share/man/man8" / f"mallee-{name}.8").read_text()
    assert manual.startswith(".TH") and all(key.replace("-", r"\-") in manual or key in manual for key in keys)
    unit = (root / PREFIX / "lib/systemd/system" / f"mallee-{name}.service").read_text()
    assert f"ExecStart=/{PREFIX}/sbin/mallee-{name} " in unit and "@" not in unit.replace("@system-service", "") \
        .replace("@privileged", "").replace("@resources", "")
    assert ("User=" in unit) == (name != "node-controller")


def test_the_tool(root):
    assert "doctor" in run(root / PREFIX / "bin/mallee", "--help")
    assert (root / PREFIX / "share/man/man1/mallee.1").read_text().startswith(".TH MALLEE 1")


def test_guests(root):
    images = root / PREFIX / "share/mallee/images"
    assert (root / PREFIX / "share/mallee/brick/brick.raw").stat().st_size == 1 << 20
    assert "--cache" in run(images / "tiny/build", "--help")
    assert os.access(root / PREFIX / "libexec/mallee/forget-unborn", os.X_OK)
    drop_in = (root / PREFIX / "lib/systemd/system/libvirtd.service.d/mallee.conf").read_text()
    assert f"ExecStartPre=/{PREFIX}/libexec/mallee/forget-unborn" in drop_in


def test_units_are_sound(root):
    """As systemd reads them; what it misses here is only that the programs lie in the DESTDIR."""
    if subprocess.run(["sh", "-c", "command -v systemd-analyze"], stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("no systemd-analyze")
    units = glob.glob(str(root / PREFIX / "lib/systemd/system/*.service"))
    assert len(units) == len(DAEMONS)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    complaints = [line for line in done.stdout.splitlines() if "is not executable" not in line and "mallee" in line]
    assert not complaints, complaints


def test_uninstall_leaves_nothing(root):
    make("uninstall", root)
    left = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    assert not left, left


def test_the_distribution_has_every_file():
    listed = subprocess.run(["git", "-C", SRC, "ls-files"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            check=False)
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout")
    folder = os.path.join(BUILD, "dist-of-test")
    done = subprocess.run(["make", "-s", "-C", BUILD, "distdir", f"distdir={folder}"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    try:
        assert done.returncode == 0, done.stdout[-2000:]
        missing = [name for name in listed.stdout.split("\n")
                   if name and name != ".gitignore" and os.path.exists(os.path.join(SRC, name))
                   and not os.path.exists(os.path.join(folder, name))]
        assert not missing, f"in no automake.mk: {missing}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
