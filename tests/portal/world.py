"""Builders for tests: a lab with its staff, a gate, and people who come to it. All through the real actions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from portal.access import actions
from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.agreements import actions as agreements
from portal.agreements.models import Agreement, Version
from portal.outbox.models import Message
from portal.people.actions import create_lab, give_role, register
from portal.people.affiliation_actions import Place, affiliate
from portal.people.models import Lab, Role, User
from tests import copies

_count = itertools.count(1)
PASSWORD = "a-long-enough-passphrase"
TEXT = "Noncommercial Research Agreement\n\n1. Research only.\n2. No passing on of weights.\n"

CROWDS = [400, pytest.param(10_000, marks=pytest.mark.drill)]
"""How many rows make a page full: some always, ten thousand in the drill."""
ANSWERS: dict[str, Any] = {
    "legal_name": "Mara Lindqvist",
    "role": "postdoc",
    "institution": {"name": "University of Northfield", "ror": "", "site": "https://www.northfield.example"},
    "affiliation_class": "academia",
    "country": "EE",
    "title": "How small models forget",
    "summary": "We compare the state of a model before a divergence with its state after recovery, layer by layer. "
    * 2,
    "method": "We load both checkpoints, compute representations on a fixed set of texts and compare them. " * 2,
    "capabilities": ["download", "query"],
    "funding": "none",
    "commercial": "no",
    "military": "no",
    "surveillance": "no",
    "biometric": "no",
    "privacy": "no",
    "redistribution": "no",
    "storage": "The department's cluster, two administrators, encrypted disks.",
    "deletion": True,
    "accuracy": True,
}


def counted() -> None:
    """Have PostgreSQL count its tables after many rows were put there.

    What it counted before outlives the test that asked, and would choose the plans. So the empty ones are left out: a
    table that was counted while it had pages and no rows is taken for empty by the plans of every later test.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_stat_user_tables WHERE pg_relation_size(relid) > 0")
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT 1 FROM "{name}" LIMIT 1')
            if cursor.fetchone():
                cursor.execute(f'ANALYZE "{name}"')


def person(name: str, email: str = "") -> User:
    """Somebody with an account; each has a mail domain of their own unless one is given."""
    number = next(_count)
    return register(email=email or f"person{number}@place{number}.example", name=name, password=PASSWORD)


def work_at(place: str, *people: User) -> None:
    """Their present place of work, as they say; the register does not know it."""
    told = Place(organisation=place, klass="academia", site="https://www.place.example", country="NL")
    for each in people:
        affiliate(by=each, place=told)


def browser(user: User) -> Client:
    """Theirs, signed in."""
    client = Client()
    client.force_login(user)
    return client


def active(user: User) -> bool:
    """Whether any grant of theirs holds now."""
    return Grant.objects.active().filter(user=user).exists()


def mails(template: str) -> int:
    """How many of this kind were put into the outbox."""
    return Message.objects.filter(topic="mail.send", payload__template=template).count()


@dataclass
class World:
    """One lab with a manager, two reviewers, an agreement and a gate that wants both reviewers."""

    lab: Lab
    manager: User
    reviewers: list[User]
    agreement: Agreement
    version: Version
    gate: Gate
    extra: dict[str, Any] = field(default_factory=dict)

    def applied(self, by: User, **changes: Any) -> Application:
        """An application, sent."""
        draft = actions.save_draft(by=by, gate=self.gate, answers={**ANSWERS, "legal_name": by.name, **changes})
        return actions.submit(by=by, application=draft)

    def approved(self, by: User) -> Application:
        """An application that the quorum has approved."""
        application = self.applied(by)
        for reviewer in self.reviewers[: self.gate.quorum]:
            application = actions.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)
        return application

    def granted(self, by: User) -> Grant:
        """A grant, by the whole way."""
        return self.signed(by, self.approved(by))

    def signed(self, by: User, application: Application) -> Grant:
        """The signature under an approved application."""
        version = self.agreement.current()
        assert version is not None
        return actions.sign(
            by=by, application=application, typed_name=by.name, capacity="for myself", text_sha256=version.sha256
        )


def build(slug: str = "lyceum", *, quorum: int = 2, gate: str = "", **settings: Any) -> World:
    """A lab and everything around it."""
    return copies.of(_build, slug, quorum=quorum, gate=gate, **settings)


def _build(slug: str, *, quorum: int, gate: str, **settings: Any) -> World:
    lab = create_lab(slug=slug, name=f"{slug.title()} Laboratory", by=None)
    manager = person("Noor Haddad", f"noor@{slug}.example")
    give_role(user=manager, lab=lab, role=Role.MANAGER, by=None)
    reviewers = [person(f"Reviewer {n}", f"reviewer{n}@{slug}.example") for n in range(1, 4)]
    for reviewer in reviewers:
        give_role(user=reviewer, lab=lab, role=Role.REVIEWER, by=None)
    agreement = agreements.create_agreement(by=manager, lab=lab, slug="research", title="Research Agreement")
    version = agreements.publish_version(by=manager, agreement=agreement, text=TEXT, points=["Research only."])
    made = actions.create_gate(
        by=manager, lab=lab, slug=gate or f"{slug}-large", title=f"{slug} large", agreement=agreement, quorum=quorum,
        **settings,
    )  # fmt: skip
    return World(lab=lab, manager=manager, reviewers=reviewers, agreement=agreement, version=version, gate=made)
