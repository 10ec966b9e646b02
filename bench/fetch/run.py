"""`python -m bench fetch`: `weighbridge get` and `hf download` fetch the same model from one portal, in turn.

The portal is the web process of the embedded size over the local store, on this machine; each client is a process of its
own that starts with nothing, as a person's command does. `get` takes SHA-256 of all that it writes, `hf` of
nothing. Processor time is the client's, with its children.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

from bench.access.stand import stand

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 4
PORT = 8977
MODEL = "fetch/large"


@dataclass(frozen=True)
class Taken:
    """One run of one client: seconds on the wall, and of the processors."""

    wall_s: float
    cpu_s: float


def main(*, rounds: int, gib: float) -> None:
    """Publish a model of so many GiB, fetch it `rounds` times by each client, and print the table."""
    with stand() as home:
        publish(home, int(gib * (1 << 30)))
        with serving():
            rows: dict[str, list[Taken]] = {}
            for number in range(rounds):
                names = ["weighbridge get", "hf download"]
                for name in names if number % 2 == 0 else reversed(names):
                    rows.setdefault(name, []).append(fetched(home, name))
    report(rows, gib, rounds)


def publish(home: Path, size: int) -> None:
    """An open model of SHARDS shards, published through the real actions."""
    os.environ["STORE_PATH"] = str(home / "blobs")
    people, roles = import_module("portal.people.actions"), import_module("portal.people.models").Role
    actions, ingest = import_module("releases.actions"), import_module("releases.ingest").ingest
    lab = people.create_lab(slug="fetch", name="Fetch", by=None)
    manager = people.register(email="manager@fetch.example", name="Manager", password="a-long-enough-passphrase")
    people.give_role(user=manager, lab=lab, role=roles.MANAGER, by=None)
    folder = home / "large"
    write(folder, size)
    ingest(folder, model=actions.open_model(lab=lab, name="large", by=manager), by=manager, publish=True)
    shutil.rmtree(folder)


def write(folder: Path, size: int) -> None:
    """Shards of random numbers, each a tensor of 64 MiB at most, a card and a config."""
    folders = import_module("tests.releases.folders")
    folders.model_folder(folder, name="large")
    (folder / "model.safetensors").unlink()
    for shard in range(SHARDS):
        share = size // SHARDS
        lengths = [min(1 << 26, share - at) // 4 * 4 for at in range(0, share, 1 << 26)]
        tensors = {f"s{shard}.t{n}": ("F32", [length // 4], os.urandom(length)) for n, length in enumerate(lengths)}
        (folder / f"model-{shard + 1}-of-{SHARDS}.safetensors").write_bytes(folders.safetensors(tensors))


@contextmanager
def serving() -> Iterator[None]:
    """The one public port, as the embedded size runs it."""
    line = [sys.executable, "-m", "inference.gateway.server", "portal.asgi:application", "--port", str(PORT)]
    environment = os.environ | {"BASE_URL": address(), "ALLOWED_HOSTS": "*"}
    process = subprocess.Popen([*line, "--log-level", "warning"], cwd=ROOT, env=environment)
    try:
        until_ready(process)
        yield
    finally:
        process.terminate()
        process.wait(20)


def until_ready(process: subprocess.Popen[bytes], within_s: float = 60) -> None:
    """Wait until the portal answers; RuntimeError when it ends or does not."""
    end = time.monotonic() + within_s
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address()}/{MODEL}/revisions/main/release.json", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The portal did not answer.")


def address() -> str:
    """Where it listens."""
    return f"http://127.0.0.1:{PORT}"


def fetched(home: Path, name: str) -> Taken:
    """One run in an empty home; RuntimeError with what the client said when it fails."""
    own = home / "client"
    own.mkdir()
    commands = {
        "weighbridge get": [sys.executable, "-m", "weighbridge_client", "get", MODEL, "--unsigned", "--quiet"],
        "hf download": [str(Path(sys.executable).parent / "hf"), "download", MODEL, "--local-dir", "got", "--quiet"],
    }
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "client"), "HOME": str(own), "HF_ENDPOINT": address(),
        "HF_HOME": str(own / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    try:
        return timed(commands[name], environment, own)
    finally:
        shutil.rmtree(own)


def timed(command: list[str], environment: dict[str, str], cwd: Path) -> Taken:
    """Run it, and take its time."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{said.decode(errors='replace')}")
    return Taken(time.perf_counter() - begun, used.ru_utime + used.ru_stime)


def report(rows: dict[str, list[Taken]], gib: float, rounds: int) -> None:
    """The table, and how the two compare."""
    print(f"\n{gib:g} GiB in {SHARDS} shards from the local store; medians of {rounds} interleaved rounds.\n")
    print("| client | seconds | MiB/s | CPU seconds | digests |")
    print("|---|---:|---:|---:|---|")
    for name, taken in rows.items():
        wall, cpu = median(each.wall_s for each in taken), median(each.cpu_s for each in taken)
        digests = "every file" if name.startswith("weighbridge") else "none"
        print(f"| `{name}` | {wall:.2f} | {gib * 1024 / wall:.0f} | {cpu:.2f} | {digests} |")
    ours, theirs = (median(each.wall_s for each in rows[name]) for name in ("weighbridge get", "hf download"))
    print(f"\n`weighbridge get` takes {ours / theirs:.2f} × the time of `hf download`.")
