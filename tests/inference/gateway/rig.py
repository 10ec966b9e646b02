"""A gateway in processes of its own, a fake engine, a fake control plane, and a real Valkey."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any, ClassVar

import redis

from inference import contract
from inference.contract import Access, Backend, Introspection, Limits, Principal, Report, Route, UsageEvent
from inference.gateway.auth import secret
from inference.gateway.counters import Counter, counter_of
from inference.gateway.pool import REFRESH_SECONDS

ROOT = Path(__file__).parents[3]
MODEL = "lyceum/small"
FAR = 4_000_000_000_000
SECRET = "internal-secret-of-these-tests"


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def wait_for(what: Callable[[], Any], seconds: float = 15.0, message: str = "") -> Any:
    """Poll until it is true; returns its value."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, message or f"{what} stayed {value!r}"
        time.sleep(0.02)
    return value


class Engine:
    """tests/fakes/engine.py in its own process."""

    def __init__(self, *, port: int = 0) -> None:
        command = [sys.executable, str(ROOT / "tests/fakes/engine.py"), "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def truth(self) -> dict[str, Any]:
        return get_json(f"{self.url}/truth")

    def reset(self) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/reset", data=b"", method="POST"), timeout=10).close()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Portal:
    """Answers introspection on a Unix socket, from a table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Introspection] = {}
        self.asked: list[str] = []
        self.delay = 0.0
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path != "/internal/introspect" or self.headers["authorization"] != f"Bearer {SECRET}":
                    self.send_error(403)
                    return
                portal.asked.append(body["digest"])
                time.sleep(portal.delay)
                unknown = Introspection(active=False, code="invalid_token", message="There is no such token.")
                answer = portal.answers.get(body["digest"], unknown).to_json().encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def address_string(self) -> str:
                return "gateway"

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingUnixStreamServer):
            def handle_error(self, *_: Any) -> None:
                """A gateway that gave up waiting is no fault of this one."""

            daemon_threads = True
            request_queue_size = 64

        path.unlink(missing_ok=True)
        self.server = Server(str(path), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Gateway:
    """The gateway's server on a socket that this process has bound: no race for a port."""

    started: ClassVar[list[Gateway]] = []

    def __init__(self, folder: Path, redis_url: str, *, socket_of: Gateway | None = None, **environment: str) -> None:
        self.listener = socket_of.listener if socket_of else socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.redis_url = redis_url
        self.port = self.listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        own = {
            "REDIS_URL": redis_url,
            "INTERNAL_SOCKET": str(folder / "internal.sock"),
            "INTERNAL_SECRET": SECRET,
            "PUBLIC_URL": "http://portal.test",
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
            **environment,
        }
        log = (folder / f"gateway-{self.port}-{secrets.token_hex(2)}.log").open("wb")
        self.log = Path(log.name)
        fd = self.listener.fileno()
        command = [sys.executable, "-m", "inference.gateway.server", "inference.gateway.app:app", "--fd", str(fd)]
        self.process = subprocess.Popen(command, env=own, pass_fds=[fd], stdout=log, stderr=log)
        self.started.append(self)
        log.close()

    def ready(self) -> Gateway:
        def up() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return get_json(f"{self.base}/health") == {"status": "ok"}
            except OSError:
                return False

        wait_for(up)
        return self

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Store:
    """The control plane's hand in Redis, straight through the contract."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def clear(self) -> None:
        """Everything but the routes, which the gateway need not read again for every test."""
        keys = [key for key in self.redis.scan_iter("*") if key != contract.ROUTES]
        if keys:
            self.redis.delete(*keys)

    def publish(self, *routes: Route) -> None:
        """Make these the routes; waits until every gateway has read them, if they differ."""
        wanted = {route.model: route.to_json() for route in routes}
        if self.redis.hgetall(contract.ROUTES) == wanted:
            return
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(contract.ROUTES)
            pipe.hset(contract.ROUTES, mapping=wanted)
            pipe.execute()
        self._read_by_all()

    def _read_by_all(self) -> None:
        """Wait until every gateway of this store has read the routes, and answered something since.

        The store tells of reads, not of readers. But between two of its own each lets REFRESH_SECONDS pass: as many reads
        as there are gateways, in less than that, are one of each.
        """
        gateways = [one for one in Gateway.started if one.redis_url == self.url and one.process.poll() is None]
        if not gateways:
            return
        here = self.redis.connection_pool.connection_kwargs.get("db", 0)
        reads: deque[float] = deque(maxlen=len(gateways))
        with self.redis.monitor() as monitor:
            while len(reads) < len(gateways) or reads[-1] - reads[0] >= REFRESH_SECONDS:
                seen = monitor.next_command()
                if (seen["db"], seen["command"]) == (here, f"HGETALL {contract.ROUTES}"):
                    reads.append(seen["time"])
        for one in gateways:
            get_json(f"{one.base}/health")

    def grant(self, principal: Principal) -> str:
        """Push the principal under a new token; returns the token."""
        token = secret("q", secrets.token_hex(16))
        self.push(token, principal)
        return token

    def push(self, token: str, principal: Principal) -> None:
        self.redis.set(contract.principal_key(digest_of(token)), principal.to_json(), px=contract.PRINCIPAL_TTL_MS)

    def revoke(self, token: str) -> None:
        digest = digest_of(token)
        self.redis.set(contract.tombstone_key(digest), "1", px=contract.TOMBSTONE_TTL_MS)
        self.redis.delete(contract.principal_key(digest))

    def bump(self, kind: str, identity: str, generation: int) -> None:
        self.redis.set(contract.generation_key(kind, identity), generation)

    def ledger(self) -> list[UsageEvent]:
        return [UsageEvent.from_fields(fields) for _, fields in self.redis.xrange(contract.USAGE_STREAM)]

    def entry(self, request_id: str) -> UsageEvent | None:
        return next((event for event in self.ledger() if event.request_id == request_id), None)

    def counter(self, kind: str, identity: str) -> Counter:
        return counter_of(self.redis, kind, identity)

    def counters(self) -> dict[str, Counter]:
        keys = [key.split(":", 3)[2:] for key in self.redis.scan_iter("wb:use:*")]
        return {f"{kind}:{identity}": self.counter(kind, identity) for kind, identity in keys}

    def held(self) -> list[str]:
        """Keys of requests that are not settled."""
        return [*self.redis.zrange(contract.LEASES, 0, -1), *self.redis.scan_iter(contract.lease_key("*"))]

    def outstanding(self, engine: Engine) -> int | None:
        """Tokens that gateways report as under way at the engine; None before one has reported."""
        reports = filter(None, map(Report.from_json, self.redis.hvals(contract.REPORTS)))
        seen = [report.backends[engine.url].outstanding for report in reports if engine.url in report.backends]
        return sum(seen) if seen else None

    def running(self) -> int:
        return sum(counter.running for counter in self.counters().values())


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def route(*engines: Engine, **changes: Any) -> Route:
    standard = Route(
        model=MODEL,
        owner="lyceum",
        revision="c0ffee" + "0" * 34,
        pool="small",
        engine_model="fake",
        context=4096,
        backends=tuple(Backend(f"engine-{number}", engine.url) for number, engine in enumerate(engines)),
        created=1_790_000_000,
        number=1,
        gated=True,
        apply_url="http://portal.test/apply/small/",
        engine="vllm 0.32.0",
        embeds=True,
    )
    return replace(standard, **changes)


def principal(limits: Limits | None = None, **changes: Any) -> Principal:
    identity = secrets.token_hex(4)
    standard = Principal(
        token_id=f"t-{identity}",
        user_id=f"u-{identity}",
        project_id=f"p-{identity}",
        not_after=FAR,
        user_generation=0,
        project_generation=0,
        cache_salt="5a17" * 8,
        models={MODEL: Access(not_after=FAR, gate="lyceum/small", gate_generation=0)},
        project_limits=limits or Limits(),
    )
    return replace(standard, **changes)


def settle_routes() -> None:
    """Wait until a gateway has read routes that the control plane published."""
    time.sleep(0.8)
