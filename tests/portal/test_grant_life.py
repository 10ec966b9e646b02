"""What holders and the lab do with a grant after it is given: renew it, end it, close it out."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.access import actions, lifetime, tasks
from portal.access.application_models import Application, Lane
from portal.access.lifetime import (
    FINAL,
    GRANTS,
    RENEWALS,
    GrantVerb,
    Party,
    RenewalStatus,
    State,
    grant_verbs,
    next_state,
)
from portal.access.lifetime_models import GrantStep, Notice, Renewal
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, WeighbridgeError
from portal.mail import sending
from portal.outbox.models import Message
from portal.people.actions import give_role
from portal.people.models import Affiliation, Role
from tests.portal import world

DAY = timedelta(days=1)
STATEMENT = "I have deleted every copy from the cluster and its backups."


def mails(template):
    return Message.objects.filter(topic="mail.send", payload__template=template)


def green(grant, gate):
    """An application in the green lane, at a gate that renews such without review."""
    Application.objects.filter(pk=grant.application_id).update(lane=Lane.GREEN)
    gate.renew_unchanged = True
    gate.save()


def closed_out(by, grant, **changes):
    words = {"typed_name": by.name, "deleted_on": timezone.now().date(), "statement": STATEMENT, **changes}
    return actions.close_out(by=by, grant=grant, **words)


@pytest.fixture
def grant(lyceum, mara):
    return lyceum.granted(mara)


@pytest.fixture
def near(grant):
    """The time is 30 days before the end of the grant."""
    with time_machine.travel(grant.ends_at - 30 * DAY, tick=False) as clock:
        yield clock


# --- The tables


def test_what_is_over_has_no_way_back():
    ways = {(at, to) for (at, _), (to, _) in GRANTS.items()}
    assert {to for at, to in ways if at in FINAL} == {State.CLOSED_OUT}
    assert {at for at, _ in RENEWALS} == {RenewalStatus.SUBMITTED}


def test_only_a_person_declines_and_only_the_holder_attests():
    assert {p for (_, verb), (_, may) in RENEWALS.items() if verb == "decline" for p in may} == {Party.REVIEWER}
    assert {p for (_, verb), (_, may) in GRANTS.items() if verb == "close_out" for p in may} == {
        Party.HOLDER,
        Party.MEMBER,
    }


@given(st.sampled_from(State), st.sampled_from(GrantVerb), st.sets(st.sampled_from(Party)))
def test_the_buttons_are_what_the_guard_lets_through(state, verb, parties):
    assert (verb in grant_verbs(state, parties)) == (next_state(state, verb, parties) is not None)


@given(st.integers(1, 400), st.integers(0, 500))
def test_of_several_notices_the_latest_is_due_and_none_from_before(life, passed):
    begin = timezone.now()
    end = begin + life * DAY
    found = lifetime.due((60, 30, 7, 0), deadline=end, since=begin, now=begin + passed * DAY)
    left = life - passed
    expected = next((n for n in (0, 7, 30, 60) if left <= n and (n == 0 or n < life)), None)
    assert found == expected


@pytest.mark.parametrize("state", list(State))
def test_a_list_of_a_state_is_what_each_grant_says_of_itself(lyceum, state):
    made = {}
    for name in State:
        person = world.person(f"Person {name}")
        made[name] = lyceum.granted(person)
    actions.suspend_grant(by=lyceum.manager, grant=made[State.SUSPENDED], reason="x")
    actions.revoke_grant(by=lyceum.manager, grant=made[State.REVOKED], reason="x")
    closed_out(made[State.CLOSED_OUT].user, made[State.CLOSED_OUT])
    Grant.objects.filter(pk=made[State.ENDED].pk).update(starts_at=timezone.now() - DAY, ends_at=timezone.now())
    assert [row.pk for row in Grant.objects.in_state(state)] == [made[state].pk]
    assert Grant.objects.get(pk=made[state].pk).state() == state


# --- Renewing


def test_with_nothing_to_report_a_green_grant_is_renewed_at_once_from_its_old_end(lyceum, mara, grant, near):
    green(grant, lyceum.gate)
    renewal = actions.renew(by=mara, grant=grant)
    assert renewal.status == RenewalStatus.GRANTED
    assert renewal.unchanged
    assert renewal.decided_by is None
    grant.refresh_from_db()
    assert grant.ends_at == renewal.ends_from + timedelta(days=365)
    assert Grant.objects.active(renewal.ends_from + DAY).filter(pk=grant.pk).exists()
    assert mails("renewal_granted").count() == 1
    assert not mails("renewal_to_review").exists()


@pytest.mark.parametrize("broken", ["lane", "gate", "report"])
def test_a_renewal_waits_for_a_person_unless_lane_gate_and_report_all_allow(lyceum, mara, grant, near, broken):
    green(grant, lyceum.gate)
    if broken == "lane":
        Application.objects.update(lane=Lane.AMBER)
    if broken == "gate":
        type(lyceum.gate).objects.update(renew_unchanged=False)
    report = {"incidents": "A laptop was lost; it held no weights."} if broken == "report" else {}
    before = grant.ends_at
    renewal = actions.renew(by=mara, grant=grant, report=report)
    assert renewal.status == RenewalStatus.SUBMITTED
    assert {m.payload["to"] for m in mails("renewal_to_review")} == {r.email for r in lyceum.reviewers}
    grant.refresh_from_db()
    assert grant.ends_at == before


def test_a_colleague_of_the_holder_is_not_asked_to_review_a_renewal(lyceum, mara, grant, near):
    for person in (lyceum.reviewers[0], mara):
        Affiliation.objects.update_or_create(
            user=person, ends_at=None, defaults={"organisation": "Eastmark", "klass": "academia"}
        )
    actions.renew(by=mara, grant=grant)
    assert {m.payload["to"] for m in mails("renewal_to_review")} == {r.email for r in lyceum.reviewers[1:]}


def test_one_reviewer_approves_and_the_audit_trail_knows(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant, report={"publications": "One preprint."})
    renewal = actions.approve_renewal(by=lyceum.reviewers[0], grant=grant)
    assert (renewal.status, renewal.decided_by) == (RenewalStatus.GRANTED, lyceum.reviewers[0])
    entries = Entry.objects.filter(event__startswith="renewal.").order_by("id").values_list("event", flat=True)
    assert list(entries) == ["renewal.sent", "renewal.granted"]
    assert "One preprint" not in str(list(Entry.objects.values_list("data", flat=True)))
    assert "One preprint" not in str(list(Message.objects.values_list("payload", flat=True)))
    with pytest.raises(Conflict):
        actions.approve_renewal(by=lyceum.reviewers[1], grant=grant)


def test_a_decline_says_why_and_leaves_the_end(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    with pytest.raises(Invalid):
        actions.decline_renewal(by=lyceum.reviewers[0], grant=grant, message=" ")
    actions.decline_renewal(by=lyceum.reviewers[0], grant=grant, message="The project has ended.")
    before = grant.ends_at
    grant.refresh_from_db()
    assert grant.ends_at == before
    assert grant.deletion_due_at is None, "it runs to its end first"
    assert mails("renewal_declined").count() == 1
    assert actions.renew(by=mara, grant=grant).status == RenewalStatus.SUBMITTED, "one may answer"


def test_nobody_renews_before_sixty_days_twice_or_after_the_end(lyceum, mara, grant):
    with pytest.raises(Conflict, match="can be renewed from"):
        actions.renew(by=mara, grant=grant)
    with time_machine.travel(grant.ends_at - 60 * DAY, tick=False):
        actions.renew(by=mara, grant=grant)
        with pytest.raises(Conflict, match="already"):
            actions.renew(by=mara, grant=grant)
        actions.withdraw_renewal(by=mara, grant=grant)
    with time_machine.travel(grant.ends_at, tick=False), pytest.raises(Conflict):
        actions.renew(by=mara, grant=grant)


def test_a_late_approval_extends_from_the_old_end(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    near.move_to(grant.ends_at + 5 * DAY)
    assert not Grant.objects.active().exists()
    actions.approve_renewal(by=lyceum.reviewers[0], grant=grant)
    old = grant.ends_at
    grant.refresh_from_db()
    assert grant.ends_at == old + timedelta(days=365)
    assert Grant.objects.active().exists()


@pytest.mark.parametrize("ended", ["closed out", "revoked", "standing"])
def test_a_late_approval_reaches_over_no_grant_that_was_given_since(lyceum, mara, grant, near, ended):
    actions.renew(by=mara, grant=grant)
    near.move_to(grant.ends_at + DAY)
    newer = lyceum.granted(mara)
    near.move_to(grant.ends_at + 3 * DAY)
    if ended == "closed out":
        closed_out(mara, newer)
    elif ended == "revoked":
        actions.revoke_grant(by=lyceum.manager, grant=newer, reason="The weights were passed on.")
    with pytest.raises(Conflict, match="newer grant"):
        actions.approve_renewal(by=lyceum.reviewers[0], grant=grant)
    assert actions.decline_renewal(by=lyceum.reviewers[0], grant=grant, message="Apply again.").status == "declined"


def test_a_renewal_that_would_be_over_already_is_not_granted(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, grant_days=30)
    near.move_to(grant.ends_at + 30 * DAY)
    with pytest.raises(Conflict, match="over by now"):
        actions.approve_renewal(by=lyceum.reviewers[0], grant=grant)
    near.move_to(grant.ends_at + 29 * DAY)
    assert actions.approve_renewal(by=lyceum.reviewers[0], grant=grant).ends_to > timezone.now()


def test_a_renewal_never_reaches_past_a_text_that_was_not_signed(lyceum, mara, grant, near):
    newer = agreements.publish_version(
        by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "3. More.\n", change_class=ChangeClass.NOTICE,
        grace_ends_at=timezone.now() + 90 * DAY,
    )  # fmt: skip
    assert Grant.objects.active().exists(), "the old signature holds until the date of grace"
    with pytest.raises(Conflict, match="newer text"):
        actions.renew(by=mara, grant=grant)
    actions.sign_again(by=mara, grant=grant, typed_name=mara.name, capacity="myself", text_sha256=newer.sha256)
    assert actions.renew(by=mara, grant=grant).status == RenewalStatus.SUBMITTED
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "4. Yet more.\n")
    with pytest.raises(Conflict, match="newer text"):
        actions.approve_renewal(by=lyceum.reviewers[0], grant=grant)


def test_neither_strangers_nor_the_holder_nor_colleagues_decide(lyceum, harbour, mara, stranger, grant, near):
    actions.renew(by=mara, grant=grant)
    for outsider in (stranger, harbour.reviewers[0]):
        with pytest.raises(NotFound):
            actions.approve_renewal(by=outsider, grant=grant)
        with pytest.raises(NotFound):
            actions.renew(by=outsider, grant=grant)
    give_role(user=mara, lab=lyceum.lab, role=Role.REVIEWER, by=None)
    for insider in (mara, lyceum.manager):
        with pytest.raises(NotAllowed):
            actions.approve_renewal(by=insider, grant=grant)
    mate = world.person("Mate", "mate@" + mara.email.partition("@")[2])
    give_role(user=mate, lab=lyceum.lab, role=Role.REVIEWER, by=None)
    with pytest.raises(NotAllowed, match="may not judge"):
        actions.decline_renewal(by=mate, grant=grant, message="No.")


def test_what_was_reported_never_changes(lyceum, mara, grant, near):
    renewal = actions.renew(by=mara, grant=grant, report={"changes": "Two new members."})
    with pytest.raises(DatabaseError), transaction.atomic():
        Renewal.objects.filter(pk=renewal.pk).update(changes="None.")
    with pytest.raises(IntegrityError), transaction.atomic():
        Renewal.objects.create(grant=grant, ends_from=grant.ends_at, sent_at=timezone.now())


# --- Ending and closing out


def test_a_revocation_asks_for_deletion_within_the_gates_days(lyceum, mara, grant):
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, deletion_days=10)
    revoked = actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Passed on.")
    assert revoked.deletion_due_at == revoked.revoked_at + 10 * DAY
    sent = mails("grant_revoked").get().payload["context"]
    assert sent["deletion_due"] == sending.moment(revoked.deletion_due_at)
    assert sent["path"] == grant.get_absolute_url()


def test_who_could_only_query_has_nothing_to_delete(lyceum, mara):
    held = lyceum.signed(mara, lyceum.approved(mara))
    Grant.objects.filter(pk=held.pk).update(capabilities=["query"])
    assert actions.revoke_grant(by=lyceum.manager, grant=held, reason="x").deletion_due_at is None


def test_the_holder_attests_and_the_lab_sees_it(lyceum, mara, grant):
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Passed on.")
    assert list(Grant.objects.deletion_overdue()) == []
    with time_machine.travel(timezone.now() + 15 * DAY):
        assert [row.pk for row in Grant.objects.deletion_overdue()] == [grant.pk]
        done = closed_out(mara, grant)
        assert list(Grant.objects.deletion_overdue()) == []
    assert (done.state(), done.closed_out_statement) == (State.CLOSED_OUT, STATEMENT)
    assert {m.payload["to"] for m in mails("grant_closed_out")} == {lyceum.manager.email}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"typed_name": "Somebody Else"}, "typed_name"),
        ({"deleted_on": None}, "deleted_on"),
        ({"deleted_on": timezone.now().date() + 3 * DAY}, "deleted_on"),
        ({"deleted_on": timezone.now().date() - 3 * DAY}, "deleted_on"),
        ({"statement": "  "}, "statement"),
        ({"statement": "x" * 4_001}, "statement"),
    ],
)
def test_half_an_attestation_is_refused_field_by_field(lyceum, mara, grant, changes, field):
    with pytest.raises(Invalid) as refused:
        closed_out(mara, grant, **changes)
    assert set(refused.value.fields) == {field}
    assert Grant.objects.active().exists(), "nothing is left of it"


def test_a_holder_may_end_a_running_grant_and_apply_again(lyceum, mara, grant):
    closed_out(mara, grant)
    assert not Grant.objects.active().exists()
    assert mara.applications.count() == 1
    with pytest.raises(Conflict):
        closed_out(mara, grant)
    again = lyceum.granted(mara)
    assert [row.pk for row in Grant.objects.active()] == [again.pk]


def test_nobody_attests_for_another(lyceum, harbour, grant, stranger):
    with pytest.raises(NotFound):
        closed_out(stranger, grant)
    with pytest.raises(NotFound):
        closed_out(harbour.manager, grant)
    with pytest.raises(NotAllowed):
        closed_out(lyceum.manager, grant)


def test_the_end_of_a_grant_lapses_its_renewal(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="x")
    assert Renewal.objects.get().status == RenewalStatus.LAPSED
    with pytest.raises(Conflict):
        actions.approve_renewal(by=lyceum.reviewers[0], grant=grant)


def test_the_database_lets_nothing_come_back(lyceum, mara, grant):
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="x")
    for change in (
        {"revoked_at": None, "revoked_by": None, "revoked_reason": ""},
        {"ends_at": timezone.now() + 900 * DAY},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            Grant.objects.filter(pk=grant.pk).update(**change)
    closed_out(mara, grant)
    with pytest.raises(DatabaseError), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(closed_out_statement="I kept one.")


def test_the_history_says_who_did_what_and_why(lyceum, mara, grant):
    actions.suspend_grant(by=lyceum.manager, grant=grant, reason="A question.")
    actions.resume_grant(by=lyceum.manager, grant=grant)
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Passed on.")
    steps = GrantStep.objects.filter(grant=grant).values_list("verb", "by__name", "message")
    assert list(steps) == [
        ("suspend", "Noor Haddad", "A question."), ("resume", "Noor Haddad", ""), ("revoke", "Noor Haddad", "Passed on."),
    ]  # fmt: skip


# --- Notices, by the clock


def test_each_notice_is_sent_once_at_60_30_7_and_0_days(grant):
    told = []
    with time_machine.travel(grant.ends_at - 62 * DAY, tick=False) as clock:
        for _ in range(70):
            told.append(tasks.announce_expiries())
            assert tasks.announce_expiries() == 0, "safe to run twice"
            clock.shift(DAY)
    assert [n for n, count in enumerate(told) if count] == [2, 32, 55, 62]
    assert list(Notice.objects.values_list("days", flat=True)) == [60, 30, 7, 0]
    assert (mails("grant_expiring").count(), mails("grant_ended").count()) == (3, 1)


def test_after_a_week_of_downtime_only_the_latest_is_sent(grant):
    with time_machine.travel(grant.ends_at - 31 * DAY, tick=False) as clock:
        assert tasks.announce_expiries() == 1
        clock.shift(32 * DAY)
        assert tasks.announce_expiries() == 1
    assert list(Notice.objects.values_list("days", flat=True)) == [60, 0]


def test_who_cannot_renew_is_not_asked_to(lyceum, mara, grant, near):
    actions.suspend_grant(by=lyceum.manager, grant=grant, reason="A question.")
    tasks.announce_expiries()
    told = mails("grant_expiring").get().payload["context"]
    assert (told["suspended"], told["path"]) == (True, grant.get_absolute_url())
    with pytest.raises(Conflict):
        actions.renew(by=mara, grant=grant)


def test_what_ended_long_ago_and_what_is_over_are_not_news(lyceum, grant, stranger):
    with time_machine.travel(grant.ends_at + 31 * DAY):
        assert tasks.announce_expiries() == 0
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="x")
    with time_machine.travel(grant.ends_at - DAY):
        assert tasks.announce_expiries() == 0


def test_the_end_asks_for_deletion_unless_a_renewal_waits(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    near.move_to(grant.ends_at)
    assert tasks.announce_expiries() == 1
    grant.refresh_from_db()
    assert grant.deletion_due_at is None
    actions.decline_renewal(by=lyceum.reviewers[0], grant=grant, message="The project has ended.")
    grant.refresh_from_db()
    assert grant.deletion_due_at == timezone.now() + 14 * DAY


def test_a_new_grant_keeps_the_copies_of_the_one_that_ran_out(lyceum, mara, grant):
    with time_machine.travel(grant.ends_at + DAY, tick=False) as clock:
        tasks.announce_expiries()
        grant.refresh_from_db()
        assert grant.deletion_due_at is not None
        lyceum.granted(mara)
        clock.shift(20 * DAY)
        assert tasks.remind_of_deletions() == 0


def test_a_deletion_is_reminded_of_at_7_and_1_days_and_when_overdue_until_it_is_attested(lyceum, mara, grant):
    revoked = actions.revoke_grant(by=lyceum.manager, grant=grant, reason="x")
    with time_machine.travel(revoked.revoked_at, tick=False) as clock:
        told = []
        for _ in range(20):
            told.append(tasks.remind_of_deletions() + tasks.remind_of_deletions())
            clock.shift(DAY)
    assert [n for n, count in enumerate(told) if count] == [7, 13, 14]
    assert [m.payload["context"]["overdue"] for m in mails("deletion_reminder").order_by("id")] == [False, False, True]


def test_who_has_attested_is_not_reminded(lyceum, mara, grant):
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="x")
    closed_out(mara, grant)
    with time_machine.travel(timezone.now() + 15 * DAY):
        assert tasks.remind_of_deletions() == 0


# --- Whatever the order

MOVES = (
    *(
        "grant",
        "renew",
        "renew_with_report",
        "approve",
        "decline",
        "withdraw",
        "suspend",
        "resume",
        "revoke",
        "close_out",
    ),
    *("publish", "sign_again", "days_10", "days_50", "days_300", "notices"),
)


def act(move, w, person, clock):
    """One command of somebody, on the person's newest grant."""
    held = Grant.objects.filter(user=person).order_by("-created_at").first()
    if move.startswith("days_"):
        return clock.shift(int(move[5:]) * DAY)
    if move == "notices":
        return tasks.announce_expiries() + tasks.remind_of_deletions()
    if move == "publish":
        return agreements.publish_version(by=w.manager, agreement=w.agreement, text=f"{world.TEXT}{timezone.now()}\n")
    if move == "grant":
        return w.granted(person)
    if held is None:
        return None
    current = w.agreement.current()
    commands = {
        "renew": lambda: actions.renew(by=person, grant=held),
        "renew_with_report": lambda: actions.renew(by=person, grant=held, report={"incidents": "One."}),
        "approve": lambda: actions.approve_renewal(by=w.reviewers[0], grant=held),
        "decline": lambda: actions.decline_renewal(by=w.reviewers[0], grant=held, message="No."),
        "withdraw": lambda: actions.withdraw_renewal(by=person, grant=held),
        "suspend": lambda: actions.suspend_grant(by=w.manager, grant=held, reason="x"),
        "resume": lambda: actions.resume_grant(by=w.manager, grant=held),
        "revoke": lambda: actions.revoke_grant(by=w.manager, grant=held, reason="x"),
        "close_out": lambda: closed_out(person, held),
        "sign_again": lambda: actions.sign_again(
            by=person, grant=held, typed_name=person.name, capacity="myself", text_sha256=current.sha256
        ),
    }
    return commands[move]()


def holds(w, person, over):
    """What must be true whatever was done before; `over` are the grants that were ever revoked or closed out."""
    now = timezone.now()
    active = list(Grant.objects.active())
    assert len(active) <= 1
    for grant in active:
        assert person.signatures.binding(now).filter(version__agreement=w.agreement).exists()
        assert grant.pk not in over
    periods = sorted(Grant.objects.filter(revoked_at=None).values_list("starts_at", "ends_at"))
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(periods))
    assert Renewal.objects.filter(status=RenewalStatus.SUBMITTED).count() <= 1
    over |= {row.pk for row in Grant.objects.all() if row.state() in FINAL}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(MOVES), min_size=4, max_size=16), st.booleans())
def test_no_order_of_commands_gives_access_without_a_signature_twice_or_after_the_end(lyceum, mara, moves, lenient):
    with transaction.atomic(), time_machine.travel(timezone.now(), tick=False) as clock:
        over: set = set()
        type(lyceum.gate).objects.update(renew_unchanged=lenient, auto_approve_green=False, quorum=1)
        lyceum.gate.refresh_from_db()
        for move in ("grant", "days_310", *moves):
            clock.shift(timedelta(minutes=1))
            try:
                with transaction.atomic():
                    act(move, lyceum, mara, clock)
                    if lenient:
                        Application.objects.filter(status="granted").update(lane=Lane.GREEN)
            except WeighbridgeError:
                pass
            holds(lyceum, mara, over)
        transaction.set_rollback(True)
