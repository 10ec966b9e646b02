"""Random people in random order: whatever they do, what the portal promises holds after every step."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from portal.access import actions
from portal.access.application_models import Application, Decline, Step
from portal.access.desk_models import Found
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.review_models import Review, Vote
from portal.access.workflow import OPEN, TABLE, Status, Verb
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass, Signature
from portal.audit import trail
from portal.errors import WeighbridgeError
from portal.people import actions as people
from tests.portal import world
from tests.portal.test_passing import PLAIN, verified

APPLICANTS = 2
STEPS = 30


class Life:
    """One lab, two applicants, and all that anybody can try. A refusal is an answer like any other."""

    def __init__(self) -> None:
        self.world = world.build("lyceum")
        self.applicants = [verified(world.person(f"Person {n}")) for n in range(APPLICANTS)]
        actions.make_rules(by=self.world.manager, lab=self.world.lab, gate=None, text=PLAIN)
        self.passed: set[Any] = set()
        self.staff = [*self.world.reviewers, self.world.manager]

    def attempt(self, verb: str, who: int, by: int) -> bool:
        """Try one thing on the newest application or grant of a person; whether it was done."""
        self.person, self.reviewer = self.applicants[who], self.staff[by]
        self.application = Application.objects.filter(applicant=self.person).order_by("-created_at").first()
        self.grant = Grant.objects.filter(user=self.person).order_by("-created_at").first()
        self.trusted = Gate.objects.get(pk=self.world.gate.pk).auto_approve_green
        try:
            with transaction.atomic():
                getattr(self, verb)()
        except WeighbridgeError:
            return False
        except AttributeError as missing:
            if "NoneType" in str(missing):  # there is no application or grant to try it on
                return False
            raise
        return True

    def save(self) -> None:
        actions.save_draft(by=self.person, gate=self.world.gate, answers=world.ANSWERS | {"legal_name": "P"})

    def save_amber(self) -> None:
        actions.save_draft(by=self.person, gate=self.world.gate, answers={"role": "student"})

    def trust(self) -> None:
        actions.change_gate(by=self.world.manager, gate=self.world.gate, auto_approve_green=True, spot_check_percent=50)

    def distrust(self) -> None:
        actions.change_gate(by=self.world.manager, gate=self.world.gate, auto_approve_green=False)

    def find_wrong(self) -> None:
        actions.make_spot_check(by=self.reviewer, application=self.application, found=Found.WRONG, note="No.")

    def submit(self) -> None:
        actions.submit(by=self.person, application=self.application)

    def withdraw(self) -> None:
        actions.withdraw(by=self.person, application=self.application)

    def again(self) -> None:
        actions.apply_again(by=self.person, application=self.application)

    def start(self) -> None:
        actions.start_review(by=self.reviewer, application=self.application)

    def approve(self) -> None:
        actions.cast_vote(by=self.reviewer, application=self.application, vote=Vote.APPROVE)

    def approve_own(self) -> None:
        actions.cast_vote(by=self.person, application=self.application, vote=Vote.APPROVE)

    def object(self) -> None:
        actions.cast_vote(by=self.reviewer, application=self.application, vote=Vote.DECLINE)

    def recuse(self) -> None:
        actions.cast_vote(by=self.reviewer, application=self.application, vote=Vote.RECUSE)

    def decline(self) -> None:
        actions.decline(by=self.reviewer, application=self.application, reason=Decline.OTHER, message="No.")

    def hand_back(self) -> None:
        actions.request_changes(by=self.reviewer, application=self.application, message="More.")

    def lapse(self) -> None:
        actions.lapse(application=self.application)

    def sign(self) -> None:
        self.world.signed(self.person, self.application)

    def sign_again(self) -> None:
        current = self.world.agreement.current()
        actions.sign_again(
            by=self.person, grant=self.grant, typed_name=self.person.name, capacity="x", text_sha256=current.sha256
        )

    def suspend(self) -> None:
        actions.suspend_grant(by=self.world.manager, grant=self.grant, reason="x")

    def resume(self) -> None:
        actions.resume_grant(by=self.world.manager, grant=self.grant)

    def revoke(self) -> None:
        actions.revoke_grant(by=self.world.manager, grant=self.grant, reason="x")

    def close_account(self) -> None:
        people.suspend(user=self.person, by=self.world.manager, reason="x")

    def open_account(self) -> None:
        people.restore(user=self.person, by=self.world.manager, reason="x")

    def publish_blocking(self) -> None:
        self._publish(ChangeClass.BLOCKING)

    def publish_editorial(self) -> None:
        self._publish(ChangeClass.EDITORIAL)

    def publish_notice(self) -> None:
        self._publish(ChangeClass.NOTICE, grace_ends_at=timezone.now() + timedelta(days=30))

    def _publish(self, change: ChangeClass, **more: Any) -> None:
        number = self.world.agreement.current().number
        agreements.publish_version(
            by=self.world.manager, agreement=self.world.agreement, text=f"{world.TEXT}{number}", change_class=change, **more
        )  # fmt: skip


LIKELY = ("save", "submit", "approve", "approve", "sign")
"""The straight way, so that random lives come far."""
VERBS = (*LIKELY, *(name for name in vars(Life) if not name.startswith("_") and name not in {"attempt", *LIKELY}))


def check(life: Life) -> None:
    """What holds whatever happened, asked without the portal's own rules."""
    for grant in Grant.objects.active():
        assert grant.user.is_active
        assert grant.revoked_at is None
        assert grant.suspended_at is None
        assert _signed_number(grant) >= _needed_number(life), "an active grant without a current signature"
    check_passed(life)
    for application in Application.objects.filter(status__in=[Status.APPROVED, Status.GRANTED], decided_rules=None):
        votes = Review.objects.filter(application=application, round=application.rounds, vote=Vote.APPROVE)
        voters = set(votes.values_list("reviewer", flat=True))
        assert len(voters) >= 2, "a decision without quorum"
        assert application.applicant_id not in voters, "a vote on one's own application"
    held = Counter(Application.objects.filter(status__in=OPEN).values_list("applicant", "gate"))
    assert set(held.values()) <= {1}, "two open applications of one person at one gate"


def check_passed(life: Life) -> None:
    """Rules approve only what is green, sent once, by somebody with a clean past, at a gate that lets them."""
    passed = Application.objects.exclude(decided_rules=None)
    for application in passed.exclude(pk__in=life.passed):
        assert life.trusted, "rules approved at a gate that does not let them"
        assert (application.lane, application.rounds, application.triage["rules"]) == ("green", 1, ["postdoc"])
        before = Application.objects.filter(applicant=application.applicant).exclude(pk=application.pk)
        assert not before.filter(status__in=[Status.DECLINED, Status.APPEALED]).exists(), "approved past a refusal"
        assert not Grant.objects.filter(user=application.applicant, revoked_at__isnull=False).exists()
        assert not application.reviews.exists()
        life.passed.add(application.pk)
    assert not passed.exclude(status__in=[Status.APPROVED, Status.GRANTED, Status.WITHDRAWN, Status.LAPSED]).exists()


def _signed_number(grant: Grant) -> int:
    signed = Signature.objects.filter(user=grant.user, version__agreement=grant.gate.agreement)
    return max(signature.version.number for signature in signed)


def _needed_number(life: Life) -> int:
    """The newest version that no later signature may miss: the first one, or a blocking one since."""
    blocking = life.world.agreement.versions.filter(change_class=ChangeClass.BLOCKING, published_at__isnull=False)
    return max(version.number for version in blocking)


def check_history() -> None:
    """Every step that was written is a row of the table, and the trail is whole."""
    for application in Application.objects.all():
        at = Status.DRAFT
        for step in Step.objects.filter(application=application).order_by("id"):
            if (at, Verb(step.verb)) in TABLE:
                at = TABLE[at, Verb(step.verb)][0]
            assert at == step.status, f"{step.verb} led to {step.status}, which no table says"
    while trail.seal():
        pass
    assert trail.verify()[2] == []


def live(life: Life, tries: list[tuple[str, int, int]]) -> None:
    life.passed = set()
    with transaction.atomic():
        for verb, who, by in tries:
            if life.attempt(verb, who, by):
                event(verb)
                check(life)
        check_history()
        transaction.set_rollback(True)


TRIES = st.lists(
    st.tuples(st.sampled_from(VERBS), st.integers(0, APPLICANTS - 1), st.integers(0, 3)), min_size=8, max_size=STEPS
)
QUICK = settings(
    max_examples=15, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def life(db):
    return Life()


@QUICK
@given(TRIES)
def test_whatever_people_try_the_promises_hold(life, tries):
    live(life, tries)


@pytest.mark.drill
@settings(QUICK, max_examples=1_000)
@given(TRIES)
def test_whatever_people_try_the_promises_hold_at_length(life, tries):
    live(life, tries)


STRAIGHT = [("save", 0, 0), ("submit", 0, 0), ("approve", 0, 0), ("approve", 0, 1), ("sign", 0, 0)]


def test_the_straight_way_ends_with_a_grant_and_a_blocking_version_stops_it(life):
    """The lives above do come this far."""
    assert all(life.attempt(*each) for each in STRAIGHT)
    assert Grant.objects.active().count() == 1
    assert life.attempt("publish_blocking", 0, 0)
    assert Grant.objects.active().count() == 0
    assert life.attempt("sign_again", 0, 0)
    assert Grant.objects.active().count() == 1
    check(life)
    check_history()


def test_the_short_way_ends_with_a_grant_and_the_promises_are_not_idle(life):
    """The lives above do pass by rules, and the check sees it when a gate did not let them."""
    assert all(life.attempt(*each) for each in [("trust", 0, 0), ("save", 0, 0), ("submit", 0, 0), ("sign", 0, 0)])
    assert Application.objects.get().decided_rules == 2
    check(life)
    check_history()
    life.passed, life.trusted = set(), False
    with pytest.raises(AssertionError, match="does not let them"):
        check(life)
