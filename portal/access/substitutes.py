"""Who stands in for whom today."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.utils import timezone

from portal.access.application_models import STAFF, Application
from portal.access.desk_models import Substitute
from portal.people.models import Membership, Role, User


def standing(today: date | None = None) -> models.QuerySet[Substitute]:
    """Substitutions that hold on this day (UTC, both ends included), of reviewers and staff who still are."""
    today = today or timezone.now().date()
    held = Membership.objects.active().filter(lab=models.OuterRef("lab"))
    return Substitute.objects.filter(
        models.Exists(held.filter(user=models.OuterRef("reviewer"), role=Role.REVIEWER)),
        models.Exists(held.filter(user=models.OuterRef("substitute"), role__in=STAFF)),
        starts_on__lte=today,
        ends_on__gte=today,
        ended_at=None,
    )


def chair_of(by: User, application: Application) -> User | None:
    """The absent assignee in whose place this person may act on the application today."""
    found = standing().filter(substitute=by, lab=application.gate.lab_id, reviewer=application.assignee_id)
    row = found.select_related("reviewer").first() if application.assignee_id else None
    return row.reviewer if row else None
