"""What mail does by itself: the day's digests. Safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mail import digest
from portal.sweeps import sweep


@shared_task
def send_digests() -> int:
    """Send the digest to everybody whose hour has come; returns how many were sent."""
    now = timezone.now()
    return sweep(digest.due(now), lambda user: digest.send(user=user, now=now))
