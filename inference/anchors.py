"""Anchors: the Merkle root of each closed hour of both ledgers goes into the audit trail, whose chain nobody can edit.

A row that is changed, added or removed later, past the triggers, no longer gives the root that was anchored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Min, QuerySet

from inference.models import UsageRecord
from portal.audit import trail
from portal.audit.events import Event
from portal.audit.models import Entry
from portal.postgres.cursors import by_cursor
from releases.models import Download
from releases.proofs import merkle

GRACE: Final = timedelta(minutes=2)
"""An hour is closed once no transaction that wrote in it can still be open."""
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One append-only table: its rows of a period, in an order that does not depend on chance."""

    name: str
    clock: str
    rows: Callable[[], QuerySet[Any]]
    order: str

    def between(self, start: datetime) -> Iterator[dict[str, Any]]:
        """The rows of one hour, within a transaction: a busy one has some hundred thousand."""
        period = {f"{self.clock}__gte": start, f"{self.clock}__lt": start + HOUR}
        return by_cursor(self.rows().filter(**period).order_by(self.order).values(), size=2_000)


LEDGERS: Final = (
    Ledger("usage", "posted_at", UsageRecord.objects.all, "request_id"),
    Ledger("download", "at", Download.objects.all, "id"),
)


@transaction.atomic
def anchor_closed_hours(now: datetime) -> int:
    """Anchor every closed hour that has rows and no anchor yet; returns how many were anchored."""
    return sum(_anchor(ledger, hour) for ledger in LEDGERS for hour in _due(ledger, now))


def verify() -> list[str]:
    """One sentence per anchor that its rows no longer give."""
    findings = []
    for entry in Entry.objects.filter(event=Event.LEDGER_ANCHORED).order_by("id").iterator():
        ledger = next(ledger for ledger in LEDGERS if ledger.name == entry.target_id)
        with transaction.atomic():
            count, root = root_of(ledger.between(datetime.fromisoformat(entry.data["hour"])))
        if (count, root) != (entry.data["rows"], entry.data["root"]):
            findings.append(
                f"The {ledger.name} ledger of {entry.data['hour']} had {entry.data['rows']} rows and another root."
            )
    return findings


def root_of(rows: Iterable[dict[str, Any]]) -> tuple[int, str]:
    """How many rows, and their Merkle root as in RFC 9162 section 2.1 (SHA-256; leaves prefixed 0, nodes 1)."""
    return merkle.root(_canonical(row) for row in rows)


def _due(ledger: Ledger, now: datetime) -> Iterator[datetime]:
    last = Entry.objects.filter(event=Event.LEDGER_ANCHORED, target_id=ledger.name).order_by("-id").first()
    start = datetime.fromisoformat(last.data["hour"]) + HOUR if last else None
    rows = ledger.rows().filter(**({f"{ledger.clock}__gte": start} if start else {}))
    first = rows.aggregate(first=Min(ledger.clock))["first"]
    if first is None:
        return
    hour = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour + HOUR + GRACE <= now:
        yield hour
        hour += HOUR


def _anchor(ledger: Ledger, hour: datetime) -> int:
    count, root = root_of(ledger.between(hour))
    if not count:
        return 0
    trail.record(
        Event.LEDGER_ANCHORED, by=None, target=f"ledger:{ledger.name}", hour=hour.isoformat(), rows=count, root=root
    )
    return 1


_NEWER: Final = frozenset({"engine", "parameters"})
"""Columns that came after the first anchors: left out while empty, so that older roots still hold."""


def _canonical(row: dict[str, Any]) -> bytes:
    told = {name: value for name, value in row.items() if value or name not in _NEWER}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)
