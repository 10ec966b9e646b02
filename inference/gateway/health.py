"""One engine server as this process sees it: in use, ejected, or on trial. Pure: the caller brings the time.

Whoever fails collects strikes; three eject. An ejected server gets nothing until GET /health is answered 200, which is
asked after a pause that doubles with every relapse. Then it is on trial, one request at a time: the first that it
answers clears it, the first that it fails ejects it again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Final

OUT: Final = 3
"""Strikes that eject."""
UNANSWERED: Final = 3
"""No connection, no status line, or no first byte in time: the server is gone."""
ILL: Final = 2
"""A probe of a server in use failed: twice running is once too often."""
ERRED: Final = 1
"""A 5xx: perhaps the request's own doing, so that one bad request cannot eject every server that it is tried on."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine says of itself: requests that run and wait there, and the share of its KV cache in use."""

    running: int = 0
    waiting: int = 0
    cache: float = 0.0


@dataclass(slots=True)
class Health:
    """State of one server. Tokens are reserved ones; times are of the event loop's clock, in seconds."""

    outstanding: int = 0
    """Of this process's requests there."""
    elsewhere: int = 0
    """Of other gateways' requests there, as they last reported."""
    load: Load = field(default_factory=Load)
    fingerprint: bytes = b""
    """As the engine last called itself; forgotten when it is ejected, for it may come back another."""
    strikes: int = 0
    ejected: bool = False
    trial: bool = False
    probe_at: float = 0.0
    _pause: float = _FIRST_PAUSE

    @property
    def tokens(self) -> int:
        """All that is known to be under way there."""
        return self.outstanding + self.elsewhere

    @property
    def open(self) -> bool:
        """Whether a new request may go there while others can be had."""
        return not self.ejected and not (self.trial and self.outstanding)

    @property
    def word(self) -> str:
        """For people: well, on trial or ejected."""
        return "ejected" if self.ejected else "on trial" if self.trial else "well"

    def failed(self, now: float, strikes: int) -> bool:
        """It failed; True when that ejects it."""
        self.strikes += OUT if self.trial else strikes
        if self.ejected or self.strikes < OUT:
            return False
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self.trial else _FIRST_PAUSE
        self.ejected, self.trial, self.strikes, self.fingerprint = True, False, 0, b""
        self.load, self.probe_at = Load(), now + self._pause
        return True

    def answered(self) -> None:
        """A request was answered, be it with a refusal: what was held against it is forgotten."""
        self.strikes, self.trial = 0, False

    def probed(self, now: float, *, well: bool) -> bool:
        """/health was asked; True when the answer ejects it."""
        if not well and not self.ejected:
            return self.failed(now, ILL)
        if not well:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self.probe_at = now + self._pause
        elif self.ejected:
            self.ejected, self.trial = False, True
        return False


def load_in(page: bytes) -> Load:
    """The load out of vLLM's /metrics, summed over its own engine processes; 0 for what is missing."""
    return Load(
        int(_sum(page, b"vllm:num_requests_running{")),
        int(_sum(page, b"vllm:num_requests_waiting{")),
        _sum(page, b"vllm:kv_cache_usage_perc{"),
    )


def _sum(page: bytes, name: bytes) -> float:
    """A whole page is 300 kB and asked for every second or two: find() costs a tenth of a regular expression."""
    total, start = 0.0, page.find(b"\n" + name)
    while start >= 0:
        end = page.find(b"\n", start + 1)
        with contextlib.suppress(ValueError):
            total += float(page[start : end if end >= 0 else None].rpartition(b" ")[2])
        start = page.find(b"\n" + name, start + 1)
    return total
