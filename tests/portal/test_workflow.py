"""The table of an application's life, held against the database and against the actions."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.access import actions
from portal.access.application_models import Application, Decline
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.access.workflow import DECIDED, OPEN, TABLE, Party, Status, Verb, next_status, verbs
from portal.errors import WeighbridgeError
from tests.portal import world


def test_every_status_is_reached_and_every_open_one_can_be_left():
    reached = {Status.DRAFT} | {target for target, _ in TABLE.values()}
    assert reached == set(Status)
    closed = {at for at, _ in TABLE} - OPEN
    assert closed == {Status.DECLINED}, "a decline can be appealed; else closed applications have no verbs"


def test_only_a_person_declines_and_only_the_applicant_signs():
    assert {party for (_, verb), (_, may) in TABLE.items() if verb == Verb.DECLINE for party in may} == {Party.REVIEWER}
    assert {party for (_, verb), (_, may) in TABLE.items() if verb == Verb.SIGN for party in may} == {Party.APPLICANT}


@given(st.sampled_from(Status), st.sampled_from(Verb), st.sets(st.sampled_from(Party)))
def test_the_buttons_are_exactly_what_the_guard_lets_through(status, verb, parties):
    assert (verb in verbs(status, parties)) == (next_status(status, verb, parties) is not None)


@pytest.mark.parametrize("status", list(Status))
def test_the_database_takes_every_status_of_the_table_in_its_proper_shape(lyceum, mara, status):
    now = timezone.now()
    sent = {} if status == Status.DRAFT else {"submitted_at": now, "rounds": 1}
    decided = {"decided_at": now, "decided_by": lyceum.manager} if status in DECIDED else {}
    reason = {"reason": Decline.OTHER} if status in {Status.DECLINED, Status.APPEALED} else {}
    Application.objects.create(gate=lyceum.gate, applicant=mara, status=status, **sent, **decided, **reason)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "blessed"},
        {"status": Status.SUBMITTED},
        {"status": Status.APPROVED, "sent": True},
        {"status": Status.GRANTED, "sent": True},
        {"status": Status.DECLINED, "sent": True, "decided": True},
        {"status": Status.IN_REVIEW, "sent": True, "decided": True},
        {"status": Status.DRAFT, "sent": True},
        {"status": Status.SUBMITTED, "sent": True, "reason": Decline.OTHER},
        {"status": Status.APPEALED, "sent": True, "decided": True},
    ],
)
def test_the_database_refuses_what_the_table_cannot_make(lyceum, mara, wrong):
    now = timezone.now()
    sent = {"submitted_at": now, "rounds": 1} if wrong.pop("sent", False) else {}
    decided = {"decided_at": now, "decided_by": lyceum.manager} if wrong.pop("decided", False) else {}
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.create(gate=lyceum.gate, applicant=mara, **wrong, **sent, **decided)


def test_the_database_refuses_a_decision_by_nobody(lyceum, mara):
    application = lyceum.approved(mara)
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.filter(pk=application.pk).update(decided_by=None)


def test_the_database_refuses_a_second_open_application(lyceum, mara):
    lyceum.applied(mara)
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.create(gate=lyceum.gate, applicant=mara)


MOVES = (
    "save",
    "submit",
    "start",
    "approve1",
    "approve2",
    "approve3",
    "changes",
    "decline",
    "withdraw",
    "appeal",
    "uphold",
    "sign",
    "lapse",
)


def act(move, w, person):
    """One command of somebody, on whatever the person's newest application is."""
    found = Application.objects.filter(applicant=person).order_by("-created_at").first()
    if move == "save":
        return actions.save_draft(by=person, gate=w.gate, answers=world.ANSWERS)
    if found is None:
        return None
    if move.startswith("approve"):
        return actions.cast_vote(by=w.reviewers[int(move[-1]) - 1], application=found, vote=Vote.APPROVE)
    commands = {
        "submit": lambda: actions.submit(by=person, application=found),
        "start": lambda: actions.start_review(by=w.reviewers[0], application=found),
        "changes": lambda: actions.request_changes(by=w.reviewers[0], application=found, message="More."),
        "decline": lambda: actions.decline(
            by=w.reviewers[1], application=found, reason=Decline.DETAIL, message="Too thin."
        ),
        "appeal": lambda: actions.appeal(by=person, application=found, text="You misread me."),
        "uphold": lambda: actions.uphold(by=w.reviewers[0], application=found, message="It stands."),
        "withdraw": lambda: actions.withdraw(by=person, application=found),
        "sign": lambda: w.signed(person, found),
        "lapse": lambda: actions.lapse(application=found),
    }
    return commands[move]()


def holds(w):
    """What must be true whatever was done before."""
    for application in Application.objects.all():
        votes = application.reviews.filter(round=application.rounds, vote=Vote.APPROVE)
        if application.status in {Status.APPROVED, Status.GRANTED}:
            assert votes.values("reviewer").distinct().count() >= application.quorum
        if application.status in {Status.SUBMITTED, Status.CHANGES_REQUESTED}:
            assert application.decided_at is None
    assert Application.objects.open().count() <= 1
    for grant in Grant.objects.active():
        assert grant.user.signatures.filter(version=w.version).exists()
        assert grant.application.status == Status.GRANTED
    assert Grant.objects.active().count() <= 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(MOVES), min_size=4, max_size=14))
def test_no_order_of_commands_breaks_the_promises(lyceum, mara, moves):
    with transaction.atomic():
        for move in moves:
            try:
                with transaction.atomic():
                    act(move, lyceum, mara)
            except WeighbridgeError:
                pass
            holds(lyceum)
        transaction.set_rollback(True)
