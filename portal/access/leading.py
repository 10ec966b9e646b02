"""Which team rests on which grant: on that of who applied, until they hand the project over to a member (ADR 24)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from portal.access.application_models import Application
from portal.access.handover_models import Handover
from portal.access.models import Grant
from portal.people.models import User


def grant_of(application: Application) -> Grant | None:
    """The grant that its team rests on now; None before there is one."""
    taken = application.handovers.taken()
    return taken.member.grant if taken else Grant.objects.filter(application=application).first()


def led_by(user: User, pk: UUID) -> Application | None:
    """The application of this id, if this person leads its team."""
    rows = Application.objects.select_related("gate__lab", "gate__agreement", "applicant", "assignee", "grant")
    found = rows.filter(Q(applicant=user) | Q(members__user=user), pk=pk).distinct().first()
    return found if found is not None and found.lead == user else None


def led_under(grant: Grant) -> Application | None:
    """The application whose team rests on this grant now; None for a grant that leads none, or no longer."""
    taken = Handover.objects.filter(member__grant=grant).taken()
    application = taken.application if taken else grant.application
    return application if application is not None and grant_of(application) == grant else None
