"""Questions about appeals: whether one may be made, until when, and who may judge it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from portal.access import conflicts
from portal.access.application_models import Application
from portal.access.desk_models import Appeal
from portal.access.review_models import Vote
from portal.access.workflow import Status
from portal.people.models import User

TERM: Final = timedelta(days=30)
"""How long after the decline one may appeal."""


def deadline(application: Application) -> datetime | None:
    """Until when this application may be appealed; None when it is not declined, was appealed, or was followed by another."""
    if application.status != Status.DECLINED or application.decided_at is None:
        return None
    if Appeal.objects.filter(application=application).exists():
        return None
    later = Application.objects.filter(
        gate=application.gate_id, applicant=application.applicant_id, created_at__gt=application.created_at
    )
    return None if later.exists() else application.decided_at + TERM


def may_appeal(application: Application) -> bool:
    """Whether the applicant may appeal now."""
    until = deadline(application)
    return until is not None and until > timezone.now()


def involved(application: Application) -> set[UUID]:
    """Who had a part in the decline: whoever voted for it before the appeal, the one who decided among them."""
    votes = application.reviews.filter(vote=Vote.DECLINE, round__lt=application.rounds)
    return set(votes.values_list("reviewer", flat=True))


def fresh_reviewers(application: Application) -> list[User]:
    """Reviewers of the lab who may judge the appeal: free of conflicts, and without a part in the decline."""
    barred = involved(application)
    return [reviewer for reviewer in conflicts.reviewers(application) if reviewer.pk not in barred]
