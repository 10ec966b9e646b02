"""A small portal whose parts can be killed one by one: ledger, its consumer, store, gateway and engines.

PostgreSQL and Valkey are started as the embedded size starts them, durably. The consumer is `manage.py post_usage`. Only
the engines are fakes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import redis

from inference import contract
from inference.contract import Limits
from infra.embedded import database, servers
from infra.embedded.problems import Problem
from tests.inference.gateway import rig

HEARTBEAT_S = 0.3
LEASE_S = 5.0
PAUSE_S = 0.02
"""Between two tokens of a stream."""
TOKENS = 80
"""Of a stream that is not broken off."""


class Site:
    """Everything, started. `kill` takes a part down by SIGKILL and brings it back."""

    def __init__(self, home: Path, schema: bytes) -> None:
        self.home = home
        self.log = home / "servers.log"
        self.postgres = servers.start_postgres(home, self.log)
        self.valkey = servers.start_valkey(home, "limits", self.log, persist=True)
        self._load(schema)
        self.store = rig.Store(self.valkey.url)
        self.portal = rig.Portal(home / "internal.sock")
        self.engines = [rig.Engine(), rig.Engine()]
        self.store.publish(rig.route(*self.engines))
        self.token = self.store.grant(rig.principal(Limits(tokens_per_day=10_000_000, concurrency=1000)))
        self.store.redis.persist(contract.principal_key(rig.digest_of(self.token)))
        self.gateway = self._gateway(None).ready()
        self.consumer = self._consumer()
        self.parts: dict[str, Callable[[], None]] = {
            "gateway": self._kill_gateway, "consumer": self._kill_consumer, "store": self._kill_store,
            "ledger": self._kill_ledger, "engine": self._kill_engine,
        }  # fmt: skip

    def kill(self, part: str) -> None:
        """kill -9 and a new start; returns when requests can be served and heartbeats are heard again."""
        self.parts[part]()
        for _ in range(2):
            rig.wait_for(lambda: self._ask("DEL", contract.REPORTS) is not None, 30)
            rig.wait_for(lambda: self._ask("EXISTS", contract.REPORTS), 30, "the gateway's heartbeat is not heard")

    def stop(self) -> None:
        self.gateway.stop()
        self.consumer.kill()
        self.consumer.wait()
        for engine in self.engines:
            engine.stop()
        self.portal.stop()
        self.valkey.stop()
        self.postgres.stop()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the ledger."""
        with contextlib.closing(psycopg2.connect(self.postgres.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def settled(self) -> bool:
        """Whether nothing is reserved, and all that was settled is in the ledger."""
        (group,) = self.store.redis.xinfo_groups(contract.USAGE_STREAM)
        newest = self.store.redis.xinfo_stream(contract.USAGE_STREAM)["last-generated-id"]
        return not self.store.held() and group["pending"] == 0 and group["last-delivered-id"] == newest

    def _ask(self, *command: str) -> Any:
        with contextlib.suppress(redis.RedisError):
            return self.store.redis.execute_command(*command)
        return None

    def _load(self, schema: bytes) -> None:
        psql = [str(database.binaries() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", self.postgres.url]
        subprocess.run(psql, input=schema, check=True, stdout=subprocess.DEVNULL)

    def _gateway(self, before: rig.Gateway | None) -> rig.Gateway:
        times = {"HEARTBEAT_MS": str(int(HEARTBEAT_S * 1000)), "LEASE_MS": str(int(LEASE_S * 1000))}
        return rig.Gateway(self.home, self.valkey.url, socket_of=before, **times)

    def _consumer(self) -> subprocess.Popen[bytes]:
        own = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url, "WEIGHBRIDGE_MODE": "test"}
        with (self.home / "consumer.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-W", "ignore", "manage.py", "post_usage"],
                env={**os.environ, **own}, cwd=rig.ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def _kill_gateway(self) -> None:
        _answering(*self.engines)
        self.gateway.kill()
        self.gateway = self._gateway(self.gateway).ready()

    def _kill_consumer(self) -> None:
        """Once it works: a consumer that was killed while it started would be no trial."""
        name = f"{socket.gethostname()}-{self.consumer.pid}"
        rig.wait_for(lambda: name in self._consumers(), 60, "the consumer does not work")
        self.consumer.kill()
        self.consumer.wait()
        self.consumer = self._consumer()

    def _consumers(self) -> set[str]:
        assert self.consumer.poll() is None, (self.home / "consumer.log").read_text()[-3000:]
        with contextlib.suppress(redis.RedisError):
            found = self.store.redis.xinfo_consumers(contract.USAGE_STREAM, contract.USAGE_GROUP)
            return {one["name"] for one in found}
        return set()

    def _kill_store(self) -> None:
        _kill(self.valkey)
        self.valkey = servers.start_valkey(self.home, "limits", self.log, persist=True)

    def _kill_ledger(self) -> None:
        """Its sessions' processes end by themselves, a moment after it; till then it cannot be started."""
        _kill(self.postgres)

        def started() -> servers.Server | None:
            with contextlib.suppress(Problem):
                return servers.start_postgres(self.home, self.log)
            return None

        self.postgres = rig.wait_for(started, 60)

    def _kill_engine(self) -> None:
        """The first and the second in turn, each at its old address."""
        engine = self.engines.pop(0)
        _answering(engine)
        engine.stop()
        self.engines.append(rig.Engine(port=engine.port))


def _answering(*engines: rig.Engine) -> None:
    """Wait until one of them is at it. Callers end and begin together: between two rounds nothing would be broken off."""
    rig.wait_for(lambda: any(engine.truth()["open"] for engine in engines), 30, "nothing is under way")


def _kill(server: servers.Server) -> None:
    pid = server.process.pid
    assert pid is not None, server.process.tail()
    os.kill(pid, signal.SIGKILL)
    rig.wait_for(lambda: server.process.died() is not None)


@dataclass(frozen=True)
class Seen:
    """What one client saw. `usage`: prompt and completion tokens of an answer that came whole, else None."""

    request_id: str
    status: int
    usage: tuple[int, int] | None
    delivered: int
    """Tokens that came, whole answer or not."""


async def ask(port: int, token: str, *, stream: bool) -> Seen:
    """One query over a connection of its own; whatever happens to it is told, not raised."""
    order = f"#itl={PAUSE_S * 1000:g}" if stream else f"#ttft={PAUSE_S * 1000 * TOKENS:g}"
    asked = {"model": rig.MODEL, "prompt": f"a b {order}", "max_tokens": TOKENS, "stream": stream}
    more = {"stream_options": {"include_usage": True}} if stream else {}
    body = json.dumps(asked | more).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n"
    seen = b""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        while data := await reader.read(1 << 20):
            seen += data
        writer.close()
    return read(seen, stream=stream)


def read(seen: bytes, *, stream: bool) -> Seen:
    """All bytes of an answer, or those that came of it."""
    top, _, body = seen.partition(b"\r\n\r\n")
    name = top.partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()
    status = int(top[9:12] or 0)
    if status != 200:
        return Seen(name, status, None, 0)
    if stream:
        events = [event for event in body.split(b"data: ") if event.startswith(b'{"id"')]
        usage = next(
            (json.loads(event.partition(b"\n")[0])["usage"] for event in events if b'"usage":{' in event), None
        )
        whole = b"data: [DONE]" in body and b'{"error"' not in body
        count = len(events) - (usage is not None)
    else:
        size = int(top.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        whole = len(body) == size
        usage = json.loads(body)["usage"] if whole else None
        count = usage["completion_tokens"] if usage else 0
    told = (usage["prompt_tokens"], usage["completion_tokens"]) if whole and usage else None
    return Seen(name, status, told, count)
