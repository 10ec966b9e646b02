"""What runs by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from celery import shared_task
from django.conf import settings

from releases import actions, tally
from releases.conversion import actions as conversions
from releases.conversion import jobs
from releases.search import indexing

NIGHTS: Final = 7
"""How far back a day that stood out is news, where the nights since were missed."""


@shared_task
def check_revision(pk: int, by: str) -> None:
    """Once asked for: read every file of a draft back, and say what was found."""
    actions.carry_out_check(pk=pk, by=by)


@shared_task
def open_due() -> int:
    """Every minute: what is planned, and whose rules are met, is published."""
    return actions.open_due()


@shared_task(acks_late=False)  # may outlast the hour after which the broker gives a task to the next worker
def scrub() -> tuple[int, int]:
    """Nightly: read what was unread longest, up to the bytes of a night; (objects read, objects found bad)."""
    return actions.scrub(blobs=actions.to_scrub(), most_bytes=settings.SCRUB_BYTES)


@shared_task
def purge_uploads() -> int:
    """Hourly: what never became whole leaves the store."""
    return actions.purge_uploads()


@shared_task
def draw_daily_sums() -> int:
    """Four times an hour: the sums that pages show of the ledger of downloads."""
    return tally.draw()


@shared_task
def tell_surges() -> int:
    """Daily, once yesterday's sums are whole: days of holders that stand out, those of nights that were missed too."""
    tally.draw()
    today = datetime.now(UTC).date()
    return sum(actions.tell_surges(today - timedelta(days=n)) for n in range(NIGHTS, 0, -1))


@shared_task(acks_late=False)
def collect_garbage() -> int:
    """Weekly: objects that nothing needs; how many went."""
    return actions.collect_garbage().objects


@shared_task
def convert(pk: str) -> None:
    """Once asked for, by the converter alone: carry a conversion out."""
    jobs.carry_out(UUID(pk))


@shared_task
def fail_abandoned_conversions() -> int:
    """Each minute: a conversion whose worker went away says so, and can be tried again."""
    return conversions.fail_abandoned()


@shared_task
def call_waiting_conversions() -> int:
    """Each minute: a conversion that the broker may have lost is sent to the converter again."""
    return conversions.call_waiting()


@shared_task
def heal_search() -> int:
    """Nightly: index models and families that search knows nothing of, or too little; how many."""
    return indexing.heal()
