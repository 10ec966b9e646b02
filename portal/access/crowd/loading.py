"""Lives, some hundred in one transaction: an interruption loses the one it is in, and the next run goes on from there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, cast

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from portal.access.application_models import Application
from portal.access.crowd.copying import copy
from portal.access.crowd.lives import YEAR, life
from portal.access.crowd.scene import SLUG, Scene, scene
from portal.access.crowd.words import DOMAIN
from portal.audit import trail
from portal.audit.models import Entry
from portal.people.models import User

BATCH: Final = 500


def others() -> int:
    """How many people of this portal are not of the crowd."""
    return User.objects.exclude(email__endswith=f"@{DOMAIN}").exclude(email__endswith=f".{DOMAIN}").count()


def loaded() -> int:
    """How many applications of the crowd there are."""
    return Application.objects.filter(gate__lab__slug=SLUG).count()


def load(total: int) -> Iterator[int]:
    """Bring the crowd to this many applications, spread over the past year; yields how many there are by now."""
    made, now = scene(), timezone.now()
    done = loaded()
    while done < total:
        batch = range(done, min(done + BATCH, total))
        _write(made, batch, total, now)
        done = batch.stop
        yield done


def analyze() -> None:
    """Let PostgreSQL count again: until it has, its plans are made for the portal as it was."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@transaction.atomic
def _write(made: Scene, batch: range, total: int, now: datetime) -> None:
    rows: dict[type[Model], list[Any]] = defaultdict(list)
    for n, number in zip(batch, _numbers(len(batch)), strict=True):
        arrived = now - YEAR * (1 - n / total) - timedelta(minutes=1)
        lived = life(made, number, arrived, now, Random(n))  # noqa: S311 invented, and the same each time
        for model, more in lived.items():
            rows[model] += more
    entries = sorted(cast("list[Entry]", rows.pop(Entry)), key=lambda entry: entry.at)
    for found in rows.values():
        copy(found)
    copy(trail.chain(entries))


def _numbers(count: int) -> list[int]:
    """The next numbers of applications."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('access_application_number') FROM generate_series(1, %s)", [count])
        return [number for (number,) in cursor.fetchall()]
