"""What runs by itself: people who asked are erased, and what is past its time is deleted. Safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.people import erasure
from portal.people.erasure_models import ErasureRequest
from portal.sweeps import sweep


@shared_task
def erase_due() -> int:
    """Erase those whose time for a change of mind is over; returns how many."""
    now = timezone.now()
    due = ErasureRequest.objects.filter(ended_at=None, due_at__lte=now)
    return sweep(due, lambda request: erasure.erase(request=request, now=now))


@shared_task
def purge() -> dict[str, int]:
    """Delete what the table of retention says."""
    return erasure.purge(timezone.now())
