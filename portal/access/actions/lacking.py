"""Where too few are free to judge, those hear of it who can give the role of reviewer: else it would wait for no one."""

from __future__ import annotations

from django.urls import reverse

from portal.access import appeals, conflicts
from portal.access.actions import moves
from portal.access.application_models import Application
from portal.access.workflow import Status
from portal.people.models import Membership, Role, User


def free(application: Application) -> list[User]:
    """Who may judge it now, as an application or as an appeal."""
    return appeals.fresh_reviewers(application) if _appealed(application) else conflicts.reviewers(application)


def tell(application: Application, has: int) -> None:
    """Write to the lab's administrators where it `has` fewer free reviewers than an approval takes."""
    if has >= application.quorum:
        return
    template = "appeal_lacks_reviewers" if _appealed(application) else "application_lacks_reviewers"
    path, counts = reverse("access:review", args=[application.pk]), {"needed": application.quorum, "has": has}
    held = Membership.objects.active().filter(lab=application.gate.lab, role=Role.ADMINISTRATOR)
    for row in held.exclude(user=application.applicant_id).select_related("user"):
        moves.write(row.user, template, application, path, **counts)


def _appealed(application: Application) -> bool:
    return application.status == Status.APPEALED
