"""What mail does by itself: the day's digests. Safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mail import digest


@shared_task
def send_digests() -> int:
    """Send the digest to everybody whose hour has come; returns how many were sent."""
    now = timezone.now()
    return sum(digest.send(user=user, now=now) for user in digest.due(now))
