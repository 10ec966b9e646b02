"""The barriers around the program that converts: tried from inside, by a process that raised them around itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from releases.conversion import runner

ROOT = Path(__file__).parents[2]
HEAD = """
import ctypes, json, os, resource, signal, socket, subprocess, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from releases.conversion.child import sandbox
scratch, outside, parent = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
sandbox.limit(memory=1 << 30, seconds=20, file_bytes=1 << 20)
sandbox.close_in(scratch, sandbox.of_python())
"""
TRIES = """
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *rest):
    if libc.syscall(number, *rest) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def write(path):
    with open(path, "w") as file:
        file.write("x")
TRIED = {
    "internet": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix socket": lambda: socket.socket(socket.AF_UNIX),
    "pair of sockets": socket.socketpair,
    "io_uring": lambda: call(425, 1, ctypes.create_string_buffer(120)),
    "fork": os.fork,
    "vfork": lambda: call(58),
    "program": lambda: subprocess.run([sys.executable, "-c", ""]),
    "exec": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "signal": lambda: os.kill(parent, 0),
    "own group": os.setsid,
    "another's memory": lambda: open(f"/proc/{parent}/mem", "rb").read(1),
    "another's environment": lambda: open(f"/proc/{parent}/environ", "rb").read(1),
    "trace": lambda: call(101, 16, parent, 0, 0),
    "write outside": lambda: write(outside + "/new"),
    "change outside": lambda: write(outside + "/there"),
    "shorten outside": lambda: os.truncate(outside + "/there", 0),
    "delete outside": lambda: os.unlink(outside + "/there"),
    "move outside": lambda: os.rename(scratch / "own", outside + "/own"),
    "link": lambda: os.symlink(outside, scratch / "link"),
    "read outside": lambda: open(outside + "/there").read(),
    "list outside": lambda: os.listdir(outside),
    "passwords": lambda: open("/etc/passwd").read(),
    "new rights": lambda: call(272, 0x10000000),
    "mount": lambda: call(165, b"none", bytes(scratch), b"tmpfs", 0, None),
}
write(scratch / "own")
told = {}
for name, attempt in TRIED.items():
    try:
        attempt()
        told[name] = "done"
    except OSError as refused:
        told[name] = type(refused).__name__
ran = []
thread = threading.Thread(target=lambda: ran.append(1))
thread.start(); thread.join()
told["thread"] = "done" if ran else "none"
try:
    (scratch / "large").write_bytes(b"x" * (2 << 20))
except OSError:
    told["large file"] = "refused"
try:
    bytearray(2 << 30)
except MemoryError:
    told["memory"] = "refused"
print(json.dumps(told))
"""


def inside(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    scratch, outside = tmp_path / "scratch", tmp_path / "outside"
    scratch.mkdir()
    outside.mkdir()
    (outside / "there").write_text("as it was")
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", HEAD + script, str(ROOT), str(scratch), str(outside), str(os.getpid())],
        env={"TMPDIR": str(scratch)}, cwd=scratch, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_from_inside_nothing_leads_out(tmp_path: Path) -> None:
    done = inside(TRIES, tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    allowed = {"thread": "done", "large file": "refused", "memory": "refused"}
    assert {name: word for name, word in told.items() if word != "PermissionError"} == allowed
    assert len(told) == 27
    assert (tmp_path / "outside" / "there").read_text() == "as it was"
    assert os.listdir(tmp_path / "outside") == ["there"]


def test_without_the_barriers_the_same_attempts_succeed(tmp_path: Path) -> None:
    """The twin: what is refused above is refused by the barriers, not by the machine."""
    script = TRIES.replace(
        "TRIED.items()", "[(n, TRIED[n]) for n in ('internet', 'unix socket', 'program', 'write outside')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", HEAD.rpartition("sandbox.limit")[0] + "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
         + script.partition("try:\n    bytearray")[0] + "print(json.dumps(told))", str(ROOT), str(tmp_path), str(tmp_path), "1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout).values()) == {"done", "refused"}


@pytest.mark.parametrize("ends", ["while True: pass", "os.abort()"])
def test_it_ends_itself_as_the_kernel_says(tmp_path: Path, ends: str) -> None:
    script = f"resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n{ends}"
    assert inside(script, tmp_path).returncode < 0


WITHOUT_LANDLOCK = """#!{python}
import ctypes, os, struct, sys
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
program = b"".join(struct.pack("=HBBI", *line) for line in lines)
held = ctypes.create_string_buffer(program, len(program))
libc = ctypes.CDLL(None)
libc.prctl(38, ctypes.c_ulong(1), None, ctypes.c_ulong(0), ctypes.c_ulong(0))
libc.prctl(22, ctypes.c_ulong(2), struct.pack("@HP", len(lines), ctypes.addressof(held)), ctypes.c_ulong(0), ctypes.c_ulong(0))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("said", "outcome"), [(False, "This machine cannot close the program in"), (True, "by force or in disorder")]
)
def test_on_a_kernel_without_landlock_it_refuses_unless_the_operator_said(
    tmp_path: Path, said: bool, outcome: str
) -> None:
    """A real kernel's answer: the call is not there. Past the refusal this Python has no torch, and ends in disorder."""
    python = tmp_path / "python"
    python.write_text(WITHOUT_LANDLOCK.format(python=sys.executable))
    python.chmod(0o755)
    scratch = tmp_path / "scratch"
    for name in ("in", "out"):
        (scratch / name).mkdir(parents=True)
    job = {"operation": "convert", "options": {"shards": 1}, "files": [], "closed_in_already": said}
    ear = runner.Ear(lambda _line: None, lambda _done, _all: None, lambda: True)
    with pytest.raises(runner.Failed, match=outcome):
        runner.run(python, scratch, job, runner.Bounds(60, 1 << 30, 1 << 20), ear)
