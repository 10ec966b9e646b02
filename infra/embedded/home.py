"""The home directory of an embedded stack: where everything lies, who holds it, and its secrets."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.embedded.problems import Problem

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout."""

_SOCKET_LIMIT: Final = 100
"""Longest socket path in bytes: the kernel takes 107, macOS 103."""
_LONGEST_SOCKET: Final = "postgres/.s.PGSQL.5432"

SECRETS: Final = ("SECRET_KEY", "BLOB_SIGNING_KEY", "INTERNAL_SECRET", "RECEIPT_SIGNING_KEY")
"""Made once for each installation, 256 bits each; handed to processes as `<NAME>_FILE`."""


@dataclass(frozen=True, slots=True)
class Home:
    """One installation's directory. Its mode, `demo` or `serve`, is settled by the first start."""

    path: Path

    @classmethod
    def from_environment(cls) -> Home:
        """WEIGHBRIDGE_HOME, else `.weighbridge` in the checkout."""
        return cls(Path(os.environ.get("WEIGHBRIDGE_HOME") or ROOT / ".weighbridge").expanduser().absolute())

    @property
    def database(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "postgres" / "data"

    @property
    def limits(self) -> Path:
        """The first Valkey's directory: its append-only file must survive restarts."""
        return self.path / "limits"

    @property
    def broker(self) -> Path:
        """The second Valkey's directory: disposable."""
        return self.path / "broker"

    @property
    def blobs(self) -> Path:
        """The content-addressed blobs."""
        return self.path / "blobs"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.path / "logs"

    @property
    def demo_file(self) -> Path:
        """Addresses, people and tokens of the demo, mode 600."""
        return self.path / "demo.json"

    @property
    def run(self) -> Path:
        """Directory of the Unix sockets: inside the home, or a short one in /tmp where the home's path is too long."""
        inside = self.path / "run"
        if len(os.fsencode(inside / _LONGEST_SOCKET)) <= _SOCKET_LIMIT:
            return inside
        return Path("/tmp") / f"wb-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]}"

    def prepare_sockets(self) -> None:
        """Make the directory of the sockets."""
        _private_directory(self.run, 0o711 if os.geteuid() == 0 else 0o700)

    def secret_file(self, name: str) -> Path:
        """File of one secret."""
        return self.path / "secrets" / name.lower()

    def mode(self) -> str:
        """`demo`, `serve`, or empty for a fresh home."""
        try:
            return (self.path / "mode").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def prepare(self, mode: str) -> None:
        """Make the directories and the secrets, and settle the mode (prechecks.right_mode came first)."""
        for directory in (self.path, self.path / "secrets", self.limits, self.broker, self.blobs, self.logs):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # PostgreSQL may run as another account, which needs the way through, not the contents.
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.prepare_sockets()
        for name in SECRETS:
            _write_once(self.secret_file(name), secrets.token_urlsafe(32))
        (self.path / "mode").write_text(mode, encoding="utf-8")


def _private_directory(path: Path, mode: int) -> None:
    """Make `path` ours alone. In /tmp another user may have been there first: then refuse."""
    path.mkdir(mode=mode, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Problem(f"{path} is not a directory of ours.", "Remove it, or set WEIGHBRIDGE_HOME to a shorter path.")
    path.chmod(mode)


def _write_once(path: Path, content: str) -> None:
    """Whole or not at all: a secret that is empty, because its maker died or the disk was full, would stay so for good."""
    if path.exists() and path.stat().st_size:
        return
    handle, part = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    finally:
        Path(part).unlink(missing_ok=True)


class Lock:
    """Held by the one supervisor of a home, and gone when that process is gone."""

    def __init__(self, home: Home) -> None:
        self.path = home.path / "lock"
        self._file: int | None = None

    def take(self, **facts: object) -> None:
        """Take the lock and write the facts into it; raises Problem when another process holds it."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked(handle, patience_s=0.5):
            os.close(handle)
            holder = self.holder() or {}
            raise Problem(
                f"This home is already running (process {holder.get('pid', 'unknown')}, {holder.get('url', 'starting')}).",
                "Use it, or stop it first: `.venv/bin/python -m infra.embedded stop`.",
            )
        self._file = handle
        self.write(**facts)

    def write(self, **facts: object) -> None:
        """Replace the facts that `status` and `stop` read."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)

    def holder(self) -> dict[str, object] | None:
        """The facts of the process that holds the lock now, or None when nobody does."""
        try:
            handle = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _facts(os.pread(handle, 65536, 0))
        finally:
            os.close(handle)
        return None


def _locked(handle: int, *, patience_s: float) -> bool:
    """Take the lock; the patience outlasts somebody who only looks (Lock.holder)."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        else:
            return True


def _facts(content: bytes) -> dict[str, object]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
