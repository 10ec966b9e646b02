"""Rules approve what is green where a gate lets them: never more than that, in the open, and watched by people."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.access import actions, passes, waiting
from portal.access.application_models import Application, Decline, Lane
from portal.access.desk_models import Found, SpotCheck
from portal.access.gate_models import Gate
from portal.access.review_models import Vote
from portal.access.workflow import TABLE, Party, Status, Verb
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people.actions import give_role
from portal.people.models import Role, User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from tests.portal import world
from tests.portal.world import browser

PLAIN = (
    "green postdoc when answer role is postdoc: A postdoctoral researcher\n"
    "amber student when answer role is student: A student\n"
    "red commercial when declarations include commercial: Commercial use\n"
    "block embargo when answer country is KP: The agreement bars this country\n"
)


def verified(person: User) -> User:
    """The link in the mail was opened."""
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


def trust(w: world.World, *, share: int = 0) -> None:
    """The gate lets its rules approve, and PLAIN are its rules."""
    actions.make_rules(by=w.manager, lab=w.lab, gate=None, text=PLAIN)
    actions.change_gate(by=w.manager, gate=w.gate, auto_approve_green=True, spot_check_percent=share)
    w.gate.refresh_from_db()


@pytest.fixture
def trusting(lyceum):
    trust(lyceum)
    return lyceum


@pytest.fixture
def mara(mara):
    return verified(mara)


def mails(template: str) -> int:
    return Message.objects.filter(payload__template=template).count()


# --- What passes


def test_a_green_application_is_approved_at_once_and_says_by_which_rules(trusting, mara):
    passed = trusting.applied(mara)
    assert (passed.status, passed.lane, passed.decided_by, passed.decided_rules) == (Status.APPROVED, "green", None, 2)
    entry = Entry.objects.get(event="application.approved")
    assert (entry.actor, entry.data["rule_set"], entry.data["rules"]) == ("system", 2, ["postdoc"])
    assert (mails("application_passed"), mails("application_submitted"), mails("application_to_review")) == (1, 0, 0)
    page = browser(mara).get(passed.get_absolute_url()).content.decode()
    assert "Approved by rule set 2 of Lyceum Laboratory, without a reviewer" in page
    assert "A postdoctoral researcher" in page
    assert "Approved by the lab’s rules" in page
    review = browser(trusting.reviewers[0]).get(reverse("access:review", args=[passed.pk])).content.decode()
    assert "Approved by rule set 2," in review
    assert "None: the rules approved it." in review
    assert trusting.signed(mara, passed).capabilities == ["download", "query"], "signing is as always"


def test_the_same_application_waits_for_people_where_the_gate_does_not_allow_it(lyceum, mara):
    actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text=PLAIN)
    sent = lyceum.applied(mara)
    assert (sent.status, sent.lane, sent.decided_rules) == (Status.SUBMITTED, "green", None)
    assert "held" not in sent.triage
    assert (mails("application_passed"), mails("application_to_review")) == (0, 3)


@pytest.mark.parametrize(
    ("answers", "lane"),
    [({"role": "student"}, "amber"), ({"commercial": "yes"}, "red"), ({"country": "KP"}, "block")],
)
def test_no_other_lane_passes_and_none_is_declined(trusting, mara, answers, lane):
    sent = trusting.applied(mara, **answers)
    assert (sent.status, sent.lane, sent.decided_at) == (Status.SUBMITTED, lane, None)


def test_the_quorum_holds_for_what_people_decide_at_the_same_gate(trusting, mara, stranger):
    trusting.applied(mara)
    by_people = trusting.applied(stranger, role="student")
    once = actions.cast_vote(by=trusting.reviewers[0], application=by_people, vote=Vote.APPROVE)
    assert once.status == Status.IN_REVIEW
    twice = actions.cast_vote(by=trusting.reviewers[1], application=by_people, vote=Vote.APPROVE)
    assert (twice.status, twice.decided_by, twice.decided_rules) == (Status.APPROVED, trusting.reviewers[1], None)


def test_switched_off_nothing_passes_any_more(trusting, mara):
    draft = actions.save_draft(by=mara, gate=trusting.gate, answers=world.ANSWERS)
    actions.change_gate(by=trusting.manager, gate=trusting.gate, auto_approve_green=False)
    assert actions.submit(by=mara, application=draft).status == Status.SUBMITTED


def test_a_changed_form_switches_it_off_until_a_manager_says_otherwise(trusting, mara):
    spec = [*trusting.gate.form_spec[:-1], {**trusting.gate.form_spec[-1], "title": "Keeping"}]
    changed = actions.change_gate(by=trusting.manager, gate=trusting.gate, form_spec=spec)
    assert (changed.form_version, changed.auto_approve_green) == (2, False)
    assert trusting.applied(mara).status == Status.SUBMITTED
    again = actions.change_gate(by=trusting.manager, gate=trusting.gate, form_spec=spec, auto_approve_green=True)
    assert (again.form_version, again.auto_approve_green) == (2, True), "the same form is no change"


# --- What asks for a person


def declined(w, person):
    sent = w.applied(person, role="student")
    actions.decline(by=w.reviewers[0], application=sent, reason=Decline.PURPOSE, message="Outside.")


def withdrawn_from_red(w, person):
    actions.withdraw(by=person, application=w.applied(person, commercial="yes"))


def grant_revoked(w, person):
    grant = w.signed(person, w.applied(person))
    actions.revoke_grant(by=w.manager, grant=grant, reason="Passed on.")


def works_for_the_lab(w, person):
    give_role(user=person, lab=w.lab, role=Role.MANAGER, by=None)


def works_beside_a_reviewer(w, person):
    world.work_at("Northfield University", person, w.reviewers[2])


def address_at_the_lab(w, person):
    EmailAddress.objects.filter(user=person).update(email="guest@lyceum.example")
    User.objects.filter(pk=person.pk).update(email="guest@lyceum.example")


def address_unverified(w, person):
    EmailAddress.objects.filter(user=person).update(verified=False)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (declined, "sent_before"),
        (withdrawn_from_red, "sent_before"),
        (grant_revoked, "grant_ended_badly"),
        (works_for_the_lab, "close_to_lab"),
        (works_beside_a_reviewer, "close_to_lab"),
        (address_at_the_lab, "close_to_lab"),
        (address_unverified, "address_unverified"),
    ],
)
def test_a_person_reads_what_is_green_when_something_else_asks_for_it(trusting, mara, before, code):
    before(trusting, mara)
    sent = trusting.applied(User.objects.get(pk=mara.pk))
    assert (sent.status, sent.lane) == (Status.SUBMITTED, "green")
    assert sent.triage["held"] == [code]
    page = browser(trusting.reviewers[0]).get(reverse("access:review", args=[sent.pk])).content.decode()
    assert "Rules may approve green here, and did not" in page
    assert str(passes.WORDS[code]) in page


def test_what_another_lab_knows_keeps_nobody_back_here(trusting, harbour, mara):
    declined(harbour, mara)
    assert trusting.applied(mara).status == Status.APPROVED


def test_who_passed_before_and_holds_a_grant_elsewhere_in_the_lab_passes_again(trusting, mara):
    trusting.signed(mara, trusting.applied(mara))
    second = actions.create_gate(
        by=trusting.manager, lab=trusting.lab, slug="second", title="Second", agreement=trusting.agreement,
        auto_approve_green=True, spot_check_percent=0,
    )  # fmt: skip
    trusting.gate = second
    assert trusting.applied(mara).status == Status.APPROVED


def test_a_declared_use_is_read_even_where_the_rules_call_it_green(trusting, mara):
    actions.make_rules(
        by=trusting.manager, lab=trusting.lab, gate=None, text="green all when answer role is postdoc: All are welcome"
    )
    assert trusting.applied(mara, military="yes").triage["held"] == ["declared"]


def test_what_was_sent_again_after_changes_is_read(trusting, mara):
    sent = trusting.applied(mara, role="student")
    actions.request_changes(by=trusting.reviewers[0], application=sent, message="More.")
    actions.save_draft(by=mara, gate=trusting.gate, answers={"role": "postdoc"})
    again = actions.submit(by=mara, application=sent)
    assert (again.status, again.lane, again.rounds) == (Status.SUBMITTED, "green", 2)
    assert again.triage["held"] == ["sent_again"]


def test_no_appeal_passes(trusting, mara):
    sent = trusting.applied(mara, role="student")
    actions.decline(by=trusting.reviewers[0], application=sent, reason=Decline.OTHER, message="No.")
    Application.objects.filter(pk=sent.pk).update(lane=Lane.GREEN)
    actions.appeal(by=mara, application=sent, text="You misread me.")
    sent.refresh_from_db()
    assert sent.status == Status.APPEALED


# --- The table and the database


def test_the_clock_approves_only_what_was_just_sent_and_never_refuses():
    mine = {(at, verb): to for (at, verb), (to, may) in TABLE.items() if Party.CLOCK in may}
    assert {row for row, to in mine.items() if to == Status.APPROVED} == {(Status.SUBMITTED, Verb.PASS)}
    assert Status.DECLINED not in mine.values()
    assert {may for (_, verb), (_, may) in TABLE.items() if verb == Verb.PASS} == {frozenset({Party.CLOCK})}


@pytest.mark.parametrize(
    "wrong",
    [
        {"decided_rules": None},
        {"lane": "amber"},
        {"lane": "block"},
        {"rounds": 2},
        {"decided_rules": 0},
        {"status": Status.DECLINED, "reason": "other"},
        {"status": Status.APPEALED, "reason": "other"},
        {"status": Status.SUBMITTED, "decided_at": None},
    ],
)
def test_the_database_takes_no_other_decision_by_rules(trusting, mara, wrong):
    passed = trusting.applied(mara)
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.filter(pk=passed.pk).update(**wrong)


def test_a_decision_is_of_people_or_of_rules_and_never_of_both(trusting, mara):
    passed = trusting.applied(mara)
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.filter(pk=passed.pk).update(decided_by=trusting.reviewers[0])


def test_published_times_count_decisions_of_people_only(trusting):
    now = timezone.now()
    for n in range(waiting.LEAST):
        trusting.applied(verified(world.person(f"Person {n}")))
    assert Application.objects.filter(decided_rules=2, decided_at__lte=timezone.now(), decided_at__gte=now).count() == 5
    assert waiting.times(trusting.gate) is None


# --- Spot checks


def test_the_share_of_the_gate_is_drawn_and_waits_in_the_queue(lyceum, mara):
    trust(lyceum, share=100)
    passed = lyceum.applied(mara)
    assert passed.spot_check.checked_at is None
    assert Entry.objects.get(event="application.approved").data["spot_check"] is True
    queue = browser(lyceum.reviewers[0]).get(reverse("access:queue")).content.decode()
    assert "1 approval by rules to spot-check" in queue
    assert passed.reference not in queue
    listed = browser(lyceum.reviewers[0]).get(reverse("access:queue"), {"show": "spot_check"}).content.decode()
    assert passed.reference in listed
    for page in (passed.get_absolute_url(), reverse("access:mine")):
        assert "spot" not in browser(mara).get(page).content.decode().lower(), "the applicant is not told"


def test_a_share_of_none_draws_none(trusting, mara):
    trusting.applied(mara)
    assert not SpotCheck.objects.exists()
    assert "to spot-check</a>" not in browser(trusting.reviewers[0]).get(reverse("access:queue")).content.decode()


def test_a_reviewer_finds_the_rules_right(lyceum, mara):
    trust(lyceum, share=100)
    passed = lyceum.applied(mara)
    client, url = browser(lyceum.reviewers[0]), reverse("access:review", args=[passed.pk])
    assert "Yes, the rules were right" in client.get(url).content.decode()
    client.post(url, {"verb": "right"})
    check = SpotCheck.objects.get()
    assert (check.found, check.checked_by) == (Found.RIGHT, lyceum.reviewers[0])
    assert Gate.objects.get(pk=lyceum.gate.pk).auto_approve_green
    assert Entry.objects.get(event="spot_check.made").data == {"found": "right"}
    page = client.get(url).content.decode()
    assert "Yes, the rules were right" not in page
    assert "the rules were right" in page
    with pytest.raises(IntegrityError), transaction.atomic():
        SpotCheck.objects.update(found=Found.WRONG)


def test_a_reviewer_who_finds_them_wrong_stops_them_at_once(lyceum, mara, stranger):
    trust(lyceum, share=100)
    passed = lyceum.applied(mara)
    client, url = browser(lyceum.reviewers[0]), reverse("access:review", args=[passed.pk])
    silent = client.post(url, {"verb": "wrong"})
    assert silent.status_code == 422
    assert "Say what the rules missed" in silent.content.decode()
    client.post(url, {"verb": "wrong", "finding": "The page shows a company."})
    assert not Gate.objects.get(pk=lyceum.gate.pk).auto_approve_green
    told = Entry.objects.filter(event="gate.changed").latest("id")
    assert (told.actor, told.data["because"]) == (lyceum.reviewers[0].email, passed.reference)
    assert lyceum.applied(verified(stranger)).status == Status.SUBMITTED
    passed.refresh_from_db()
    assert passed.status == Status.APPROVED, "what was approved stands until a manager acts"


def test_only_an_unbiased_reviewer_of_the_lab_makes_a_spot_check_once(lyceum, harbour, mara):
    trust(lyceum, share=100)
    passed = lyceum.applied(mara)
    world.work_at("Northfield University", mara, lyceum.reviewers[1])
    for by, refusal in (
        (lyceum.manager, NotAllowed), (lyceum.reviewers[1], NotAllowed), (harbour.reviewers[0], NotFound), (mara, NotFound),
    ):  # fmt: skip
        with pytest.raises(refusal):
            actions.make_spot_check(by=by, application=passed, found=Found.RIGHT)
    with pytest.raises(Invalid):
        actions.make_spot_check(by=lyceum.reviewers[0], application=passed, found="perhaps")
    actions.make_spot_check(by=lyceum.reviewers[0], application=passed, found=Found.RIGHT)
    with pytest.raises(Conflict):
        actions.make_spot_check(by=lyceum.reviewers[2], application=passed, found=Found.WRONG, note="No.")


def test_a_program_makes_a_spot_check_too(lyceum, mara):
    trust(lyceum, share=100)
    passed = lyceum.applied(mara)
    secret = tokens.issue(by=lyceum.reviewers[0], kind=Kind.REVIEW, label="desk")[1]
    told = {
        "data": {"found": "right"},
        "content_type": "application/json",
        "headers": {"Authorization": f"Bearer {secret}"},
    }
    first = Client().post(f"/api/v1/applications/{passed.pk}/spot-check", **told)
    assert (first.status_code, first.json()["decided_rules"]) == (200, 2)
    assert SpotCheck.objects.get().found == Found.RIGHT
    assert Client().post(f"/api/v1/applications/{passed.pk}/spot-check", **told).status_code == 409
