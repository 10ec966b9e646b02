"""What runs by itself. Safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.tokens import page_actions


@shared_task
def drop_page_tokens() -> int:
    """Delete page tokens that ended a month ago."""
    return page_actions.drop_ended(timezone.now())
