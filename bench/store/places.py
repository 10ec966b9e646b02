"""What serves the bytes in a measurement: two portals over one database, a real S3 server, and nginx over the same files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NGINX = """
{user}daemon off; worker_processes auto; error_log stderr crit; pid {folder}/pid;
events {{ }}
http {{
    sendfile on; access_log off; default_type application/octet-stream;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Place:
    """An address, and the processes whose work is counted for it."""

    url: str
    processes: tuple[int, ...]

    def cpu_s(self) -> float:
        """Processor seconds of the processes and all below them so far."""
        children, used = defaultdict[int, list[int]](list), dict[int, float]()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            number = int(stat.parent.name)
            children[int(fields[1])].append(number)
            used[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        waiting, total = list(self.processes), 0.0
        while waiting:
            number = waiting.pop()
            total += used.get(number, 0.0)
            waiting += children[number]
        return total


@contextmanager
def portal(**settings: str) -> Iterator[Place]:
    """The one public port as the embedded size runs it, with these settings beside those of the stand."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    line = [sys.executable, "-m", "inference.gateway.server", "portal.asgi:application", "--port", str(port)]
    environment = os.environ | {"BASE_URL": url, "ALLOWED_HOSTS": "*"} | settings
    process = subprocess.Popen([*line, "--log-level", "warning"], cwd=ROOT, env=environment)
    with ended(process):
        until_ready(f"{url}/api/models", process)
        yield Place(url, (process.pid,))


@contextmanager
def nginx(root: Path, folder: Path) -> Iterator[Place | None]:
    """nginx over the files below `root`, by sendfile; None where there is none (on PATH, or named by NGINX)."""
    command = os.environ.get("NGINX") or shutil.which("nginx")
    if command is None:
        yield None
        return
    port = free_port()
    folder.mkdir()
    settings = folder / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""
    settings.write_text(NGINX.format(user=user, folder=folder, port=port, root=root))
    environment = {name: value for name, value in os.environ.items() if name != "NGINX"}  # it means sockets to nginx
    process = subprocess.Popen([command, "-p", str(folder), "-e", "stderr", "-c", str(settings)], env=environment)
    with ended(process):
        url = f"http://127.0.0.1:{port}"
        until_ready(url, process)
        yield Place(url, (process.pid,))


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop it at the end."""
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def until_ready(url: str, process: subprocess.Popen[bytes], within_s: float = 60) -> None:
    """Wait until the address answers, whatever it says; RuntimeError when it ends or does not."""
    end = time.monotonic() + within_s
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{process.args} did not answer.")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def spans(size: int, number: int) -> Sequence[str]:
    """`size` bytes as so many Range headers; of one, none."""
    if number == 1:
        return [""]
    edges = [size * n // number for n in range(number + 1)]
    return [f"{start}-{end - 1}" for start, end in pairwise(edges)]
