"""Our object ids against git itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from releases import git

FILES = {
    "a.txt": b"a\n",
    "a/b.txt": b"b\n",
    "a/c/d": b"",
    "a.b": b"x",
    "a0": b"y",
    "ünï/ç": "é\n".encode(),
    "z": b"\0\1",
}
AT = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("parents", [0, 1])
def test_ids_are_gits_own(tmp_path: Path, parents: int) -> None:
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Noor Häddad"), ("EMAIL", "n@l.example"), ("DATE", f"{int(AT.timestamp())} +0000"))
    }
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", **who}

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    run("init", "-q", ".")
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    run("add", ".")
    run("commit", "-q", "-m", "First\n\nbody")
    parent = ""
    if parents:
        parent = run("rev-parse", "HEAD")
        run("commit", "-q", "--allow-empty", "-m", "First\n\nbody")
    trees = git.trees(git.Entry(path, git.blob_id(content)) for path, content in FILES.items())
    assert trees[""] == run("rev-parse", "HEAD^{tree}")
    assert trees["a/c"] == run("rev-parse", "HEAD:a/c")
    ours = git.commit_object(
        tree=trees[""], parent=parent, author="Noor Häddad", email="n@l.example", at=AT, message="First\n\nbody"
    )
    assert git.object_id("commit", ours) == run("rev-parse", "HEAD")


def test_a_pointer_is_the_specifications_text() -> None:
    assert (
        git.pointer("0" * 64, 12).decode()
        == f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n"
    )


@pytest.mark.parametrize(
    ("path", "size", "lfs"),
    [
        ("model.safetensors", 10, True),
        ("lfs.bin", 1, True),
        ("empty.safetensors", 0, False),
        ("a.json", 1 << 20, False),
        ("a.json", (1 << 20) + 1, True),
    ],
)
def test_which_files_are_large_file_objects(path: str, size: int, lfs: bool) -> None:
    assert git.is_lfs(path, size) is lfs
