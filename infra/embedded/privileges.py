"""Run a server as another user when we are root, and end it when we end.

PostgreSQL refuses to run as root. Where root starts the stack, it runs as `postgres` if that account exists, else as
`nobody`. Its files may lie beneath a directory that only root can enter (a clone in /root, a temporary directory); in
that case the server keeps one capability, to search and read, in place of opening the directory to everybody.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.embedded.problems import Problem

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_READ: Final = 23
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_SYS_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3: Final = 0x20080522
_SEARCH_CAPABILITIES: Final = (2, 1)
"""CAP_DAC_READ_SEARCH, and where the container withholds it CAP_DAC_OVERRIDE: the narrower one first."""

_libc = ctypes.CDLL(None, use_errno=True)


def account(data: Path) -> pwd.struct_passwd | None:
    """The account that the database runs as: None means our own.

    An existing data directory keeps its owner, so that installing another PostgreSQL later changes nothing.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Problem(
        "PostgreSQL refuses to run as root, and this machine has neither a postgres nor a nobody account.",
        "Run the same command as an ordinary user.",
    )


def reachable(path: Path) -> bool:
    """Whether every directory above `path` may be searched by any account."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def end_with_parent(number: signal.Signals) -> None:
    """Ask Linux to send us `number` when the process that started us dies, however it dies."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def become(user: pwd.struct_passwd | None, *, end: signal.Signals, search: bool) -> Callable[[], None]:
    """What the child does between fork and exec: give up root, keep the search capability, tie its life to ours."""

    def prepare() -> None:
        if user is not None:
            _drop(user, search=search)
        end_with_parent(end)  # after the change of user, which clears it

    return prepare


def _drop(user: pwd.struct_passwd, *, search: bool) -> None:
    kept = _search_capability() if search else None
    if kept is not None:
        _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([user.pw_gid])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if kept is not None:
        _keep(kept)


def _search_capability() -> int | None:
    if sys.platform != "linux" or os.uname().machine not in _SYS_CAPSET:
        return None
    return next((c for c in _SEARCH_CAPABILITIES if _libc.prctl(_PR_CAPBSET_READ, c, 0, 0, 0) == 1), None)


def _keep(capability: int) -> None:
    """Leave exactly one capability in every set, so that it survives exec (capabilities(7), ambient set)."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    data = struct.pack("IIIIII", mask, mask, mask, 0, 0, 0)
    _libc.syscall(_SYS_CAPSET[os.uname().machine], header, data)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)
