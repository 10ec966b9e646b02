"""From the usage stream to the ledger: read, post, acknowledge after the commit, trim behind the slowest reader.

A consumer that dies anywhere in between leaves its entries unacknowledged; another one claims them, and posting them
a second time changes nothing. An entry that nobody can read, or that the ledger refuses, is kept apart, in BAD, and
never blocks the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis
from django.db import DataError, IntegrityError

from inference import ledger
from inference.contract import USAGE_GROUP, USAGE_STREAM, UsageEvent

logger = logging.getLogger(__name__)

BAD: Final = f"{USAGE_STREAM}:bad"
BATCH: Final = 500
CLAIM_AFTER_MS: Final = 10_000
_SILENT_MS: Final = 3_600_000
_REFUSED: Final = (DataError, IntegrityError, ValueError, OverflowError)
"""What is wrong with an entry itself; the last two are how a time tells that it is none."""

Entry = tuple[str, dict[str, str]]


def ensure_group(store: redis.Redis) -> None:
    """The consumer group, from the very first entry; making it twice is harmless."""
    try:
        store.xgroup_create(USAGE_STREAM, USAGE_GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


@dataclass(frozen=True, slots=True)
class Poster:
    """One consumer. `post` is the ledger's writer."""

    store: redis.Redis
    name: str
    post: Callable[[Sequence[UsageEvent]], int] = ledger.post

    def step(self, *, block_ms: int = 1000) -> int:
        """Post one batch: what a dead consumer left first, else what is new. Returns how many entries were handled."""
        entries = self._claimed() or self._fresh(block_ms)
        if not entries:
            return 0
        self.take(entries)
        self.store.xack(USAGE_STREAM, USAGE_GROUP, *(identity for identity, _ in entries))
        return len(entries)

    def take(self, entries: Sequence[Entry]) -> None:
        """Post all at once; where the ledger refuses that, each by itself, so that it is known which one it was."""
        given = self._readable(entries)
        try:
            self.post([event for _entry, event in given])
        except _REFUSED:
            for entry, event in given:
                try:
                    self.post([event])
                except _REFUSED as error:
                    self._keep_apart(entry, error)

    def again(self) -> tuple[int, int]:
        """Try once more what was kept apart, as a later version may read it: (posted now, still kept apart)."""
        kept = cast("list[Entry]", self.store.xrange(BAD))
        posted = 0
        for identity, fields in kept:
            try:
                self.post([UsageEvent.from_fields(fields)])
            except (KeyError, *_REFUSED) as error:
                logger.warning("usage entry %s is still kept apart: %r", fields.get("entry"), error)
            else:
                self.store.xdel(BAD, identity)
                posted += 1
        return posted, len(kept) - posted

    def trim(self) -> int:
        """Remove what every consumer has acknowledged; returns how many entries went."""
        groups = self.store.xinfo_groups(USAGE_STREAM)
        group = next(group for group in groups if group["name"] == USAGE_GROUP)
        pending = self.store.xpending(USAGE_STREAM, USAGE_GROUP)
        oldest = pending["min"] if pending["pending"] else group["last-delivered-id"]
        return int(self.store.xtrim(USAGE_STREAM, minid=oldest, approximate=False))

    def forget_silent(self) -> None:
        """Drop consumers of processes that ended long ago and left nothing."""
        for consumer in self.store.xinfo_consumers(USAGE_STREAM, USAGE_GROUP):
            if consumer["name"] != self.name and not consumer["pending"] and consumer["idle"] > _SILENT_MS:
                self.store.xgroup_delconsumer(USAGE_STREAM, USAGE_GROUP, consumer["name"])

    def _claimed(self) -> list[Entry]:
        answer = self.store.xautoclaim(USAGE_STREAM, USAGE_GROUP, self.name, CLAIM_AFTER_MS, "0-0", count=BATCH)
        return [(identity, fields) for identity, fields in answer[1] if fields]

    def _fresh(self, block_ms: int) -> list[Entry]:
        answer = self.store.xreadgroup(USAGE_GROUP, self.name, {USAGE_STREAM: ">"}, count=BATCH, block=block_ms)
        streams = cast("list[tuple[str, list[Entry]]]", answer)
        return streams[0][1] if streams else []

    def _readable(self, entries: Sequence[Entry]) -> list[tuple[Entry, UsageEvent]]:
        events = []
        for entry in entries:
            try:
                events.append((entry, UsageEvent.from_fields(entry[1])))
            except (KeyError, ValueError) as error:
                self._keep_apart(entry, error)
        return events

    def _keep_apart(self, entry: Entry, error: Exception) -> None:
        identity, fields = entry
        logger.error("usage entry %s cannot be posted: kept in %s", identity, BAD, exc_info=error)
        broken: dict[Any, Any] = {**fields, "entry": identity, "problem": repr(error)}
        self.store.xadd(BAD, broken)
