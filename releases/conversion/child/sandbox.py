"""Barriers that a process raises around itself before it reads what strangers made. They cannot be taken down again.

Landlock (Linux 6.2 or newer): nothing is written outside the scratch folder, and nothing read but it and the Python.
A seccomp filter: no socket, no other process, no program, no signal to others, no look into others' memory. Both
need no rights, so they hold in a container too. Limits: memory, processor seconds, bytes of a file. ADR 12.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

LANDLOCK_LEAST: Final = 3
"""The first version that forbids truncating; Linux 6.2."""


class NoBarrier(Exception):
    """This machine does not let a process close itself in; the message says what is missing."""


def limit(*, memory: int, seconds: int, file_bytes: int) -> None:
    """Bounds of the kernel's: bytes of address space, processor seconds, bytes of any one file; no core dumps."""
    _bound(resource.RLIMIT_AS, memory)
    _bound(resource.RLIMIT_CPU, seconds)
    _bound(resource.RLIMIT_FSIZE, file_bytes)
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_NOFILE, 4096)


def close_in(scratch: Path, readable: Iterable[Path]) -> None:
    """Raise both barriers, and see that they stand. Raises NoBarrier."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        raise NoBarrier("The kernel does not let a process give up new rights.")
    _landlock(scratch, readable)
    _filter_calls()
    _try_the_walls()


def _bound(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (least, least))


def _try_the_walls() -> None:
    """A barrier that was raised and does not hold is none."""
    try:
        socket.socket().close()
    except PermissionError:
        pass
    else:
        raise NoBarrier("A socket could be opened although they are forbidden.")
    try:
        os.close(os.open(Path(__file__), os.O_WRONLY))
    except PermissionError:
        return
    except OSError as fault:
        if fault.errno == errno.EROFS:
            return
        raise
    raise NoBarrier("A file outside could be opened for writing although that is forbidden.")


# --- Landlock: which files (Documentation/userspace-api/landlock.rst of Linux) --------------------------------------
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_ALL_FILES: Final = (1 << 15) - 1
_OF_A_FILE: Final = _EXECUTE | _WRITE | _READ | _TRUNCATE
_REMOVE_AND_MAKE: Final = 1 << 5 | 1 << 8
"""Plain files: no folder, link, device or socket."""
_TCP: Final = 1 << 0 | 1 << 1


def _landlock(scratch: Path, readable: Iterable[Path]) -> None:
    version = _call(_CREATE_RULESET, None, 0, 1)
    if version < LANDLOCK_LEAST:
        raise NoBarrier("The kernel has no Landlock of version 3 (Linux 6.2, with `landlock` among its modules).")
    net = _TCP if version >= 4 else 0
    rules = struct.pack("=QQ", _ALL_FILES, net)[: 16 if net else 8]
    ruleset = _must(_call(_CREATE_RULESET, rules, len(rules), 0), "make a ruleset")
    _allow(ruleset, scratch, _READ | _LIST | _WRITE | _TRUNCATE | _REMOVE_AND_MAKE)
    for path in filter(Path.exists, readable):
        _allow(ruleset, path, _READ | _LIST | _EXECUTE)
    _allow(ruleset, Path(os.devnull), _READ | _WRITE)
    _must(_call(_RESTRICT_SELF, ruleset, 0), "enter it")
    os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access if path.is_dir() else access & _OF_A_FILE, handle)
        _must(_call(_ADD_RULE, ruleset, 1, rule, 0), f"allow {path}")
    finally:
        os.close(handle)


# --- seccomp: which calls (man 2 seccomp; numbers from asm/unistd.h) ------------------------------------------------
_CALLS: Final = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "connect": 42, "bind": 49, "listen": 50, "accept": 43, "accept4": 288, "fork": 57,
        "vfork": 58, "execve": 59, "execveat": 322, "kill": 62, "tkill": 200, "rt_sigqueueinfo": 129,
        "rt_tgsigqueueinfo": 297, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "setpgid": 109,
        "setsid": 112, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
        "open_by_handle_at": 304, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "add_key": 248,
        "request_key": 249, "keyctl": 250, "clone": 56, "tgkill": 234,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "connect": 203, "bind": 200, "listen": 201, "accept": 202, "accept4": 242,
        "execve": 221, "execveat": 281, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "setpgid": 154, "setsid": 157, "mount": 40,
        "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268, "open_by_handle_at": 265, "bpf": 280,
        "perf_event_open": 241, "userfaultfd": 282, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220,
        "tgkill": 131,
    },
}  # fmt: skip
_EVERYWHERE: Final = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "pidfd_send_signal": 424, "pidfd_open": 434,
    "pidfd_getfd": 438,
}  # fmt: skip
_CLONE3: Final = 435
_ARCHITECTURE: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32: Final = 0x40000000
_CLONE_THREAD: Final = 0x10000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_PASS, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
Line = tuple[int, int, int, int]


def _filter_calls() -> None:
    machine = platform.machine()
    if machine not in _CALLS:
        raise NoBarrier(f"No filter of system calls is written for {machine}.")
    program = b"".join(struct.pack("=HBBI", *line) for line in _program(machine, os.getpid()))
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    if _prctl(_PR_SET_SECCOMP, 2, head):
        raise NoBarrier("The kernel takes no filter of system calls (seccomp).")


def _program(machine: str, own: int) -> Sequence[Line]:
    """The filter, in the kernel's own small language: each line is (what, jump if true, jump if false, value)."""
    calls = dict(_CALLS[machine])
    clone, tgkill = calls.pop("clone"), calls.pop("tgkill")
    lines: list[Line] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in (*calls.values(), *_EVERYWHERE.values()):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    # glibc makes a thread by clone3 where it can, whose flags no filter can read, and by clone where it cannot.
    lines += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    lines += _only_if(clone, _ANY_BIT, _CLONE_THREAD)
    lines += _only_if(tgkill, _EQUAL, own)  # abort() and raise() come by this
    return [*lines, (_RETURN, 0, 0, _PASS)]


def _only_if(number: int, test: int, value: int) -> list[Line]:
    """Let a call pass only where its first argument is so."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (test, 0, 1, value),
        (_RETURN, 0, 0, _PASS),
        (_RETURN, 0, 0, _FAIL | errno.EPERM),
    ]


# --- The kernel -----------------------------------------------------------------------------------------------------
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, more: bytes | None = None) -> int:
    return int(_libc.prctl(option, ctypes.c_ulong(value), more, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _call(number: int, *arguments: object) -> int:
    return int(_libc.syscall(number, *arguments))


def _must(outcome: int, what: str) -> int:
    if outcome < 0:
        raise NoBarrier(f"Landlock could not {what}: {os.strerror(ctypes.get_errno())}.")
    return outcome


def of_python() -> list[Path]:
    """What a Python with torch must read: itself, its libraries, and what the kernel says of the machine."""
    ours = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).resolve().parents[2]]
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/zero", "/dev/urandom"]
    machine = ["/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system"]
    return [*ours, *map(Path, system + machine)]
