"""Counters of this process, as Prometheus text on a private listener. Never on the public port."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

_HELP: Final = {
    "requests": "Settled requests by status.",
    "tokens": "Settled tokens by kind.",
    "refusals": "Answers that were not 2xx, by code.",
    "queued": "Requests that waited for a place at a full pool.",
    "over_reservation": "Settlements above their reservation: each is a bug.",
    "unsettled": "Settlements that found no lease.",
    "content": "Sealed content of queries, by whether the control plane keeps it.",
    "reaped": "Requests settled for a gateway that died.",
    "failures": "Unexpected exceptions.",
}


class Metrics:
    """Named counters with at most one label."""

    def __init__(self) -> None:
        self._counters: Counter[tuple[str, str]] = Counter()
        self.gauges: dict[str, Callable[[], int]] = {}
        self.labelled: dict[str, Callable[[], Iterable[tuple[str, float]]]] = {}
        """Gauges with one value for each text of labels, such as `backend="a",pool="b"`."""

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """Add to a counter."""
        self._counters[name, label] += by

    def value(self, name: str, label: str = "") -> int:
        """What a counter holds."""
        return self._counters[name, label]

    def text(self) -> str:
        """Prometheus text, version 0.0.4."""
        lines = []
        for name, meaning in _HELP.items():
            lines.append(
                f"# HELP weighbridge_gateway_{name}_total {meaning}\n# TYPE weighbridge_gateway_{name}_total counter"
            )
            for (own, label), value in sorted(self._counters.items()):
                if own == name:
                    mark = f'{{label="{label}"}}' if label else ""
                    lines.append(f"weighbridge_gateway_{name}_total{mark} {value}")
        lines += [
            f"# TYPE weighbridge_gateway_{name} gauge\nweighbridge_gateway_{name} {read()}"
            for name, read in self.gauges.items()
        ]
        for name, samples in self.labelled.items():
            lines.append(f"# TYPE weighbridge_gateway_{name} gauge")
            lines += [f"weighbridge_gateway_{name}{{{labels}}} {value:g}" for labels, value in samples()]
        return "\n".join(lines) + "\n"


async def serve(metrics: Metrics, address: str) -> asyncio.Server:
    """Answer every connection with the text; `address` is `unix:///path` or `host:port`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                await reader.readuntil(b"\r\n\r\n")
                body = metrics.text().encode()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    if address.startswith("unix://"):
        return await asyncio.start_unix_server(answer, unquote(address.removeprefix("unix://")))
    host, _, port = address.rpartition(":")
    return await asyncio.start_server(answer, host or "127.0.0.1", int(port))
