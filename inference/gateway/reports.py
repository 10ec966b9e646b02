"""What gateway processes tell one another of the servers: once a heartbeat, one write and one read."""

from __future__ import annotations

import os
import socket
import time
from typing import Final

from inference import contract
from inference.contract import Report, Seen
from inference.gateway.pool import Pool
from inference.gateway.wire import Wire

_FORGET_MS: Final = 60_000


class Reports:
    """This process's report, and what the others' say of outstanding tokens."""

    def __init__(self, wire: Wire, pool: Pool) -> None:
        self._wire, self._pool = wire, pool
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    async def exchange(self) -> None:
        """Write ours, read all, and count what the others have under way. Raises wire.Unreachable."""
        now = time.time_ns() // 1_000_000
        await self._wire.call("HSET", contract.REPORTS, self.name, Report(now, self._seen()).to_json())
        flat = await self._wire.call("HGETALL", contract.REPORTS)
        elsewhere: dict[str, int] = {}
        for name, text in zip(flat[::2], flat[1::2], strict=True):
            report = Report.from_json(text)
            if report is None or now - report.at > _FORGET_MS:
                await self._wire.call("HDEL", contract.REPORTS, name)
            elif name.decode() != self.name and now - report.at <= contract.REPORT_MS:
                for url, seen in report.backends.items():
                    elsewhere[url] = elsewhere.get(url, 0) + seen.outstanding
        for url, health in self._pool.health.items():
            health.elsewhere = elsewhere.get(url, 0)

    def _seen(self) -> dict[str, Seen]:
        pool = self._pool
        found = ((url, pool.of(backend)) for url, backend in pool.backends().items())
        return {
            url: Seen(one.word, one.outstanding, one.load.running, one.load.waiting, one.load.cache)
            for url, one in found
        }
