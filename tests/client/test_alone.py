"""The client is installed alone, by its own declaration, into an environment that knows nothing of the portal."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.released import Released
from tests.contract.clients import CACHE, ROOT

SOURCE = ROOT / "client"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of such an environment, made once for each state of the sources; skips where nothing can be fetched."""
    files = [SOURCE / "pyproject.toml", SOURCE / "README.md", *sorted((SOURCE / "weighbridge_client").glob("*.py"))]
    tag = hashlib.sha256(b"".join(file.read_bytes() for file in files) + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"client-{tag}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "client.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            for older in CACHE.glob("client-*"):
                shutil.rmtree(older)
            copy = tmp_path_factory.mktemp("source") / "client"
            shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
            _install(folder, copy)
    return folder / "bin"


def _install(folder: Path, source: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", str(source)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"the client cannot be installed here: {done.stderr.strip().splitlines()[-1][:200]}")
    (folder / "ready").touch()


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )


def test_it_brings_what_it_declares_and_nothing_else(installed: Path) -> None:
    listed = run(installed / "python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check").stdout
    names = {line.partition("==")[0].lower() for line in listed.split()} - {"pip", "setuptools"}
    assert names == {"weighbridge-client", "urllib3", "cryptography", "cffi", "pycparser", "typing-extensions"} & names
    assert {"weighbridge-client", "urllib3", "cryptography"} <= names


def test_the_command_works_there(installed: Path, copy: Released) -> None:
    assert run(installed / "weighbridge", "--version").stdout.startswith("weighbridge ")
    good = run(installed / "weighbridge", "verify", copy.folder, "--key", copy.key)
    assert good.returncode == 0, good.stderr
    (copy.folder / "README.md").unlink()
    bad = run(installed / "weighbridge", "verify", copy.folder, "--key", copy.key)
    assert (bad.returncode, bad.stderr) == (1, "README.md is missing.\n")
