"""The unmodified Hugging Face clients, each in its own process with a clean home."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "weighbridge-tests"


@dataclass(frozen=True)
class Client:
    """One installed huggingface_hub: its Python, and the `hf` beside it."""

    python: Path
    home: Path
    endpoint: str
    token: str = ""

    def holding(self, token: str) -> Client:
        """The same client with a token."""
        return replace(self, token=token)

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of ours but the endpoint and the token."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        token = {"HF_TOKEN": self.token} if self.token else {}
        return {
            **kept,
            "HOME": str(self.home),
            "HF_HOME": str(self.home / "hf"),
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **token,
            **more,
        }

    def hf(self, *arguments: str, timeout_s: float = 90, **more: str) -> subprocess.CompletedProcess[str]:
        """The `hf` command."""
        return self._run([str(self.python.parent / "hf"), *arguments], timeout_s, more)

    def script(
        self, text: str, *arguments: str, timeout_s: float = 90, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """A Python program in the client's environment."""
        return self._run([str(self.python), "-c", text, *arguments], timeout_s, more)

    def _run(self, command: list[str], timeout_s: float, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            command, env=self.environment(**more), capture_output=True, text=True, timeout=timeout_s, cwd=self.home
        )


def installed() -> Path:
    """The Python that runs the tests; huggingface_hub 1.31 is locked there."""
    return Path(sys.executable)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder by path, without the client's own `.cache`."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".cache" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def oldest() -> Path:
    """The Python of an environment with the last client before 1.0; skips when it cannot be installed."""
    return environment("hub0", ROOT / "requirements" / "hub0.txt")


def without_xet() -> Path:
    """The Python of an environment with 1.31 and without hf_xet; skips when it cannot be installed."""
    return environment("hubsuite", ROOT / "requirements" / "hubsuite.txt", complete=True)


def newest() -> Path:
    """The Python of an environment with the newest 2.x, made once from its lock; skips when it cannot be installed."""
    return environment("hub2", ROOT / "requirements" / "hub2.txt")


def environment(name: str, lock: Path, *, complete: bool = False) -> Path:
    """An environment of its own for a locked set of packages, kept between runs; skips with the reason on failure.

    `complete`: the lock leaves something out on purpose, and nothing else is to be fetched for it.
    """
    tag = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{tag}"
    python = folder / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _install(folder, python, lock, ["--no-deps"] if complete else [])
    return python


def _install(folder: Path, python: Path, lock: Path, options: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=120)
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--require-hashes",
        *options,
        "-r",
        str(lock),
    ]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=400)
    if done.returncode:
        pytest.skip(f"{lock.name} cannot be installed here: {done.stderr.strip().splitlines()[-1][:200]}")
    (folder / "ready").touch()
