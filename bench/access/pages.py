"""Which pages are asked for, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from django.urls import reverse

from bench.access.asking import Asker, Cost, queries, timed
from portal.access.application_models import Application
from portal.access.crowd.scene import Scene, scene
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.workflow import WAITING
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions as releases
from releases.ingest import ingest
from releases.models import Model
from tests.releases.folders import model_folder

GATE = 2
"""Of the crowd's gates, the one with a model behind it; its agreement was changed."""


@dataclass(frozen=True)
class Page:
    """One address, and who asks for it."""

    name: str
    asker: Asker
    url: str


@dataclass(frozen=True)
class Row:
    """What was measured of one page."""

    queries: int
    costs: list[Cost]


def publish(home: Path) -> None:
    """Put a model behind one of the crowd's gates; the second time nothing happens."""
    made = scene()
    if not Model.objects.filter(name="gated").exists():
        gate = made.gates[GATE]
        model = releases.open_model(lab=made.lab, name="gated", by=made.manager, gate=gate, summary="For measuring.")
        ingest(model_folder(home / "gated"), model=model, by=made.manager, publish=True)


def measure(rounds: int) -> dict[str, Row]:
    """Each page once to warm it, once to count, then `rounds` times, one page after the other in each round."""
    wanted = pages()
    counts = {page.name: queries(page.asker, page.url) for page in wanted for _ in range(2)}
    costs: dict[str, list[Cost]] = {page.name: [] for page in wanted}
    for _ in range(rounds):
        for page in wanted:
            costs[page.name].append(timed(page.asker, page.url))
    return {name: Row(counts[name], costs[name]) for name in costs}


def pages() -> list[Page]:
    """The pages of today's crowd."""
    made = scene()
    gate = made.gates[GATE]
    reviewer, manager = Asker.session(made.reviewers[0]), Asker.session(made.manager)
    waiting, holder = _waiting(made), _holder(gate)
    agreement = [made.lab.slug, gate.agreement.slug]
    model, queue, grants = [made.lab.slug, "gated"], reverse("access:queue"), reverse("access:grants")
    found = [
        ("queue", reviewer, queue),
        ("queue, red lane", reviewer, f"{queue}?lane=red"),
        ("queue, late", reviewer, f"{queue}?late=yes"),
        ("queue, a name", reviewer, f"{queue}?q=lindqvist"),
        ("queue, an institution", reviewer, f"{queue}?institution=Northfield"),
        ("queue, closed, page 20", reviewer, f"{queue}?show=closed&page=20"),
        ("review", reviewer, reverse("access:review", args=[waiting.pk])),
        ("status, waiting", Asker.session(waiting.applicant), waiting.get_absolute_url()),
        ("one’s applications and grants", Asker.session(holder), reverse("access:mine")),
        ("“why?”, granted", Asker.session(holder), reverse("releases:why", args=model)),
        ("“why?”, waiting", Asker.session(waiting.applicant), reverse("releases:why", args=model)),
        ("grants", reviewer, grants),
        ("grants, a name", reviewer, f"{grants}?q=lindqvist"),
        ("grants, end within 30 days", reviewer, f"{grants}?within=30"),
        ("agreement, outstanding", manager, reverse("access:agreement_outstanding", args=agreement)),
        ("agreement, before publishing", manager, reverse("access:agreement", args=agreement)),
        ("numbers", reviewer, reverse("access:numbers")),
        ("audit trail (operator)", Asker.session(_operator()), reverse("admin:audit_entry_changelist")),
        ("institutions, two words", Asker.session(holder), reverse("people:institutions") + "?q=north+inst"),
        ("institutions, two letters", Asker.session(holder), reverse("people:institutions") + "?q=un"),
        ("Hub: may I download?", _bearer(holder, Kind.DOWNLOAD), f"/api/models/{made.lab.slug}/gated/auth-check"),
        (
            "Hub: access requests",
            _bearer(made.reviewers[0], Kind.REVIEW),
            f"/api/models/{made.lab.slug}/gated/user-access-request/pending",
        ),
    ]
    return [Page(*each) for each in found]


def _waiting(made: Scene) -> Application:
    """From the middle of the queue of the gate with a model."""
    line = Application.objects.filter(gate=made.gates[GATE], status__in=WAITING).order_by("submitted_at")
    return line.select_related("applicant")[line.count() // 2]


def _holder(gate: Gate) -> User:
    return Grant.objects.active().filter(gate=gate).select_related("user").order_by("pk")[0].user


def _operator() -> User:
    name = "operator@crowd.example"
    make: Callable[..., User] = User.objects.create_superuser
    return User.objects.filter(email=name).first() or make(name, None, name="The Operator")


def _bearer(user: User, kind: Kind) -> Asker:
    return Asker.bearer(tokens.issue(by=user, kind=kind, label=f"bench {uuid4()}")[1])
