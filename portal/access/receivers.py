"""What access hears from below."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from portal.access.actions.covering import call_officials
from portal.access.actions.gates import bump_gate
from portal.access.actions.leaving import leave
from portal.access.actions.pausing import TELL, tell_concerned, turned
from portal.access.actions.succeeding import tell_unattended
from portal.access.gate_models import Gate
from portal.agreements.models import Version
from portal.agreements.signals import version_published
from portal.outbox.delivery import handler
from portal.people.models import Lab, User
from portal.people.signals import lab_turned, leaving, turning
from portal.projects import actions as projects
from portal.projects.models import Project


@receiver(leaving)
def close_what_is_open(user: User, **_rest: Any) -> None:
    """Whoever is erased waits for nothing, holds nothing, and is waited for by nobody."""
    leave(by=user)


@receiver(turning)
def reconsider_teams(user: User, **_rest: Any) -> None:
    """A lead's account is closed or open again: the gateway asks again about everybody in the projects that they lead.

    Where an official's is closed, the labs hear that nobody speaks for the institution; its seats are its own, and stay.
    """
    led = Project.objects.filter(grants__user=user, grants__lead=None)
    for project in led.distinct().order_by("pk"):
        projects.bump(project)
    if User.objects.filter(pk=user.pk, is_active=True).exists():
        tell_unattended(user)


@receiver(lab_turned)
def leave_letters(lab: Lab, **_rest: Any) -> None:
    """A lab is closed, or open again."""
    turned(lab)


@handler(TELL, slow=True)
def tell_those_concerned(payload: dict[str, Any]) -> None:
    """Mail to everybody who holds something of the lab, waits for it or works there: there may be thousands."""
    tell_concerned(lab=Lab.objects.get(pk=payload["lab"]))


@receiver(version_published)
def reconsider_grants(version: Version, **_rest: Any) -> None:
    """A new text may end what earlier signatures opened: the gateway asks again about every gate of the agreement.

    Who signed for an institution is asked to sign it.
    """
    for gate in Gate.objects.filter(agreement=version.agreement_id).select_related("lab"):
        bump_gate(gate)
    call_officials(version)
