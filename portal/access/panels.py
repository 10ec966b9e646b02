"""What access shows on `/me/`."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef

from portal.access.application_models import Application
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.lifetime import RenewalStatus
from portal.access.lifetime_models import Renewal
from portal.access.models import Grant
from portal.people.models import User
from portal.people.panels import panel


@panel("access/_mine.html", order=10)
def held_by(user: User) -> dict[str, Any]:
    """A person's applications and grants, newest first, as the page of applications; and the rosters that wait for their word."""
    waits = Exists(Renewal.objects.filter(grant=OuterRef("pk"), status=RenewalStatus.SUBMITTED))
    held = Grant.objects.filter(user=user).annotate(renewal_waits=waits)
    grants = held.with_conditions().select_related("gate__lab", "project")[:100]
    return {
        "applications": Application.objects.filter(applicant=user).select_related("gate__lab")[:100],
        "rosters": InstitutionalAgreement.objects.to_attest().filter(official=user).select_related("institution")[:100],
        "grants": [(grant, grant.shown_state) for grant in grants],
    }
