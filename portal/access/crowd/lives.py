"""One invented person and all that they leave: an application with its history, grants, signatures, audit entries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from allauth.account.models import EmailAddress
from django.db.models import Model

from portal import signing
from portal.access.actions.moves import EVENTS
from portal.access.application_models import Application, Decline, Lane, Step, Submission
from portal.access.crowd import words
from portal.access.crowd.scene import Scene
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.review_models import Review, Vote
from portal.access.workflow import Status, Verb
from portal.agreements import receipts
from portal.agreements.models import Signature, Version
from portal.audit.events import Event
from portal.audit.models import Entry
from portal.people.models import Affiliation, User
from portal.projects.models import Kind, Project, ProjectMember

YEAR: Final = timedelta(days=365)
EVENTS_EACH: Final = 20
GRANTS_EACH: Final = 2
UNUSABLE: Final = "!crowd"
"""No password fits."""
RECENT: Final = (
    *(Status.SUBMITTED,) * 7, *(Status.IN_REVIEW,) * 5, *(Status.CHANGES_REQUESTED,) * 2, Status.APPROVED, Status.GRANTED,
    *(Status.GRANTED,) * 2, *(Status.DECLINED,) * 2, Status.WITHDRAWN,
)  # fmt: skip
"""Where applications of the last month stand."""
OLDER: Final = (
    *(Status.GRANTED,) * 26, *(Status.DECLINED,) * 14, *(Status.WITHDRAWN,) * 4, *(Status.LAPSED,) * 3,
    Status.IN_REVIEW, Status.CHANGES_REQUESTED, Status.SUBMITTED,
)  # fmt: skip
PATHS: Final[dict[Status, tuple[Verb, ...]]] = {
    Status.SUBMITTED: (),
    Status.IN_REVIEW: (Verb.START_REVIEW,),
    Status.CHANGES_REQUESTED: (Verb.START_REVIEW, Verb.REQUEST_CHANGES),
    Status.APPROVED: (Verb.START_REVIEW, Verb.APPROVE),
    Status.GRANTED: (Verb.START_REVIEW, Verb.APPROVE, Verb.SIGN),
    Status.DECLINED: (Verb.START_REVIEW, Verb.DECLINE),
    Status.WITHDRAWN: (Verb.WITHDRAW,),
    Status.LAPSED: (Verb.START_REVIEW, Verb.REQUEST_CHANGES, Verb.LAPSE),
}
"""What happened between sending and each of these."""


@dataclass(slots=True)
class Life:
    """What one person leaves, as rows that are not written yet, in an order in which they can be."""

    scene: Scene
    number: int
    """Of the application, as the portal counts them."""
    arrived: datetime
    now: datetime
    rng: Random
    rows: dict[type[Model], list[Model]] = field(default_factory=lambda: defaultdict(list))
    user: User = field(init=False)
    answers: dict[str, Any] = field(init=False)

    def keep(self, row: Model) -> None:
        """One more row."""
        self.rows[type(row)].append(row)

    def note(self, event: Event, at: datetime, by: User | None, target: Model, **data: Any) -> None:
        """One more audit entry: the trail fills in its digest and its place."""
        self.keep(
            Entry(
                at=min(at, self.now),
                event=event.value,
                actor_id=str(by.pk) if by else "",
                actor=str(by or "system"),
                target_type=target._meta.label_lower,
                target_id=str(target.pk),
                lab=self.scene.lab.slug,
                data=data,
            )
        )


def life(scene: Scene, number: int, arrived: datetime, now: datetime, rng: Random) -> dict[type[Model], list[Model]]:
    """The rows of one life, by model."""
    lived = Life(scene, number, arrived, now, rng)
    _person(lived)
    gates = rng.sample(scene.gates, GRANTS_EACH + 1)
    application = _application(lived, gates[0])
    granted = application if application.status == Status.GRANTED else None
    for gate in gates[:GRANTS_EACH] if granted else gates[1:]:
        _grant(lived, gate, application if gate == application.gate else None)
    _readings(lived, application)
    return lived.rows


def _person(lived: Life) -> None:
    organisation, klass, domain = words.place(lived.rng)
    name, email = words.person(lived.number, domain, lived.rng)
    joined = lived.arrived - timedelta(days=lived.rng.randint(1, 20))
    user = User(email=email, name=name, password=UNUSABLE, joined_at=joined)
    lived.user, lived.answers = user, words.answers(name, organisation, klass, lived.rng)
    lived.keep(user)
    lived.keep(EmailAddress(user=user, email=email, verified=True, primary=True))
    lived.keep(
        Affiliation(
            user=user, organisation=organisation, klass=klass, country=lived.answers["country"], starts_at=joined
        )
    )
    lived.note(Event.USER_REGISTERED, joined, user, user)
    _project(lived, "Personal", Kind.PERSONAL, joined)


def _project(lived: Life, title: str, kind: Kind, at: datetime) -> Project:
    lab = lived.scene.lab if kind == Kind.GRANTED else None
    project = Project(title=title[:160], kind=kind, lab=lab, owner=lived.user, created_at=at)
    lived.keep(project)
    lived.keep(ProjectMember(project=project, user=lived.user, joined_at=at))
    lived.note(Event.PROJECT_OPENED, at, lived.user, project, kind=kind)
    return project


def _application(lived: Life, gate: Gate) -> Application:
    status = lived.rng.choice(RECENT if lived.now - lived.arrived < timedelta(days=30) else OLDER)
    row = Application(
        number=lived.number, gate=gate, applicant=lived.user, status=status, answers=lived.answers, rounds=1,
        quorum=gate.quorum, version=2 + len(PATHS[status]), capabilities=lived.answers["capabilities"],
        created_at=lived.arrived - timedelta(hours=2), updated_at=lived.arrived, submitted_at=lived.arrived,
    )  # fmt: skip
    row.lane, rules = _lane(lived)
    row.triage = {"version": 1, "rules": rules}
    lived.keep(row)
    lived.keep(
        Submission(
            application=row,
            round=1,
            answers=lived.answers,
            form_spec=gate.form_spec,
            form_version=gate.form_version,
            submitted_at=lived.arrived,
        )
    )
    lived.note(Event.APPLICATION_STARTED, row.created_at, lived.user, row, gate=gate.slug)
    _history(lived, row)
    return row


def _lane(lived: Life) -> tuple[str, list[str]]:
    """Lane and rules, by the first rules that every lab begins with."""
    if lived.answers["commercial"] == "yes":
        return Lane.RED, ["restricted-use"]
    if lived.answers["affiliation_class"] == "industry_research":
        return Lane.RED, ["industry"]
    if lived.answers["role"] in {"student", "phd"}:
        return Lane.AMBER, ["student"]
    return (Lane.GREEN, ["institution-verified"]) if lived.rng.random() < 0.4 else (Lane.AMBER, ["independent"])


def _history(lived: Life, row: Application) -> None:
    """Steps, votes and decision, some days apart, none in the future."""
    at, status = lived.arrived, Status.SUBMITTED
    reviewer = lived.rng.choice(lived.scene.reviewers)
    for verb in (Verb.SUBMIT, *PATHS[Status(row.status)]):
        by = {Verb.LAPSE: None}.get(verb, lived.user if verb in {Verb.SUBMIT, Verb.WITHDRAW, Verb.SIGN} else reviewer)
        at = min(at + timedelta(hours=lived.rng.expovariate(1 / 50)), lived.now) if verb != Verb.SUBMIT else at
        status = AFTER[verb]
        _move(lived, row, verb, by, at)
        lived.keep(Step(application=row, verb=verb, status=status, by=by, at=at, message=SAID.get(verb, "")))
        lived.note(EVENTS[verb], at, by, row, gate=row.gate.slug)
    row.updated_at = at


AFTER: Final = {
    Verb.SUBMIT: Status.SUBMITTED, Verb.START_REVIEW: Status.IN_REVIEW, Verb.REQUEST_CHANGES: Status.CHANGES_REQUESTED,
    Verb.APPROVE: Status.APPROVED, Verb.DECLINE: Status.DECLINED, Verb.SIGN: Status.GRANTED,
    Verb.WITHDRAW: Status.WITHDRAWN, Verb.LAPSE: Status.LAPSED,
}  # fmt: skip
SAID: Final = {
    Verb.REQUEST_CHANGES: "Please say which cluster will hold the weights, and who administers it.",
    Verb.DECLINE: "The description does not say what will be measured. You may apply again with a plan.",
}


def _move(lived: Life, row: Application, verb: Verb, by: User | None, at: datetime) -> None:
    """What one step leaves on the application, and the votes behind it."""
    if verb == Verb.START_REVIEW:
        row.first_seen_at, row.assignee = at, by
    if verb == Verb.REQUEST_CHANGES:
        row.change, row.message = "custody", SAID[verb]
    if verb in {Verb.APPROVE, Verb.DECLINE}:
        row.decided_at, row.decided_by = at, by
        _vote(lived, row, Vote(verb.value), at)
    if verb == Verb.DECLINE:
        row.reason, row.message = Decline.DETAIL, SAID[verb]


def _vote(lived: Life, row: Application, vote: Vote, at: datetime) -> None:
    voters = lived.rng.sample(lived.scene.reviewers, row.quorum if vote == Vote.APPROVE else 1)
    for voter in voters:
        lived.keep(Review(application=row, reviewer=voter, round=1, vote=vote, note="", cast_at=at))
        lived.note(Event.APPLICATION_REVIEWED, at, voter, row, gate=row.gate.slug, round=1)


def _grant(lived: Life, gate: Gate, application: Application | None) -> None:
    """The grant that an application became; or one that was given before applications were made here."""
    begun = application.updated_at if application else lived.now - timedelta(days=lived.rng.randint(40, 700))
    project = _project(lived, lived.answers["title"], Kind.GRANTED, begun)
    row = Grant(
        project=project, user=lived.user, gate=gate, application=application, capabilities=["download", "query"],
        starts_at=begun, ends_at=begun + YEAR, created_at=begun,
    )  # fmt: skip
    _end(lived, row)
    lived.keep(row)
    first, *later = lived.scene.versions[gate.agreement_id]
    _sign(lived, first, row, begun)
    if later and lived.rng.random() < 0.2:
        _sign(lived, later[-1], row, lived.now)
    lived.note(Event.GRANT_GIVEN, begun, lived.user, row, gate=gate.slug)


def _end(lived: Life, row: Grant) -> None:
    """Some ended and were closed out, some are paused, a few were revoked."""
    drawn, manager = lived.rng.random(), lived.scene.manager
    if row.ends_at <= lived.now:
        row.deletion_due_at = row.ends_at + timedelta(days=14)
        if drawn < 0.7 and (left := row.ends_at + timedelta(days=3)) < lived.now:
            row.closed_out_at, row.deleted_on, row.deletion_due_at = left, left.date(), None
            row.closed_out_name, row.closed_out_statement = lived.user.name, "Every copy is deleted."
    elif drawn < 0.02:
        row.suspended_at, row.suspended_by, row.suspended_reason = lived.now, manager, "A question about custody."
    elif drawn < 0.05:
        row.revoked_at, row.revoked_by, row.revoked_reason = lived.now, manager, "The weights were passed on."
        row.deletion_due_at = lived.now + timedelta(days=14)


def _sign(lived: Life, version: Version, grant: Grant, at: datetime) -> None:
    receipt, lab = uuid.uuid4(), lived.scene.lab
    document = {
        **grant.facts(), "gate": grant.gate.title, "format": receipts.FORMAT, "receipt": str(receipt), "lab": lab.name,
        "agreement": version.agreement.title, "version": version.number, "text_sha256": version.sha256,
        "signed_by": lived.user.name, "capacity": "for myself", "signed_at": at.isoformat(timespec="seconds"),
    }  # fmt: skip
    key_id, seal = signing.seal(document)
    row = Signature(
        version=version, user=lived.user, application=str(grant.application_id or ""), typed_name=lived.user.name,
        capacity="for myself", text_sha256=version.sha256, signed_at=at, receipt_id=receipt, document=document,
        document_sha256=signing.digest(document), key_id=key_id, seal=seal,
    )  # fmt: skip
    lived.keep(row)
    # The row has no number yet: the entry names the receipt.
    lived.note(Event.AGREEMENT_SIGNED, at, lived.user, grant, receipt=str(receipt), version=version.number)


def _readings(lived: Life, application: Application) -> None:
    """Reviewers read, until there are EVENTS_EACH entries."""
    span = (lived.now - lived.arrived).total_seconds()
    for _ in range(EVENTS_EACH - len(lived.rows[Entry])):
        at = lived.arrived + timedelta(seconds=lived.rng.random() * span)
        lived.note(Event.PRIVATE_READ, at, lived.rng.choice(lived.scene.reviewers), application, what="answers")
