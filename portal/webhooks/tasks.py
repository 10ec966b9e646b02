"""What runs by itself: labs are asked for new secrets after the operator exchanged SECRET_KEY. Safe to run twice."""

from __future__ import annotations

from celery import shared_task

from portal.webhooks import actions


@shared_task
def ask_for_new_secrets() -> int:
    """Write for each webhook that has a secret of a former key, once; returns how many."""
    return actions.ask_for_new_secrets()
