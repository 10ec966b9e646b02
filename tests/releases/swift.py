"""A real S3 server: OpenStack Swift with s3api, all in one, without root. It verifies signatures, as AWS does.

Installed from its hashed lock into an environment of its own; skipped, with the reason, where that cannot be done.
"""

from __future__ import annotations

import base64
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.contract import clients

LOCK = clients.ROOT / "requirements" / "swift.txt"
READY_S = 60
PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {proxy}
workers = 1
user = {user}
swift_dir = {root}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors proxy-logging cache s3api tempauth copy slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
client_chunk_size = 1048576
object_chunk_size = 1048576
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
auth_pipeline_check = false
min_segment_size = 65536
[filter:tempauth]
use = egg:swift#tempauth
user_hub_key = {secret} .admin
user_other_key = {secret}2 .admin
user_hub_writer = {secret}w
user_hub_reader = {secret}r
fernet_key_own = {fernet}
active_fernet_key_id = own
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""
PLAIN = ("catch_errors", "proxy_logging", "copy", "slo", "dlo", "symlink")
SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 1
user = {user}
swift_dir = {root}
devices = {root}/dev
mount_check = false
fallocate_reserve = 0
log_level = ERROR
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


@dataclass(frozen=True)
class Swift:
    """A running server: its address, one identity that may do everything, and two that may do what they are allowed."""

    endpoint: str
    access_key: str
    secret_key: str
    processes: tuple[int, ...]

    def identity(self, name: str) -> tuple[str, str]:
        """(access key, secret key) of `writer` or `reader`."""
        return f"hub:{name}", f"{self.secret_key}{name[0]}"

    def allow(self, bucket: str, *, read: str = "", write: str = "") -> None:
        """Who may read and who may write in a bucket: Swift's own lists, since a bucket policy is not known to it."""
        parts = urlsplit(self.endpoint)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        connection.request("GET", "/auth/v1.0", headers={"X-Auth-User": self.access_key, "X-Auth-Key": self.secret_key})
        answer = connection.getresponse()
        answer.read()
        token, account = answer.headers["X-Auth-Token"], urlsplit(answer.headers["X-Storage-Url"]).path
        lists = {"X-Container-Read": read, "X-Container-Write": write, "X-Auth-Token": token}
        connection.request("PUT", f"{account}/{quote(bucket)}", headers=lists)
        answer = connection.getresponse()
        assert answer.status in {201, 202, 204}, answer.read()
        connection.close()


@contextmanager
def running() -> Iterator[Swift]:
    """Start it on free ports; stop it and remove everything at the end."""
    commands = clients.environment("swift", LOCK).parent
    root = Path(tempfile.mkdtemp(prefix="wb-swift-", dir="/var/tmp"))  # a file system with extended attributes
    secret = secrets.token_hex(16)
    ports = dict(zip(("proxy", "account", "container", "object"), _ports(4), strict=True))
    processes = []
    try:
        _write(root, commands, secret, ports)
        for kind, port in reversed(ports.items()):
            log = (root / f"{kind}.log").open("wb")
            processes.append(
                subprocess.Popen(
                    [str(commands / f"swift-{kind}-server"), str(root / f"{kind}.conf")],
                    stdout=log,
                    stderr=log,
                    cwd=root,
                )
            )
            log.close()
            _wait(port, processes[-1], root / f"{kind}.log")
        yield Swift(
            f"http://127.0.0.1:{ports['proxy']}", "hub:key", secret, tuple(process.pid for process in processes)
        )
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        shutil.rmtree(root, ignore_errors=True)


def _write(root: Path, commands: Path, secret: str, ports: dict[str, int]) -> None:
    (root / "dev" / "d1").mkdir(parents=True)
    (root / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n[storage-policy:0]\nname = p0\ndefault = yes\n"
    )
    user = _user()
    for kind in ("account", "container", "object"):
        builder = [str(commands / "swift-ring-builder"), f"{kind}.builder"]
        for step in (["create", "6", "1", "1"], ["add", f"r1z1-127.0.0.1:{ports[kind]}/d1", "1"], ["rebalance"]):
            subprocess.run([*builder, *step], cwd=root, check=True, capture_output=True, timeout=60)
        (root / f"{kind}.conf").write_text(SERVER.format(kind=kind, port=ports[kind], root=root, user=user))
    plain = "".join(
        f"[filter:{name.replace('_', '-') if name == 'proxy_logging' else name}]\nuse = egg:swift#{name}\n"
        for name in PLAIN
    )
    cache = f"[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{_ports(1)[0]}\n"
    (root / "proxy.conf").write_text(
        PROXY.format(root=root, user=user, secret=secret, proxy=ports["proxy"], fernet=_fernet_key()) + plain + cache
    )


def _fernet_key() -> str:
    """With it tokens of Swift's own API say all by themselves; otherwise they would lie in a memcached."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.skip(f"Swift does not start here: {log.read_text(errors='replace').strip().splitlines()[-1:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.skip("Swift did not answer in time")


def _ports(number: int) -> list[int]:
    listeners = [socket.socket() for _ in range(number)]
    try:
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
