"""Builders of institutional agreements: an official who has shown where they work, an agreement in force, seats."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.core import mail
from django.utils import timezone

from portal.access import actions
from portal.access.gate_models import Gate
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.models import Grant
from portal.outbox.models import Message
from portal.people import ror
from portal.people.affiliation_actions import Place, affiliate, confirm_address, mail_proof
from portal.people.institution_actions import import_register
from portal.people.models import Institution, User
from tests.portal import world
from tests.portal.world import World

HOME = "Northfield University"
DOMAIN = "northfield.example"


def register() -> None:
    """The sample of the register, once."""
    if not Institution.objects.exists():
        import_register(ror.read(ror.SAMPLE), by=None)


def mailed(template: str, to: str = "") -> dict[str, Any]:
    """The context of the newest mail of this kind."""
    sent = Message.objects.filter(topic="mail.send", payload__template=template)
    return (sent.filter(payload__to=to) if to else sent).order_by("-pk")[0].payload["context"]


def secret(template: str, to: str = "") -> str:
    """The secret of the link in the newest mail of this kind: waiting in the outbox, or delivered and forgotten there."""
    waits = Message.objects.filter(topic="mail.send", payload__template=template, payload__has_key="context")
    if (waits.filter(payload__to=to) if to else waits).exists():
        return str(mailed(template, to)["path"]).rstrip("/").rpartition("/")[2]
    bodies = [str(each.body) for each in mail.outbox if not to or each.to == [to]]
    return re.findall(r"/([\w-]{40,})/", bodies[-1])[0]


def at_home(name: str, address: str = "", *, home: str = HOME) -> User:
    """Somebody who has shown, by an address there, that they work at an institution of the register."""
    register()
    user = world.person(name, address)
    affiliate(by=user, place=Place(home))
    domain = Institution.objects.get(name=home).domains[0]
    proof = address or f"{name.lower().replace(' ', '.')}.{user.pk.hex[:4]}@{domain}"
    mail_proof(by=user, address=proof)
    confirm_address(by=user, secret=secret("institution_confirm", proof))
    return user


def asked(gate: Gate, official: User, *, seats: int = 3, days: int = 730) -> InstitutionalAgreement:
    """An agreement that its official has asked for."""
    return actions.ask_institutional(
        by=official, gate=gate, office="vice-rector for research", purpose="Dissertations.", seats=seats, days=days
    )


def signed(agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    """The official's signature under an offer."""
    version = agreement.gate.agreement.current()
    assert version is not None
    official = agreement.official
    return actions.sign_institutional(
        by=official, agreement=agreement, typed_name=official.name, text_sha256=version.sha256
    )


def in_force(w: World, official: User | None = None, **terms: int) -> InstitutionalAgreement:
    """An agreement in force, by the whole way."""
    made = asked(w.gate, official or at_home("Ingrid Solberg"), **terms)
    made = actions.approve_institutional(by=w.manager, agreement=made, seats=made.seats, days=made.days)
    return signed(made)


def fresh(agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    """As it stands in the database now."""
    return InstitutionalAgreement.objects.get(pk=agreement.pk)


def invited(agreement: InstitutionalAgreement, *people: User) -> list[str]:
    """Invite people at their account addresses; the secrets of their links."""
    done, refused = actions.invite_to_roster(
        by=agreement.official, agreement=agreement, text="\n".join(p.email for p in people)
    )
    assert (len(done), refused) == (len(people), [])
    return [secret("roster_invited", each.email) for each in people]


def accept(user: User, link: str, agreement: InstitutionalAgreement) -> Grant:
    """The member's word."""
    version = agreement.gate.agreement.current()
    assert version is not None
    return actions.accept_seat(by=user, secret=link, typed_name=user.name, text_sha256=version.sha256)


def member(name: str) -> User:
    """Somebody whose account address is at the institution."""
    user = world.person(name)
    User.objects.filter(pk=user.pk).update(email=f"{user.pk.hex[:10]}@{DOMAIN}")
    user.refresh_from_db()
    return user


def seated(agreement: InstitutionalAgreement, user: User) -> Grant:
    """A seat, by invitation."""
    return accept(user, invited(agreement, user)[0], agreement)


def shift(agreement: InstitutionalAgreement, **days: int) -> InstitutionalAgreement:
    """Move dates of an agreement, in days from now: the clock without waiting."""
    moments = {name: timezone.now() + timedelta(days=n) for name, n in days.items()}
    InstitutionalAgreement.objects.filter(pk=agreement.pk).update(**moments)
    agreement.refresh_from_db()
    return agreement
