"""A team and its end: who leaves, who is told, by when copies are to be deleted; and what an invitation says of its lead."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from portal.access import actions, tasks
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.access.models import Grant
from portal.mail import sending
from portal.outbox.models import Message
from portal.people.models import User
from portal.projects.models import ProjectMember
from tests.portal import world
from tests.portal.test_team import accepted, active, named, verified, vote_and_sign
from tests.portal.world import browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(db: None) -> User:
    return verified(world.person("Ana Duarte"))


@pytest.fixture
def team(lyceum, mara, ana) -> tuple[Grant, Grant]:
    """The lead's grant and the member's."""
    accepted(lyceum, named(lyceum, mara, ana), ana)
    return vote_and_sign(lyceum, mara), Grant.objects.get(user=ana)


def close(who: User, grant: Grant) -> None:
    day = timezone.now().date()
    actions.close_out(by=who, grant=grant, typed_name=who.name, deleted_on=day, statement="All deleted.")


def test_a_member_leaves_by_closing_out_and_the_lead_hears_of_it_and_has_the_place_again(lyceum, mara, ana, team):
    lead, theirs = team
    page = browser(ana).get(f"/grants/{theirs.pk}/mine/").content.decode()
    assert "Leave the team" in page
    assert (
        "You leave the team of Mara Lindqvist with it"
        in browser(ana).get(f"/grants/{theirs.pk}/close-out/").content.decode()
    )
    close(ana, theirs)
    assert Member.objects.get(grant=theirs).status == MemberStatus.REMOVED
    assert not ProjectMember.objects.filter(project=lead.project, user=ana, left_at=None).exists()
    told = Message.objects.get(payload__template="member_left").payload
    assert (told["to"], told["context"]["member"]) == (mara.email, ana.name)
    assert active(mara)
    assert not active(ana)
    again = actions.invite(by=mara, application=lead.application, name=ana.name, email=ana.email)
    assert again.status == MemberStatus.INVITED, "they may be asked again"


def test_the_lead_is_asked_once_more_before_somebodys_access_ends(lyceum, mara, ana, team):
    lead, theirs = team
    page, pressed = f"/applications/{lead.application_id}/team/", {"verb": "remove", "person": theirs.membership.pk}
    asked = browser(mara).post(page, pressed).content.decode()
    assert "Remove Ana Duarte from the team?" in asked
    assert f"to {lyceum.gate.title}, {lyceum.lab.name}" in asked
    assert active(ana)
    assert 'name="sure" value="1"' in asked
    assert browser(mara).post(page, pressed | {"sure": "1"}).status_code == 302
    assert not active(ana)
    waiting = actions.invite(by=mara, application=lead.application, name="Joan", email="joan@x.example")
    assert browser(mara).post(page, {"verb": "remove", "person": waiting.pk}).status_code == 302, (
        "who has no access yet"
    )


def test_the_lead_who_closes_out_reads_whose_access_ends_with_theirs_and_hears_of_no_leaving(lyceum, mara, ana, team):
    lead, theirs = team
    assert "The access of 1 member of your team" in browser(mara).get(f"/grants/{lead.pk}/close-out/").content.decode()
    close(mara, lead)
    theirs.refresh_from_db()
    assert theirs.state() == "ended"
    close(ana, theirs)
    assert not Message.objects.filter(payload__template="member_left").exists(), "their access was over before"


def test_the_invitation_says_whether_the_lead_applies_or_has_access(lyceum, mara, ana, team):
    joan = verified(world.person("Joan Roe"))
    waiting = lyceum.applied(world.person("Ida Fremd"))
    for application, granted in ((team[0].application, True), (waiting, False)):
        actions.invite(by=application.applicant, application=application, name=joan.name, email=joan.email)
        told = Message.objects.filter(payload__template="member_invited").latest("pk").payload["context"]
        text = sending.render("member_invited", {**told, "base_url": "https://models.example"}).body
        assert ("has access to" in text) is granted
        assert ("applies to" in text) is not granted


@pytest.mark.parametrize("how", ["declined", "taken back"])
def test_a_member_is_told_by_when_to_delete_once_a_late_renewal_of_the_lead_comes_to_nothing(
    lyceum, mara, ana, team, how
):
    lead, theirs = team
    with time_machine.travel(lead.ends_at - timedelta(days=20)):
        actions.renew(by=mara, grant=lead)
    with time_machine.travel(lead.ends_at + timedelta(hours=1)):
        tasks.announce_expiries()
        theirs.refresh_from_db()
        assert theirs.deletion_due_at is None, "it may still be granted"
    Message.objects.all().delete()
    with time_machine.travel(lead.ends_at + timedelta(days=3)):
        if how == "declined":
            actions.decline_renewal(by=lyceum.reviewers[0], grant=lead, message="Over.")
        else:
            actions.withdraw_renewal(by=mara, grant=lead)
    theirs.refresh_from_db()
    told = Message.objects.get(key=f"grant:{theirs.pk}", topic="mail.send").payload
    assert (told["to"], told["template"]) == (ana.email, "member_grant_ended")
    assert told["context"]["deletion_due"] == sending.moment(theirs.deletion_due_at) != ""


def test_a_member_whose_weights_were_none_is_not_told_to_delete_them(lyceum, mara, ana, team):
    lead, theirs = team
    Grant.objects.update(capabilities=["query"])
    with time_machine.travel(lead.ends_at - timedelta(days=20)):
        actions.renew(by=mara, grant=lead)
    Message.objects.all().delete()
    with time_machine.travel(lead.ends_at + timedelta(days=3)):
        actions.decline_renewal(by=lyceum.reviewers[0], grant=lead, message="Over.")
    assert not Message.objects.filter(key=f"grant:{theirs.pk}", topic="mail.send").exists()


def test_a_member_whose_access_began_by_a_clock_that_was_set_back_since_is_taken_off_all_the_same(
    lyceum, mara, ana, team
):
    _lead, theirs = team
    with time_machine.travel(theirs.starts_at - timedelta(minutes=5), tick=False):
        actions.remove_member(by=mara, member=theirs.membership)
        assert not active(ana)
    theirs.refresh_from_db()
    assert theirs.starts_at < theirs.ends_at
