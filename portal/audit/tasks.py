"""What runs by itself: the root of each closed day is signed. Safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.audit import roots


@shared_task
def sign_closed_days() -> int:
    """Sign what is due; returns how many roots were signed."""
    return roots.sign_closed_days(timezone.now())
