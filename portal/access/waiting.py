"""How long things take, measured: places in the queue, and times from sending to decision in business days (UTC)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.workflow import DECIDED, WAITING

WINDOW: Final = timedelta(days=365)
LEAST: Final = 5
"""Fewer decisions than this are not published as a figure."""

SAMPLE: Final = 2_000
"""The newest decisions that the figures are taken from."""


@dataclass(frozen=True, slots=True)
class Times:
    """Published times of a gate, in business days."""

    half: int
    nine_in_ten: int
    decisions: int


def business_days(begin: datetime | date, end: datetime | date) -> int:
    """Whole days from Monday to Friday between two dates; 0 on the same day, never negative."""
    first, last = _day(begin), _day(end)
    if last <= first:
        return 0
    weeks, rest = divmod((last - first).days, 7)
    return weeks * 5 + sum((first + timedelta(days=n)).weekday() < 5 for n in range(1, rest + 1))


def add_business_days(begin: datetime | date, days: int) -> date:
    """The date that lies this many business days later."""
    day = _day(begin)
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day


def late_before(days: int, now: datetime) -> datetime:
    """What was sent before this moment has waited more than `days` business days: `business_days` turned around."""
    day = _day(now)
    while business_days(day, now) <= days:
        day -= timedelta(days=1)
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)


def times(gate: Gate) -> Times | None:
    """The gate's published times; None while fewer than LEAST decisions are known. One query.

    Of decisions that people made: whom the rules approve waits for nobody.
    """
    since = timezone.now() - WINDOW
    decided = Application.objects.filter(
        gate=gate, status__in=DECIDED, decided_at__gte=since, submitted_at__isnull=False, decided_rules=None
    )
    rows = decided.order_by("-decided_at").values_list("submitted_at", "decided_at")[:SAMPLE]
    return summary(business_days(begin, end) for begin, end in rows if begin and end)


def summary(spans: Iterable[int]) -> Times | None:
    """The figures of these times in business days; None for fewer than LEAST."""
    ordered = sorted(spans)
    if len(ordered) < LEAST:
        return None
    return Times(half=_quantile(ordered, 0.5), nine_in_ten=_quantile(ordered, 0.9), decisions=len(ordered))


def place(application: Application) -> tuple[int, int]:
    """(place, length) of the gate's queue, ordered by first sending. One query."""
    waiting = Application.objects.filter(gate=application.gate_id, status__in=WAITING)
    before = Q(submitted_at__lt=application.submitted_at) & ~Q(pk=application.pk)
    counted = waiting.aggregate(before=Count("pk", filter=before), all=Count("pk"))
    return counted["before"] + 1, counted["all"]


def _quantile(ordered: list[int], share: float) -> int:
    """The value that this share does not exceed; decided on the same day counts as within one."""
    return max(1, ordered[min(len(ordered) - 1, ceil(share * len(ordered)) - 1)])


def _day(moment: datetime | date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
