"""The lab that the crowd applies to: made by the same actions as any lab, and found again by its slug."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.access import actions
from portal.access.crowd.words import DOMAIN
from portal.access.gate_models import Gate
from portal.agreements import actions as agreements
from portal.agreements.models import Agreement, ChangeClass, Version
from portal.people.actions import create_lab, give_role, register
from portal.people.models import Lab, Role, User

SLUG: Final = "crowd"
NAME: Final = "Crowd (invented, for measuring)"
REVIEWERS: Final = ("Noor Bakker", "Tomas Dahl", "Ines Rossi", "Kofi Mensah")
GATES: Final = ("small", "medium", "large", "chat", "checkpoints", "data")
TEXT: Final = (
    "Research Agreement\n\n1. Research only.\n2. The weights are not passed on.\n3. Copies are deleted at the end.\n"
)
MORE: Final = "4. Students of a course sign in their own names.\n"
GRACE: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Scene:
    """The lab, who works there, and its gates with the versions of their agreement, oldest first."""

    lab: Lab
    manager: User
    reviewers: list[User]
    gates: list[Gate]
    versions: dict[int, list[Version]]
    """By the id of the agreement."""


@transaction.atomic
def scene() -> Scene:
    """The scene, made at the first call."""
    lab = Lab.objects.filter(slug=SLUG).first() or _made()
    staff = User.objects.filter(memberships__lab=lab).order_by("email")
    gates = list(Gate.objects.filter(lab=lab).select_related("lab", "agreement").order_by("pk"))
    versions = {gate.agreement_id: list(gate.agreement.versions.order_by("number")) for gate in gates}
    return Scene(
        lab=lab,
        manager=staff.get(memberships__role=Role.MANAGER),
        reviewers=list(staff.filter(memberships__role=Role.REVIEWER)),
        gates=gates,
        versions=versions,
    )


def _made() -> Lab:
    """Two agreements, of which one was changed with a time of grace, and three gates under each."""
    lab = create_lab(slug=SLUG, name=NAME, by=None)
    manager = _colleague("Mara Novak", lab, Role.MANAGER)
    for name in REVIEWERS:
        _colleague(name, lab, Role.REVIEWER)
    research, course = (
        agreements.create_agreement(by=manager, lab=lab, slug=slug, title=title)
        for slug, title in (("research", "Research Agreement"), ("course", "Course Agreement"))
    )
    for agreement in (research, course):
        agreements.publish_version(by=manager, agreement=agreement, text=TEXT, points=["Research only."])
    for number, slug in enumerate(GATES):
        actions.create_gate(
            by=manager, lab=lab, slug=f"{SLUG}-{slug}", title=f"Crowd {slug}", quorum=1 + number % 2,
            agreement=research if number < len(GATES) // 2 else course,
        )  # fmt: skip
    _change(research, manager)
    return lab


def _colleague(name: str, lab: Lab, role: Role) -> User:
    """Nobody knows the password: an operator who wants to sign in as one sets another."""
    email = f"{name.lower().replace(' ', '.')}@{DOMAIN}"
    user = register(email=email, name=name, password=secrets.token_urlsafe(32))
    give_role(user=user, lab=lab, role=role, by=None)
    return user


def _change(agreement: Agreement, manager: User) -> None:
    agreements.publish_version(
        by=manager, agreement=agreement, text=TEXT + MORE,
        change_class=ChangeClass.NOTICE, grace_ends_at=timezone.now() + GRACE,
    )  # fmt: skip
