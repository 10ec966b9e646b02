"""The lab of the demo and its people. Names and addresses are invented; passwords are random per installation."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from allauth.account.models import EmailAddress

from portal.people import ror
from portal.people.actions import create_lab, give_role, register, update_profile
from portal.people.affiliation_actions import Place
from portal.people.institution_actions import import_register
from portal.people.models import Institution, Lab, Position, Role, User

LAB: Final = "lyceum"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the demo. `role` is how demo.json calls them."""

    role: str
    email: str
    name: str
    roles: tuple[Role, ...] = ()
    organisation: str = "Northfield University"
    position: Position = Position.POSTDOC


PEOPLE: Final = (
    Person("manager", "manager@lyceum.example", "Mara Lindqvist", (Role.MANAGER, Role.ADMINISTRATOR), "Lyceum Laboratory", Position.STAFF),
    Person("reviewer", "reviewer1@lyceum.example", "Ada Okafor", (Role.REVIEWER,), "Lyceum Laboratory", Position.STAFF),
    Person("reviewer", "reviewer2@lyceum.example", "Jonas Weber", (Role.REVIEWER,), "Lyceum Laboratory", Position.STAFF),
    Person("researcher", "researcher@northfield.example", "Ines Duarte"),
    Person("applicant", "applicant@northfield.example", "Tomas Hale"),
    Person("stranger", "stranger@northfield.example", "Noor Bakker"),
)  # fmt: skip


def institutions() -> None:
    """The fictional sample of the register, once."""
    if not Institution.objects.exists():
        import_register(ror.read(ror.SAMPLE), by=None)


def lab() -> Lab:
    """The demo's lab, made at first need."""
    found = Lab.objects.filter(slug=LAB).first()
    return found or create_lab(
        slug=LAB,
        name="Lyceum Laboratory",
        by=None,
        summary="A small laboratory that trains small language models in the open and shows its work.",
        contact="manager@lyceum.example",
    )


def person(who: Person, password: str) -> tuple[User, str]:
    """The account, with a verified address and its roles; (user, password). An empty password asks for a new one."""
    secret = password or secrets.token_urlsafe(12)
    user = User.objects.filter(email=who.email).first()
    if user is None:
        user = register(email=who.email, name=who.name, password=secret)
        update_profile(by=user, name=who.name, place=Place(who.organisation, position=who.position))
    elif not password:
        user.set_password(secret)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(user=user, email=who.email, defaults={"verified": True, "primary": True})
    for role in who.roles:
        give_role(user=user, lab=lab(), role=role, by=None)
    return user, secret
