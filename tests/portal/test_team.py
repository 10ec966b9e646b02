"""A team: each member signs for themselves, by a link that was mailed to them; nobody else's account opens it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from portal.access import actions, tasks
from portal.access.actions import teaming
from portal.access.member_models import Member
from portal.access.members import TABLE, MemberStatus
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.agreements import actions as agreements
from portal.agreements.models import Signature
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.actions import restore, suspend
from portal.people.models import User
from portal.projects.models import ProjectMember
from tests.portal import world
from tests.portal.world import World, browser

pytestmark = pytest.mark.django_db


def verified(user: User) -> User:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def ana(db: None) -> User:
    return verified(world.person("Ana Duarte"))


def secret_of(member: Member) -> str:
    """The secret of the newest mail to a member."""
    sent = Message.objects.filter(key=f"member:{member.pk}").latest("pk")
    return re.search(r"/invitations/([\w-]+)/", sent.payload["context"]["path"])[1]


def accepted(w: World, member: Member, by: User) -> Member:
    version = w.agreement.current()
    return actions.accept_invitation(
        by=by, secret=secret_of(member), typed_name=by.name, capacity="for myself", text_sha256=version.sha256
    )


def named(w: World, lead: User, who: User) -> Member:
    return actions.invite(by=lead, application=w.applied(lead), name=who.name, email=who.email)


def vote_and_sign(w: World, lead: User) -> Grant:
    application = lead.applications.latest("created_at")
    for reviewer in w.reviewers[: w.gate.quorum]:
        application = actions.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)
    return w.signed(lead, application)


def active(user: User) -> bool:
    return Grant.objects.active().filter(user=user).exists()


# --- The way in -----------------------------------------------------------------------------------------------


def test_a_member_has_access_once_both_have_signed(lyceum, mara, ana):
    member = accepted(lyceum, named(lyceum, mara, ana), ana)
    assert not active(ana), "the lead is not approved"
    grant = vote_and_sign(lyceum, mara)
    theirs = Grant.objects.get(user=ana)
    assert (theirs.lead, theirs.project, theirs.ends_at) == (grant, grant.project, grant.ends_at)
    assert active(ana)
    assert Member.objects.get(pk=member.pk).grant == theirs
    assert ProjectMember.objects.filter(project=grant.project, user=ana, left_at=None).exists()
    signature = Signature.objects.get(user=ana)
    assert signature.document["lead"] == "Mara Lindqvist"
    assert not Entry.objects.filter(data__icontains=ana.email).exists()


def test_who_has_not_accepted_has_nothing_when_the_lead_signs_and_access_at_once_when_they_do(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    vote_and_sign(lyceum, mara)
    assert not Grant.objects.filter(user=ana).exists()
    accepted(lyceum, member, ana)
    assert active(ana)


def test_a_list_of_people_in_the_form_invites_each_of_them_once(lyceum, mara, ana):
    spec = [*lyceum.gate.form_spec]
    people = {"name": "team", "type": "person_list", "label": "Team", "required": False}
    spec[-1] = {**spec[-1], "fields": [*spec[-1]["fields"], people]}
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, form_spec=spec)
    application = lyceum.applied(mara, team=f"{ana.name}, {ana.email}\nJoan Roe, joan@place.example")
    assert [(m.name, m.email) for m in application.members.all()] == [
        (ana.name, ana.email), ("Joan Roe", "joan@place.example"),
    ]  # fmt: skip
    actions.request_changes(by=lyceum.reviewers[0], application=application, message="More, please.")
    actions.submit(by=mara, application=application)
    assert application.members.count() == 2
    with pytest.raises(Invalid) as refused:
        lyceum.applied(ana, team=f"Ana Duarte, {ana.email}")
    assert "own address" in refused.value.fields["team"][0]


def test_the_mail_names_who_asks_and_for_what_and_nothing_of_the_application(
    lyceum, mara, ana, django_capture_on_commit_callbacks
):
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        named(lyceum, mara, ana)
    delivery.deliver_due()
    sent = next(message for message in mail.outbox if message.to == [ana.email])
    text = sent.subject + sent.body + sent.alternatives[0][0]
    assert "Mara Lindqvist" in text
    assert lyceum.gate.title in text
    assert world.ANSWERS["title"] not in text
    assert world.ANSWERS["storage"] not in text
    stored = Member.objects.get()
    assert re.search(r"/invitations/([\w-]+)/", sent.body)[1] not in stored.digest


def test_by_pages_alone(lyceum, mara, ana):
    application = lyceum.applied(mara)
    lead, invited = browser(mara), browser(ana)
    page = f"/applications/{application.pk}/team/"
    wrong = lead.post(page, {"verb": "invite", "name": "Ana Duarte", "email": "ana"})
    assert wrong.status_code == 422
    assert "whole address" in wrong.content.decode()
    assert lead.post(page, {"verb": "invite", "name": ana.name, "email": ana.email}).status_code == 302
    link = f"/invitations/{secret_of(Member.objects.get())}/"
    assert "Mara Lindqvist" in Client().get(link).content.decode()
    deed = invited.get(f"{link}accept/").content.decode()
    assert "No passing on of weights" in deed
    told = {"typed_name": "Somebody Else", "capacity": "", "text_sha256": lyceum.version.sha256}
    assert invited.post(f"{link}accept/", told).status_code == 422
    done = invited.post(f"{link}accept/", {**told, "typed_name": ana.name, "capacity": "for myself"})
    assert done.status_code == 302
    assert done.url == Signature.objects.get(user=ana).get_absolute_url()
    shown = lead.get(page).content.decode()
    assert "accepted" in shown
    assert ana.name in lead.get(f"/applications/{application.pk}/").content.decode()
    assert ana.name in browser(lyceum.reviewers[0]).get(f"/review/{application.pk}/").content.decode()


# --- The link under attack ------------------------------------------------------------------------------------


def test_a_guessed_link_and_a_digest_lead_nowhere(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    for guess in ("a" * 43, member.digest, secret_of(member)[:-1], secret_of(member).swapcase()):
        assert Client().get(f"/invitations/{guess}/").status_code == 404
        assert Client().post(f"/invitations/{guess}/").status_code == 404
        assert browser(ana).post(f"/invitations/{guess}/accept/").status_code == 404
    assert Member.objects.get().status == MemberStatus.INVITED


def test_looking_changes_nothing_so_a_scanner_of_mail_answers_for_nobody(lyceum, mara, ana):
    link = f"/invitations/{secret_of(named(lyceum, mara, ana))}/"
    for client in (Client(), browser(ana), browser(mara)):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    assert Member.objects.get().status == MemberStatus.INVITED


def test_the_link_in_somebody_elses_account_signs_nothing(lyceum, mara, ana, stranger):
    member, told = named(lyceum, mara, ana), {"capacity": "for myself", "text_sha256": lyceum.version.sha256}
    link = f"/invitations/{secret_of(member)}/accept/"
    thief = browser(verified(stranger))
    assert thief.get(link).status_code == 403
    assert thief.post(link, {"typed_name": stranger.name, **told}).status_code == 403
    EmailAddress.objects.create(user=stranger, email=f"{ana.email}x", verified=True)
    EmailAddress.objects.create(user=mara, email="mara@elsewhere.example", verified=True)
    assert browser(mara).post(link, {"typed_name": mara.name, **told}).status_code == 403
    assert Client().post(link, told).status_code == 302, "signed out: sign in first"
    assert not Signature.objects.exists()


def test_an_address_that_was_only_claimed_does_not_count(lyceum, mara):
    claims = world.person("Cara Claims")
    EmailAddress.objects.create(user=claims, email=claims.email, verified=False, primary=True)
    member = named(lyceum, mara, claims)
    with pytest.raises(NotAllowed) as refused:
        accepted(lyceum, member, claims)
    assert refused.value.code == "other_address"


def test_a_link_is_good_for_one_answer(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    secret = secret_of(member)
    accepted(lyceum, member, ana)
    for act in (
        lambda: accepted(lyceum, member, ana),
        lambda: actions.decline_invitation(secret=secret),
    ):
        with pytest.raises(NotFound, match="answered, taken back or has run out"):
            act()
    assert Signature.objects.filter(user=ana).count() == 1


def test_who_declines_is_not_asked_again_and_needs_no_account(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    link = f"/invitations/{secret_of(member)}/"
    assert Client().post(link).status_code == 200
    assert Member.objects.get().status == MemberStatus.DECLINED
    assert Client().get(link).status_code == 404
    with pytest.raises(Invalid, match="declined"):
        actions.invite(by=mara, application=member.application, name="Ana", email=ana.email.upper())


def test_a_link_lives_fourteen_days_and_a_reminder_replaces_it(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    first = secret_of(member)
    with time_machine.travel(timezone.now() + timedelta(days=15)):
        assert Client().get(f"/invitations/{first}/").status_code == 404
        assert tasks.lapse_invitations() == 1
        assert tasks.lapse_invitations() == 0
        assert Member.objects.get().status == MemberStatus.LAPSED
        actions.remind_member(by=mara, member=Member.objects.get())
        assert secret_of(member) != first
        assert Client().get(f"/invitations/{first}/").status_code == 404
        assert accepted(lyceum, member, ana).status == MemberStatus.ACCEPTED


def test_after_removal_the_link_is_dead_even_when_it_was_open_in_a_window(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    secret = secret_of(member)
    teaming.of_secret(secret)
    actions.remove_member(by=mara, member=member)
    with pytest.raises(NotFound):
        actions.accept_invitation(
            by=ana, secret=secret, typed_name=ana.name, capacity="me", text_sha256=lyceum.version.sha256
        )
    assert browser(ana).get(f"/invitations/{secret}/accept/").status_code == 404
    again = actions.invite(by=mara, application=member.application, name=ana.name, email=ana.email)
    assert accepted(lyceum, again, ana).status == MemberStatus.ACCEPTED, "who was removed may be named anew"


@pytest.mark.parametrize("close", ["withdraw", "decline"])
def test_invitations_to_a_closed_application_are_closed(lyceum, mara, ana, close):
    member = named(lyceum, mara, ana)
    if close == "withdraw":
        actions.withdraw(by=mara, application=member.application)
    else:
        actions.decline(by=lyceum.reviewers[0], application=member.application, reason="other", message="No.")
    with pytest.raises(NotFound):
        accepted(lyceum, member, ana)
    with pytest.raises(Conflict, match="closed"):
        actions.invite(by=mara, application=member.application, name="Joan", email="joan@x.example")


# --- The lead, and nobody else, within bounds -----------------------------------------------------------------


def test_only_the_lead_changes_the_team_and_strangers_find_nothing(lyceum, harbour, mara, ana):
    member = named(lyceum, mara, ana)
    page = f"/applications/{member.application_id}/team/"
    for who in (ana, lyceum.manager, lyceum.reviewers[0], harbour.manager):
        assert browser(who).get(page).status_code == 404
        with pytest.raises(NotFound):
            actions.remove_member(by=who, member=member)
        with pytest.raises(NotFound):
            actions.invite(by=who, application=member.application, name="Joan", email="joan@x.example")
    other = harbour.applied(ana)
    foreign = actions.invite(by=ana, application=other, name="Joan", email="joan@x.example")
    asked = browser(mara).post(page, {"verb": "remove", "person": foreign.pk})
    assert asked.status_code == 404
    assert Member.objects.get(pk=foreign.pk).status == MemberStatus.INVITED


@pytest.mark.parametrize(
    ("name", "email", "field"),
    [
        ("", "a@b.example", "name"),
        ("Win now https://x.example", "a@b.example", "name"),
        ("Joan\nBcc: all", "nowhere", "email"),
        ("Joan", "", "email"),
    ],
)
def test_what_cannot_be_a_person_is_refused_beside_its_field(lyceum, mara, name, email, field):
    with pytest.raises(Invalid) as refused:
        actions.invite(by=mara, application=lyceum.applied(mara), name=name, email=email)
    assert field in refused.value.fields


def test_nobody_names_themselves_or_anybody_twice_or_more_than_the_gate_admits(lyceum, mara, ana):
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, team_limit=2)
    member = named(lyceum, mara, ana)
    local, domain = mara.email.split("@")
    for email, why in (
        (mara.email.upper(), "own address"),
        (f"{local}+x@{domain}", "own address"),
        (ana.email, "already"),
    ):
        with pytest.raises(Invalid) as refused:
            actions.invite(by=mara, application=member.application, name="Somebody", email=email)
        assert why in refused.value.fields["email"][0]
    actions.invite(by=mara, application=member.application, name="Joan", email="joan@x.example")
    with pytest.raises(Invalid, match="admits 2 members"):
        actions.invite(by=mara, application=member.application, name="Jon", email="jon@x.example")


def test_reminders_are_three_and_a_day_apart_and_names_twenty_a_day(lyceum, mara, ana, monkeypatch):
    member = named(lyceum, mara, ana)
    with pytest.raises(Conflict, match="within the last day"):
        actions.remind_member(by=mara, member=member)
    page = browser(mara).post(
        f"/applications/{member.application_id}/team/", {"verb": "remind", "person": member.pk}, follow=True
    )
    assert "within the last day" in page.content.decode()
    for day in (2, 4, 6):
        with time_machine.travel(timezone.now() + timedelta(days=day)):
            actions.remind_member(by=mara, member=Member.objects.get(pk=member.pk))
    with time_machine.travel(timezone.now() + timedelta(days=8)), pytest.raises(Conflict, match="three times"):
        actions.remind_member(by=mara, member=Member.objects.get(pk=member.pk))
    monkeypatch.setattr("portal.access.mailed_links.MAILS_A_DAY", 1)
    with pytest.raises(Conflict, match="for a day"):
        actions.invite(by=mara, application=member.application, name="Joan", email="joan@x.example")


def test_a_reviewer_who_is_named_may_not_judge(lyceum, mara):
    reviewer, other = lyceum.reviewers[:2]
    member = named(lyceum, mara, reviewer)
    with pytest.raises(NotAllowed) as refused:
        actions.cast_vote(by=reviewer, application=member.application, vote=Vote.APPROVE)
    assert refused.value.reasons[0].code == "on_team"
    assert actions.cast_vote(by=other, application=member.application, vote=Vote.APPROVE)


def test_a_reviewer_who_is_named_by_another_address_of_theirs_may_not_judge_either(lyceum, mara):
    reviewer = lyceum.reviewers[0]
    EmailAddress.objects.create(user=reviewer, email="home@reviewer.example", verified=True)
    application = lyceum.applied(mara)
    actions.invite(by=mara, application=application, name="R. One", email="home@reviewer.example")
    with pytest.raises(NotAllowed) as refused:
        actions.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)
    assert refused.value.reasons[0].code == "on_team"


# --- What rests on the lead's grant ---------------------------------------------------------------------------


@pytest.fixture
def team(lyceum, mara, ana) -> tuple[Grant, Grant]:
    """The lead's grant and the member's."""
    accepted(lyceum, named(lyceum, mara, ana), ana)
    return vote_and_sign(lyceum, mara), Grant.objects.get(user=ana)


def generation(user: User) -> int:
    return User.objects.get(pk=user.pk).generation


def test_removal_ends_access_asks_for_deletion_and_lets_them_apply_alone(lyceum, mara, ana, team):
    before = generation(ana)
    actions.remove_member(by=mara, member=Member.objects.get(user=ana))
    grant = Grant.objects.get(user=ana)
    assert not active(ana)
    assert active(mara)
    assert grant.deletion_due_at is not None
    assert generation(ana) > before
    assert not ProjectMember.objects.filter(user=ana, left_at=None, project=grant.project).exists()
    page = browser(ana).get(f"/grants/{grant.pk}/mine/").content.decode()
    assert "Taken off the team" in page
    assert active(lyceum.granted(ana).user)


def test_suspending_the_lead_pauses_the_team_and_resuming_brings_it_back(lyceum, mara, ana, team):
    lead, _ = team
    before = generation(ana)
    actions.suspend_grant(by=lyceum.manager, grant=lead, reason="A question.")
    assert not active(ana)
    assert generation(ana) > before
    actions.resume_grant(by=lyceum.manager, grant=Grant.objects.get(pk=lead.pk))
    assert active(ana)


def test_a_suspended_account_of_the_lead_pauses_the_team_until_it_is_restored(lyceum, mara, ana, team):
    """Who answers to the lab for the team is not there; the gateway asks again about all of their project."""
    operator, before = world.person("Root"), team[0].project.generation
    suspend(user=mara, by=operator, reason="Somebody else has the password.")
    assert not active(ana)
    team[0].project.refresh_from_db()
    assert team[0].project.generation > before
    assert Message.objects.filter(topic="rights.changed", key=f"project:{team[0].project.pk}").exists()
    restore(user=mara, by=operator, reason="It is theirs again.")
    assert active(ana)


def test_a_suspended_account_of_a_member_leaves_the_lead_as_they_were(lyceum, mara, ana, team):
    suspend(user=ana, by=world.person("Root"), reason="Somebody else has the password.")
    assert (active(ana), active(mara)) == (False, True)


@pytest.mark.parametrize("how", ["revoke", "close out"])
def test_the_end_of_the_lead_is_the_end_of_the_team(lyceum, mara, ana, team, how):
    lead, theirs = team
    if how == "revoke":
        actions.revoke_grant(by=lyceum.manager, grant=lead, reason="Over.")
    else:
        day = timezone.now().date()
        actions.close_out(by=mara, grant=lead, typed_name=mara.name, deleted_on=day, statement="All deleted.")
    theirs.refresh_from_db()
    assert theirs.ends_at <= timezone.now()
    assert theirs.deletion_due_at is not None
    assert not active(ana)


def test_the_lab_can_end_one_members_grant_alone(lyceum, mara, ana, team):
    actions.revoke_grant(by=lyceum.manager, grant=team[1], reason="Broke the rules.")
    assert not active(ana)
    assert active(mara)


def test_the_lead_renews_for_all_and_a_member_cannot(lyceum, mara, ana, team):
    lead, theirs = team
    with time_machine.travel(lead.ends_at - timedelta(days=20)):
        assert not theirs.renewable
        with pytest.raises(NotAllowed):
            actions.renew(by=ana, grant=theirs)
        actions.renew(by=mara, grant=lead, report={"changes": "None to speak of."})
        actions.approve_renewal(by=lyceum.reviewers[0], grant=lead)
        lead.refresh_from_db()
        theirs.refresh_from_db()
        assert theirs.ends_at == lead.ends_at
        assert active(ana)


def test_a_late_renewal_extends_the_team_but_not_whoever_had_a_grant_of_their_own_since(lyceum, mara, ana, team):
    lead, _theirs = team
    joan = verified(world.person("Joan Roe"))
    member = actions.invite(by=mara, application=lead.application, name=joan.name, email=joan.email)
    accepted(lyceum, member, joan)
    with time_machine.travel(lead.ends_at - timedelta(days=20)):
        actions.renew(by=mara, grant=lead, report={"changes": "None to speak of."})
    with time_machine.travel(lead.ends_at + timedelta(days=1)):
        alone = lyceum.granted(ana)
    with time_machine.travel(lead.ends_at + timedelta(days=3)):
        day = timezone.now().date()
        actions.close_out(by=ana, grant=alone, typed_name=ana.name, deleted_on=day, statement="All deleted.")
        actions.approve_renewal(by=lyceum.reviewers[0], grant=lead)
        assert (active(mara), active(joan), active(ana)) == (True, True, False)


def test_a_member_is_told_of_the_end_alone_and_of_no_week_in_which_to_renew(lyceum, mara, ana, team):
    lead, theirs = team
    Message.objects.all().delete()
    with time_machine.travel(lead.ends_at - timedelta(days=6)):
        tasks.announce_expiries()
        assert not Message.objects.filter(key=f"grant:{theirs.pk}").exists()
        assert Message.objects.filter(key=f"grant:{lead.pk}").exists()
    with time_machine.travel(lead.ends_at + timedelta(hours=1)):
        tasks.announce_expiries()
        assert Message.objects.filter(key=f"grant:{theirs.pk}").count() == 1
        theirs.refresh_from_db()
        assert theirs.deletion_due_at is not None


def test_a_new_text_is_asked_of_each_member_and_each_signs_alone(lyceum, mara, ana, team):
    lead, theirs = team
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "3. New.\n")
    assert not active(ana)
    tasks.call_for_signatures()
    assert Message.objects.filter(payload__template="agreement_to_sign", payload__to=ana.email).count() == 1
    text = lyceum.agreement.current().sha256
    actions.sign_again(by=mara, grant=lead, typed_name=mara.name, capacity="me", text_sha256=text)
    assert (active(mara), active(ana)) == (True, False), "the lead does not sign for anybody"
    actions.sign_again(by=ana, grant=theirs, typed_name=ana.name, capacity="me", text_sha256=text)
    assert active(ana)


def test_one_who_holds_access_already_keeps_it_and_gets_no_second_grant(lyceum, mara, ana):
    own = lyceum.granted(ana)
    accepted(lyceum, named(lyceum, mara, ana), ana)
    vote_and_sign(lyceum, mara)
    assert list(Grant.objects.filter(user=ana)) == [own]


# --- What is kept ---------------------------------------------------------------------------------------------


def test_the_database_repeats_the_table(lyceum, mara, ana):
    member = named(lyceum, mara, ana)
    for wrong in ({"status": "accepted"}, {"digest": ""}, {"status": "removed"}, {"status": "lost"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Member.objects.filter(pk=member.pk).update(**wrong)
    assert {at for at, _ in TABLE} == {MemberStatus.INVITED, MemberStatus.LAPSED, MemberStatus.ACCEPTED}


@pytest.mark.parametrize("who", ["lead", "member"])
def test_erasing_either_takes_name_and_address_and_kills_the_link(lyceum, mara, ana, who):
    member = named(lyceum, mara, ana)
    secret = secret_of(member)
    request = erasure.request_erasure(by=mara if who == "lead" else ana)
    later = timezone.now() + erasure.DELAY + timedelta(hours=1)
    erasure.erase(request=request, now=later)
    member.refresh_from_db()
    assert (member.name, member.email, member.mailbox) == ("", "", "")
    with pytest.raises(NotFound if who == "lead" else NotAllowed):
        teaming.require_addressee(ana, teaming.of_secret(secret))


def test_who_never_joined_is_forgotten_after_a_year(lyceum, mara, ana, team):
    application = mara.applications.get()
    named_too = actions.invite(by=mara, application=application, name="Joan", email="joan@x.example")
    actions.remove_member(by=mara, member=named_too)
    erasure.purge(timezone.now() + timedelta(days=360))
    assert Member.objects.filter(pk=named_too.pk).exists()
    erasure.purge(timezone.now() + timedelta(days=366))
    assert list(Member.objects.values_list("user", flat=True)) == [ana.pk]


# --- Where rules approve ----------------------------------------------------------------------------------------


def test_rules_approve_nobody_with_a_team_and_no_team_joins_what_rules_approved(lyceum, mara, ana):
    actions.make_rules(
        by=lyceum.manager, lab=lyceum.lab, gate=None, text="green known when answer country is EE: A country"
    )
    spec = [*lyceum.gate.form_spec]
    people = {"name": "team", "type": "person_list", "label": "Team", "required": False}
    spec[-1] = {**spec[-1], "fields": [*spec[-1]["fields"], people]}
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, form_spec=spec)
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, auto_approve_green=True)
    together = lyceum.applied(verified(mara), team="Joan Roe, joan@place.example")
    assert together.status == "submitted"
    assert together.triage["held"] == ["names_members"]
    alone = lyceum.applied(ana)
    assert alone.status == "approved"
    with pytest.raises(Conflict) as refused:
        actions.invite(by=ana, application=alone, name="Joan", email="joan@x.example")
    assert refused.value.code == "passed_by_rules"


# --- What the lab took away


@pytest.mark.parametrize("how", ["revoked", "suspended"])
def test_a_lead_gives_no_member_back_what_the_lab_took_from_them(lyceum, mara, ana, team, how):
    lead, theirs = team
    taking = actions.revoke_grant if how == "revoked" else actions.suspend_grant
    taking(by=lyceum.manager, grant=theirs, reason="Weights were passed on.")
    actions.remove_member(by=mara, member=theirs.membership)
    member = actions.invite(by=mara, application=lead.application, name=ana.name, email=ana.email)
    with pytest.raises(Conflict) as refused:
        accepted(lyceum, member, ana)
    assert (refused.value.code, active(ana)) == ("taken_away", False)


def test_a_member_from_whom_the_lab_takes_access_before_the_lead_signs_is_not_admitted_with_the_team(lyceum, mara, ana):
    accepted(lyceum, named(lyceum, mara, ana), ana)
    own = lyceum.granted(ana)
    actions.revoke_grant(by=lyceum.manager, grant=own, reason="Weights were passed on.")
    vote_and_sign(lyceum, mara)
    assert (active(mara), active(ana)) == (True, False)
