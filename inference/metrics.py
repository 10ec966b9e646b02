"""What the control plane publishes about itself, in Prometheus' text format, and whether it is ready."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import redis
from django.db import DatabaseError, connection
from django.utils import timezone

from inference import contract
from inference.models import EngineCount
from portal.counters import client
from portal.outbox.models import Message


def parts() -> dict[str, bool]:
    """Each part that the query side needs, and whether it answers."""
    return {"database": _database(), "limits": _limits()}


def exposition() -> str:
    """The metrics page. Raises DatabaseError when PostgreSQL is away; Redis's absence is a metric."""
    families: dict[str, str] = {}
    for name, labels, value in _samples():
        families[name] = families.get(name, f"# TYPE {name} gauge\n") + f"{name}{labels} {value}\n"
    return "".join(families.values())


def _samples() -> Iterator[tuple[str, str, float]]:
    waiting = Message.objects.filter(ended_at=None)
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    age = (timezone.now() - oldest) if oldest else timedelta()
    yield "weighbridge_outbox_waiting", "", waiting.count()
    yield "weighbridge_outbox_oldest_seconds", "", round(age.total_seconds(), 3)
    yield "weighbridge_limits_up", "", int(_limits())
    yield from _stream()
    newest = EngineCount.objects.order_by("backend", "-at").distinct("backend")
    for count in newest:
        labels = f'{{backend="{count.backend}"}}'
        yield "weighbridge_ledger_prompt_drift_tokens", labels, count.prompt_drift
        yield "weighbridge_ledger_completion_drift_tokens", labels, count.completion_drift


def _stream() -> Iterator[tuple[str, str, float]]:
    try:
        groups = client().xinfo_groups(contract.USAGE_STREAM)
    except redis.RedisError:
        return
    for group in groups:
        yield "weighbridge_usage_unposted", "", float(group["lag"] or 0) + float(group["pending"])


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _limits() -> bool:
    try:
        return bool(client().ping())
    except redis.RedisError:
        return False
