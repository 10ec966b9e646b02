"""A server's process group: started in its own session, measured, ended whole, found again after a crash of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = b"vllm.entrypoints"
"""What the command line of a server of ours contains: a recycled process id is never killed by mistake."""


def start(command: list[str], *, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start in a new session; output goes to `log`, whose former content is kept as `<log>.1`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(log.suffix + ".1"))
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], *, grace_s: float = 8.0) -> None:
    """SIGTERM, then SIGKILL to the whole group: with open requests, or while starting, vLLM ignores SIGTERM."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    kill(process.pid)
    process.wait()


def kill(group: int) -> None:
    """SIGKILL to the group, if there still is one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def sweep(file: Path) -> bool:
    """End the group that a killed supervisor left behind, as `file` names it; True when there was one."""
    try:
        group = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    left = any(MARK in _command_line(pid) for pid in _members(group))
    if left:
        kill(group)
    file.unlink(missing_ok=True)
    return left


def memory_mb(group: int) -> int:
    """Proportional memory of the whole group in MiB; 0 where /proc does not tell."""
    return sum(_proportional_kb(pid) for pid in _members(group)) // 1024


def _members(group: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield int(entry.name)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _proportional_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
