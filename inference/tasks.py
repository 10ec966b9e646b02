"""What runs by itself. Each is safe to run twice."""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import Final
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from inference import alerts, anchors, disclosing, ledger, reconcile, signalling
from inference.batches import actions as batches
from inference.batches import running
from inference.evaluating import actions as evaluating
from inference.evaluation_models import EvaluationRun
from inference.models import Backend
from portal.errors import Unavailable
from portal.sweeps import sweep

logger = logging.getLogger(__name__)

SIGNAL_DAYS: Final = 3
"""As many as the gateways' tallies are kept for."""


@shared_task
def anchor_closed_hours() -> int:
    """Write the Merkle roots of closed hours into the audit trail."""
    return anchors.anchor_closed_hours(timezone.now())


@shared_task
def tell_allowances() -> int:
    """Write to the leads and managers of projects that have used most of their tokens; how many were written about."""
    return alerts.tell_due(timezone.now())


@shared_task
def make_partitions() -> list[str]:
    """Daily: no ledger meets a month without a partition."""
    return ledger.make_partitions(timezone.now().date())


@shared_task
def raise_signals() -> int:
    """Ask the rules about the last days: one may have come late into the ledger, or this may not have run that night."""
    today = timezone.now().astimezone(UTC).date()
    return sum(signalling.raise_for(today - timedelta(days=ago)) for ago in range(SIGNAL_DAYS, 0, -1))


@shared_task
def tell_disclosures() -> int:
    """Tell those whose content was opened, once the operator's delay is over; of how many disclosures."""
    return disclosing.tell_due(timezone.now())


@shared_task
def reconcile_usage() -> None:
    """Compare the ledger with every engine and publish the drift as a metric."""
    for backend in Backend.objects.select_related("pool__lab"):
        try:
            reconcile.compare(backend)
        except Unavailable as error:
            logger.warning("%s", error.message)


@shared_task
def run_batch(pk: str) -> None:
    """Once asked for, by the workers of batches alone: go on with a batch."""
    running.run(UUID(pk))


@shared_task
def follow_evaluations() -> int:
    """When a batch is over, and each minute: score and attach the evaluation runs that wait for it; how many there were."""
    runs = evaluating.due()
    sweep(runs, _follow)
    return len(runs)


def _follow(run: EvaluationRun) -> bool:
    try:
        evaluating.follow(run=run)
    except Unavailable as error:
        logger.warning("%s: %s", run, error.message)
        return False
    return True


@shared_task
def call_silent_batches() -> int:
    """Each minute: a batch whose worker went away gets another one."""
    return batches.call_silent(timezone.now())


@shared_task
def discard_expired_files() -> int:
    """Hourly: files of batches that are past their time."""
    return batches.discard_expired(timezone.now())
