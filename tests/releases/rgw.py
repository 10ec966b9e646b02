"""A second real S3 server, where it is installed: Ceph's object gateway, which knows bucket policies. All in one folder."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack import free_port

COMMANDS = ("ceph", "ceph-authtool", "ceph-mgr", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
READY_S = 90
SETTINGS = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon},v1:127.0.0.1:{old}
public_network = 127.0.0.0/8
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 8
mon_max_pg_per_osd = 1000
osd_pool_default_pg_autoscale_mode = off
log_file = {root}/$name.log
admin_socket = {root}/$name.asok
pid_file = {root}/$name.pid
run_dir = {root}
keyring = {root}/keyring
mon_data_avail_warn = 2
mon_data_avail_crit = 1
[mon.a]
mon_data = {root}/mon.a
public_addr = 127.0.0.1
[mgr.x]
mgr_data = {root}/mgr.x
mgr_initial_modules =
[osd]
osd_data = {root}/osd.0
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = 6442450944
osd_memory_target = 1073741824
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
[client.rgw.a]
rgw_data = {root}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{port}
"""
KEYS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"),
    "mgr.x": ("mon", "allow profile mgr", "osd", "allow *"),
    "client.rgw.a": ("mon", "allow rw", "osd", "allow rwx"),
}


@dataclass(frozen=True)
class Rgw:
    """A running server with four users: the owner of buckets, and one for each tier."""

    endpoint: str
    secrets: dict[str, str]

    def principal(self, user: str) -> str:
        """The user as a bucket policy names it."""
        return f"arn:aws:iam:::user/{user}"


@contextmanager
def running() -> Iterator[Rgw]:
    """Start it on free ports; stop it and remove everything at the end."""
    missing = [command for command in COMMANDS if shutil.which(command) is None]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)} (Debian: radosgw, ceph-mon, ceph-osd, ceph-mgr)")
    root = Path(tempfile.mkdtemp(prefix="wb-rgw-", dir="/var/tmp"))
    port = free_port()
    try:
        _start(root, port)
        users = {name: secrets.token_hex(16) for name in ("owner", "mover", "writer", "reader")}
        for name, secret in users.items():
            keys = ["--access-key", name, "--secret-key", secret]
            _run(root, "radosgw-admin", "user", "create", "--uid", name, "--display-name", name, *keys)
        yield Rgw(f"http://127.0.0.1:{port}", users)
    finally:
        _stop(root)
        shutil.rmtree(root, ignore_errors=True)


def _start(root: Path, port: int) -> None:
    ports, fsid = {"mon": free_port(), "old": free_port(), "port": port}, str(uuid.uuid4())
    (root / "ceph.conf").write_text(SETTINGS.format(root=root, fsid=fsid, **ports))
    for name in ("mon.a", "mgr.x", "osd.0", "rgw"):
        (root / name).mkdir()
    for number, (name, grants) in enumerate(KEYS.items()):
        caps = [word for kind, grant in zip(grants[::2], grants[1::2], strict=True) for word in ("--cap", kind, grant)]
        _run(root, "ceph-authtool", *(["-C"] if number == 0 else []), "keyring", "--gen-key", "-n", name, *caps)
    address = f"[v2:127.0.0.1:{ports['mon']},v1:127.0.0.1:{ports['old']}]"
    _run(root, "monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, "monmap")
    _run(root, "ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
    _run(root, "ceph-mon", "-i", "a")
    disk = str(uuid.uuid4())
    _run(root, "ceph", "osd", "new", disk, "0")
    _run(root, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
    _run(root, "ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=h")
    _run(root, "ceph-osd", "-i", "0")
    _run(root, "ceph-mgr", "-i", "x")
    _run(root, "radosgw", "-n", "client.rgw.a")
    _wait(root, port)


def _run(root: Path, *command: str) -> None:
    own = os.environ | {"CEPH_CONF": str(root / "ceph.conf"), "CEPH_ARGS": f"--conf {root}/ceph.conf"}
    done = subprocess.run(command, cwd=root, env=own, capture_output=True, text=True, timeout=READY_S)
    if done.returncode:
        pytest.skip(f"{command[0]} does not run here: {done.stderr.strip()[-300:]}")


def _wait(root: Path, port: int) -> None:
    import socket

    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.skip("the gateway did not answer in time")


def _stop(root: Path) -> None:
    """In turn, each by its own pid file, waiting for it to end."""
    for name in ("client.rgw.a", "mgr.x", "osd.0", "mon.a"):
        with suppress(OSError, ValueError):
            number = int((root / f"{name}.pid").read_text())
            os.kill(number, signal.SIGTERM if name != "client.rgw.a" else signal.SIGKILL)
            end = time.monotonic() + 15
            while Path(f"/proc/{number}").exists() and time.monotonic() < end:
                time.sleep(0.05)
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
