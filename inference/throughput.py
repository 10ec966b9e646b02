"""What the newest requests of a model's pool came to: speed of an answer, and of all together while there were any."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import caches
from django.utils import timezone

from inference.models import Pool, Status, UsageRecord
from releases.costs.measured import Measured, meter
from releases.models import Model

NEWEST: Final = 1_000
"""Requests that are looked at."""
BACK: Final = timedelta(days=30)
KEPT_S: Final = 600
"""The page is public: the ledger is asked once in this time."""

Span = tuple[datetime, datetime]


@meter
def of_model(model: Model) -> Measured | None:
    """The newest requests of the model's own pool; None where no pool serves it, or nobody asked lately."""
    key = f"throughput:{model.pk}"
    held = caches["process"].get(key)
    if held is None:
        held = (_measure(model),)
        caches["process"].set(key, held, KEPT_S)
    found: Measured | None = held[0]
    return found


def _measure(model: Model) -> Measured | None:
    pool = Pool.objects.serving().proper().filter(model=model).first()
    if pool is None:
        return None
    names = [str(backend) for backend in pool.backends.all()]
    rows = UsageRecord.objects.filter(
        backend__in=names, started_at__gt=timezone.now() - BACK, status=Status.OK, completion_tokens__gt=0
    ).order_by("-started_at")
    newest = list(rows.values_list("started_at", "ended_at", "completion_tokens", "engine")[:NEWEST])
    spans = [(started, ended) for started, ended, *_rest in newest if ended > started]
    if not spans:
        return None
    tokens = sum(made for started, ended, made, _engine in newest if ended > started)
    lasted, busy = seconds(spans), covered(spans)
    return Measured(
        pool=str(pool), engine=newest[0][3], requests=len(spans), since=min(started for started, _ended in spans),
        each=tokens / lasted, rate=tokens / busy, at_once=lasted / busy,
    )  # fmt: skip


def seconds(spans: Iterable[Span]) -> float:
    """How long they last in all."""
    return sum((ended - started).total_seconds() for started, ended in spans)


def covered(spans: Iterable[Span]) -> float:
    """Seconds in which at least one of them lasts."""
    total, until = 0.0, None
    for started, ended in sorted(spans):
        begins = started if until is None or started > until else until
        total += max(0.0, (ended - begins).total_seconds())
        until = ended if until is None else max(until, ended)
    return total
