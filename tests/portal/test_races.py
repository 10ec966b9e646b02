"""Two people at once: one outcome, whoever is first. Real threads on real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import connection
from django.utils import timezone

from portal.access import actions, tasks
from portal.access.actions import pausing
from portal.access.application_models import Application, Decline, Step
from portal.access.institutional import Line
from portal.access.lifetime import RenewalStatus, State
from portal.access.lifetime_models import Notice, Renewal
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.access.workflow import Status, Verb
from portal.agreements import actions as agreements
from portal.agreements.models import Agreement, Signature
from portal.errors import WeighbridgeError
from portal.outbox.models import Message
from portal.people import actions as people
from portal.people import erasure, identity
from portal.people.models import Role, User
from tests.portal import seats, world


@pytest.fixture(params=[3, pytest.param(200, marks=pytest.mark.drill)])
def rounds(request: pytest.FixtureRequest) -> int:
    """How often each race is run: a few times always, 200 times in the drill."""
    return int(request.param)


pytestmark = pytest.mark.django_db(transaction=True)


def race(*calls: Callable[[], Any]) -> list[Any]:
    """Run all at once; each result is what it returned or the domain error it raised."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int, call: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            results[index] = call()
        except WeighbridgeError as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert None not in results, "nobody waits for ever, and nothing else is raised"
    return results


def steps(application: Application, verb: Verb) -> int:
    return Step.objects.filter(application=application, verb=verb).count()


def mails(template: str) -> int:
    return Message.objects.filter(topic="mail.send", payload__template=template).count()


def test_two_reviewers_approve_at_once_and_it_is_approved_once(rounds):
    w = world.build()
    for n in range(rounds):
        application = w.applied(world.person(f"Person {n}"))
        race(
            lambda a=application: actions.cast_vote(
                by=w.reviewers[0], application=a, vote=Vote.APPROVE, expected=a.version
            ),
            lambda a=application: actions.cast_vote(
                by=w.reviewers[1], application=a, vote=Vote.APPROVE, expected=a.version
            ),
        )
        application.refresh_from_db()
        assert application.status == Status.APPROVED
        assert (steps(application, Verb.APPROVE), mails("application_approved")) == (1, n + 1)


def test_approve_and_decline_at_once_have_one_outcome(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        application = w.applied(world.person(f"Person {n}"))
        results = race(
            lambda a=application: actions.cast_vote(by=w.reviewers[0], application=a, vote=Vote.APPROVE),
            lambda a=application: actions.decline(
                by=w.reviewers[1], application=a, reason=Decline.OTHER, message="No."
            ),
        )
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 1
        assert steps(application, Verb.APPROVE) + steps(application, Verb.DECLINE) == 1


def test_deciding_while_the_applicant_withdraws_has_one_outcome(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        application = w.applied(person)
        race(
            lambda a=application: actions.decline(
                by=w.reviewers[0], application=a, reason=Decline.OTHER, message="No."
            ),
            lambda a=application, p=person: actions.withdraw(by=p, application=a),
        )
        application.refresh_from_db()
        assert application.status in {Status.DECLINED, Status.WITHDRAWN}
        assert steps(application, Verb.DECLINE) + steps(application, Verb.WITHDRAW) == 1


def test_signing_twice_at_once_gives_one_grant_and_one_signature(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        application = w.approved(person)
        results = race(*[lambda a=application, p=person: w.signed(p, a)] * 3)
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 2
        assert Grant.objects.filter(user=person).count() == Signature.objects.filter(user=person).count() == 1


def test_first_saves_at_once_make_one_draft(rounds):
    w = world.build()
    for n in range(rounds):
        person = world.person(f"Person {n}")
        race(*[lambda p=person, t=t: actions.save_draft(by=p, gate=w.gate, answers={"title": t}) for t in "abcd"])
        assert Application.objects.filter(applicant=person).count() == 1


def test_revoking_twice_at_once_revokes_once(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        grant = w.granted(world.person(f"Person {n}"))
        results = race(*[lambda g=grant: actions.revoke_grant(by=w.manager, grant=g, reason="x")] * 3)
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 2
        assert mails("grant_revoked") == n + 1


def test_two_who_publish_one_draft_at_once_publish_one_version(rounds):
    w = world.build()
    for n in range(rounds):
        seen = Agreement.objects.get(pk=w.agreement.pk).edits
        agreements.save_draft(by=w.manager, agreement=w.agreement, text=f"{world.TEXT}{n}", expected=seen)
        publish = [lambda e=seen + 1: agreements.publish_draft(by=w.manager, agreement=w.agreement, expected=e)] * 2
        rewrite = lambda e=seen + 1: agreements.save_draft(by=w.manager, agreement=w.agreement, text="x", expected=e)  # noqa: E731
        results = race(*publish, rewrite)
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 2
        if (
            draft := w.agreement.draft()
        ) is not None:  # the rewriter was first: nobody published what they had not read
            assert draft.text == "x\n"
            agreements.discard_draft(by=w.manager, agreement=w.agreement, expected=seen + 2)
    assert [v.text for v in w.agreement.versions.all() if v.text == "x\n"] == []


def test_approving_a_renewal_while_the_grant_is_revoked_never_leaves_access(rounds):
    w = world.build(quorum=1, grant_days=60)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        grant = w.granted(person)
        actions.renew(by=person, grant=grant)
        race(
            lambda g=grant: actions.approve_renewal(by=w.reviewers[0], grant=g),
            lambda g=grant: actions.revoke_grant(by=w.manager, grant=g, reason="x"),
        )
        grant.refresh_from_db()
        assert grant.state() == State.REVOKED
        assert Renewal.objects.get(grant=grant).status in {RenewalStatus.GRANTED, RenewalStatus.LAPSED}
        assert not Grant.objects.active().filter(user=person).exists()


def test_renewing_twice_at_once_extends_once(rounds):
    w = world.build(quorum=1, grant_days=60)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        grant = w.granted(person)
        results = race(*[lambda g=grant, p=person: actions.renew(by=p, grant=g)] * 3)
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 2
        assert Renewal.objects.filter(grant=grant).count() == 1


def test_two_workers_at_once_send_a_notice_once(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        grant, now = w.granted(world.person(f"Person {n}")), timezone.now()
        Grant.objects.filter(pk=grant.pk).update(starts_at=now - timedelta(days=300), ends_at=now + timedelta(days=5))
        results = race(*[tasks.announce_expiries] * 3)
        assert sum(results) == 1
        assert (Notice.objects.filter(grant=grant).count(), mails("grant_expiring")) == (1, n + 1)


def test_approving_while_the_applicant_withdraws_has_one_outcome(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        application = w.applied(person)
        results = race(
            lambda a=application: actions.cast_vote(by=w.reviewers[0], application=a, vote=Vote.APPROVE),
            lambda a=application, p=person: actions.withdraw(by=p, application=a, expected=a.version),
        )
        application.refresh_from_db()
        refused = sum(isinstance(result, WeighbridgeError) for result in results)
        assert (application.status, refused) in {(Status.APPROVED, 1), (Status.WITHDRAWN, 1)}


def test_revoking_while_the_holder_signs_again_ends_the_grant(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        grant = w.granted(person)
        text = w.agreement.current()
        race(
            lambda g=grant: actions.revoke_grant(by=w.manager, grant=g, reason="x"),
            lambda g=grant, p=person, t=text: actions.sign_again(
                by=p, grant=g, typed_name=p.name, capacity="x", text_sha256=t.sha256
            ),
        )
        assert not Grant.objects.active().filter(user=person).exists()


def test_two_who_accept_for_the_last_seat_get_one(rounds):
    w = world.build(quorum=1)
    cover = seats.in_force(w, seats=2)
    seats.seated(cover, seats.member("Settled One"))
    for n in range(rounds):
        people = [seats.member(f"Person {n} {side}") for side in "ab"]
        links = seats.invited(cover, *people)
        results = race(*[lambda p=p, x=x: seats.accept(p, x, cover) for p, x in zip(people, links, strict=True)])
        assert [getattr(each, "code", "") for each in results if isinstance(each, WeighbridgeError)] == ["no_seat"]
        cover.refresh_from_db()
        assert cover.taken == Grant.objects.active().filter(institutional=cover).count() == 2
        for line in cover.roster.filter(status__in=[Line.SEATED, Line.INVITED]).exclude(user__name="Settled One"):
            actions.remove_from_roster(by=cover.official, line=line)


def test_accepting_while_the_agreement_ends_never_leaves_access(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        cover = seats.in_force(w, seats.at_home(f"Official {n}"))
        person = seats.member(f"Person {n}")
        link = seats.invited(cover, person)[0]
        race(
            lambda p=person, x=link, c=cover: seats.accept(p, x, c),
            lambda c=cover: actions.end_institutional(by=c.official, agreement=c),
        )
        assert not Grant.objects.active().filter(user=person).exists()


def test_removing_a_member_while_the_lab_revokes_the_grant_waits_for_nobody_in_a_ring(rounds):
    w = world.build(quorum=1)
    cover = seats.in_force(w)
    for n in range(rounds):
        grant = seats.seated(cover, seats.member(f"Person {n}"))
        line = grant.roster_line
        results = race(
            lambda x=line, c=cover: actions.remove_from_roster(by=c.official, line=x),
            lambda g=grant: actions.revoke_grant(by=w.manager, grant=g, reason="x"),
        )
        cover.refresh_from_db()
        assert sum(isinstance(each, WeighbridgeError) for each in results) == 1
        assert cover.taken == 0
        assert not Grant.objects.active().filter(institutional=cover).exists()


def invited(w: world.World, lead: User, who: User) -> tuple[Application, str]:
    """A place on the lead's team for somebody, and the secret of the link."""
    EmailAddress.objects.get_or_create(user=who, email=who.email, defaults={"verified": True, "primary": True})
    application = lead.applications.latest("created_at")
    actions.invite(by=lead, application=application, name=who.name, email=who.email)
    return application, seats.secret("member_invited", who.email)


def joins(w: world.World, who: User, secret: str) -> Any:
    text = w.agreement.current()
    assert text is not None
    return actions.accept_invitation(
        by=who, secret=secret, typed_name=who.name, capacity="for myself", text_sha256=text.sha256
    )


def test_a_member_joins_while_the_lead_signs_a_new_text_and_neither_waits_for_ever(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        lead, member = world.person(f"Lead {n}"), world.person(f"Member {n}")
        grant = w.granted(lead)
        _application, secret = invited(w, lead, member)
        text = agreements.publish_version(by=w.manager, agreement=w.agreement, text=f"{world.TEXT}3. Year {n}.\n")
        race(
            lambda g=grant, p=lead, t=text: actions.sign_again(
                by=p, grant=g, typed_name=p.name, capacity="x", text_sha256=t.sha256
            ),
            lambda p=member, s=secret: joins(w, p, s),
        )
        assert Grant.objects.active().filter(user__in=[lead, member]).count() == 2


@pytest.mark.parametrize("way", ["suspend", "demote"])
def test_two_operators_who_close_each_other_out_at_once_leave_one(rounds, way):
    def closes(by: User, user: User) -> Any:
        if way == "suspend":
            return people.suspend(user=user, by=by, reason="x")
        return people.set_operator(user=user, by=by, is_staff=False, is_superuser=False)

    for n in range(rounds):
        User.objects.update(is_superuser=False)
        pair = [User.objects.create_superuser(f"root{n}{side}@operator.example", None, name=side) for side in "ab"]
        results = race(lambda p=pair: closes(p[0], p[1]), lambda p=pair: closes(p[1], p[0]))
        assert [getattr(each, "code", "") for each in results if isinstance(each, WeighbridgeError)] == [
            "last_operator"
        ]
        assert User.objects.filter(is_superuser=True, is_staff=True, is_active=True).count() == 1


def test_of_the_last_two_ways_in_that_are_unlinked_at_once_one_stays(rounds):
    for n in range(rounds):
        person = world.person(f"Person {n}")
        person.set_unusable_password()
        person.save(update_fields=["password"])
        ways = [SocialAccount.objects.create(user=person, provider=each, uid=f"{n}") for each in ("orcid", "github")]
        results = race(*[lambda p=person, w=way: identity.unlink(by=p, account=w) or "done" for way in ways])
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 1
        assert SocialAccount.objects.filter(user=person).count() == 1


def test_a_role_given_while_its_holder_asks_to_be_erased_has_one_outcome(rounds):
    w = world.build()
    for n in range(rounds):
        person = world.person(f"Person {n}")
        results = race(
            lambda p=person: people.give_role(user=p, lab=w.lab, role=Role.REVIEWER, by=None),
            lambda p=person: erasure.request_erasure(by=p),
        )
        assert sum(isinstance(result, WeighbridgeError) for result in results) == 1


def test_joining_a_team_while_signing_for_oneself_gives_one_grant(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        lead, person = world.person(f"Lead {n}"), world.person(f"Person {n}")
        w.granted(lead)
        own = w.approved(person)
        _application, secret = invited(w, lead, person)
        race(lambda p=person, a=own: w.signed(p, a), lambda p=person, s=secret: joins(w, p, s))
        assert Grant.objects.standing().filter(user=person).count() == 1


def test_a_late_renewal_and_a_new_grant_at_once_have_one_outcome(rounds):
    w = world.build(quorum=1)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        grant = w.granted(person)
        ended = timezone.now() - timedelta(minutes=1)
        Grant.objects.filter(pk=grant.pk).update(starts_at=ended - timedelta(days=30), ends_at=ended)
        Renewal.objects.create(grant=grant, ends_from=ended, sent_at=ended - timedelta(days=1))
        again = w.approved(person)
        results = race(
            lambda g=grant: actions.approve_renewal(by=w.reviewers[0], grant=g),
            lambda p=person, a=again: w.signed(p, a),
        )
        assert [getattr(each, "code", "") for each in results if isinstance(each, WeighbridgeError)] == [
            "already_granted"
        ]
        assert Grant.objects.standing().filter(user=person).count() == 1


def test_two_relays_tell_of_a_closed_lab_at_once_and_everybody_hears_it_once(rounds, monkeypatch):
    w, operator = world.build(), world.person("Root")
    applicants = [world.person(f"Person {n}") for n in range(6)]
    for applicant in applicants:
        w.applied(applicant)
    monkeypatch.setattr(pausing, "AT_A_TIME", 2)
    everybody = len(applicants) + 1 + len(w.reviewers)
    for n in range(1, rounds + 1):
        people.close_lab(lab=w.lab, by=operator)
        told = race(*[lambda: pausing.tell_concerned(lab=w.lab)] * 2)
        assert (sum(told), mails("lab_closed")) == (everybody, n * everybody)
        people.reopen_lab(lab=w.lab, by=operator)
        pausing.tell_concerned(lab=w.lab)
