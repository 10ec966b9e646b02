"""What a lab's closing means for those who hold something of it, wait for it or work there: nobody is left in silence."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from portal.access import institutional
from portal.access.application_models import Application
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.models import Grant
from portal.access.workflow import WAITS_FOR_APPLICANT
from portal.mail import sending
from portal.people.models import Lab, Membership, User


def closed(lab: Lab) -> None:
    """Write to everybody concerned; inside the transaction that closes it."""
    _write(lab, "lab_closed")


def reopened(lab: Lab) -> None:
    """Write to them again, and let what waits for its applicant wait anew: no day on which nobody could act makes it lapse."""
    waiting = Application.objects.filter(gate__lab=lab, status__in=WAITS_FOR_APPLICANT)
    waiting.update(updated_at=timezone.now())
    _write(lab, "lab_reopened")


def _write(lab: Lab, letter: str) -> None:
    holders = Grant.objects.standing().filter(gate__lab=lab).values("user")
    applicants = Application.objects.open().filter(gate__lab=lab).values("applicant")
    agreed = InstitutionalAgreement.objects.filter(gate__lab=lab, status__in=institutional.OPEN).values("official")
    staff = Membership.objects.filter(lab=lab, ends_at=None).values("user")
    whose = Q(pk__in=holders) | Q(pk__in=applicants) | Q(pk__in=agreed) | Q(pk__in=staff)
    for person in User.objects.filter(whose, is_active=True).order_by("pk"):
        context = {"name": person.get_full_name(), "lab": lab.name, "path": reverse("people:me")}
        sending.send(to=person.email, template=letter, context=context, key=f"lab:{lab.pk}", language=person.language)
