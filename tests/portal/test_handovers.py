"""A project is handed over: offered by its lead, taken by a member's own signature, and nobody gains what they did not sign for."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.utils import timezone

from portal.access import actions, conflicts, tasks
from portal.access.handover_models import Handover
from portal.access.handovers import HandoverStatus
from portal.access.member_models import Member
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.actions import give_role, suspend
from portal.people.models import Role, User
from portal.projects import actions as projects
from portal.projects.models import ProjectMember
from tests.portal import world
from tests.portal.test_team import accepted, active, named, secret_of, verified, vote_and_sign
from tests.portal.world import World, browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(db: None) -> User:
    return verified(world.person("Ana Duarte"))


@pytest.fixture
def joan(db: None) -> User:
    return verified(world.person("Joan Roe"))


@pytest.fixture
def team(lyceum, mara, ana) -> tuple[Grant, Grant]:
    """The lead's grant and the member's."""
    accepted(lyceum, named(lyceum, mara, ana), ana)
    return vote_and_sign(lyceum, mara), Grant.objects.get(user=ana)


def offered(lead: Grant, theirs: Grant) -> Handover:
    return actions.offer_handover(by=lead.user, application=lead.application, member=theirs.membership)


def taken(w: World, handover: Handover, by: User) -> Handover:
    return actions.accept_handover(
        by=by, handover=handover, typed_name=by.name, capacity="for myself", text_sha256=w.agreement.current().sha256
    )


def erased(who: User) -> None:
    later = timezone.now() + erasure.DELAY + timedelta(hours=1)
    erasure.erase(request=erasure.request_erasure(by=who), now=later)


def told(template: str) -> list[str]:
    return sorted(row.payload["to"] for row in Message.objects.filter(payload__template=template))


def joined(w: World, lead: Grant, who: User) -> Grant:
    """Another member of the team, whose grant rests on the lead's."""
    by = lead.application.lead
    accepted(w, actions.invite(by=by, application=lead.application, name=who.name, email=who.email), who)
    return Grant.objects.get(user=who, ends_at__gt=timezone.now())


def test_a_member_who_signs_leads_and_the_lead_before_leaves(lyceum, mara, ana, joan, team):
    lead, theirs = team
    other, ends, project = joined(lyceum, lead, joan), theirs.ends_at, lead.project
    handover = offered(lead, theirs)
    assert (active(mara), active(ana), lead.application.lead) == (True, True, mara), "an offer changes nothing"
    taken(lyceum, handover, ana)
    for row in (lead, theirs, other, project):
        row.refresh_from_db()
    assert (active(mara), active(ana), active(joan)) == (False, True, True)
    assert (theirs.lead, other.lead, project.owner, lead.application.lead) == (None, theirs, ana, ana)
    assert (theirs.ends_at, theirs.capabilities, lead.deletion_due_at is not None) == (ends, lead.capabilities, True)
    assert not ProjectMember.objects.filter(project=project, user=mara, left_at=None).exists()
    handover.refresh_from_db()
    assert handover.signature.document["taken_over_from"] == mara.name
    assert handover.signature.user == ana
    events = set(Entry.objects.values_list("event", flat=True))
    assert {"handover.offered", "handover.accepted", "project.handed_over"} <= events


def test_everybody_concerned_is_told(lyceum, mara, ana, joan, team):
    lead, theirs = team
    joined(lyceum, lead, joan)
    taken(lyceum, offered(lead, theirs), ana)
    assert told("handover_offered") == [ana.email]
    assert told("handover_answered") == [mara.email]
    assert told("project_taken_over") == [ana.email]
    assert {joan.email, lyceum.manager.email} <= set(told("project_handed_over"))


def test_the_new_lead_names_and_removes_members_and_the_one_before_does_neither(lyceum, mara, ana, joan, team):
    lead, theirs = team
    other = joined(lyceum, lead, joan)
    taken(lyceum, offered(lead, theirs), ana)
    for verb in (actions.remove_member, actions.remind_member):
        with pytest.raises(NotFound):
            verb(by=mara, member=other.membership)
    with pytest.raises(NotFound):
        actions.invite(by=mara, application=lead.application, name="Ida Roe", email="ida@place.example")
    actions.remove_member(by=ana, member=other.membership)
    assert not active(joan)
    again = actions.invite(by=ana, application=lead.application, name=mara.name, email=mara.email)
    verified(mara)
    accepted(lyceum, again, mara)
    assert active(mara), "who handed over may come back as a member, by a signature of their own"
    assert Grant.objects.active().get(user=mara).lead == theirs
    newest = Grant.objects.filter(user=mara).latest("starts_at")
    taken(lyceum, actions.offer_handover(by=ana, application=lead.application, member=newest.membership), mara)
    assert (active(mara), active(ana), lead.application.lead) == (True, False, mara), "and lead it again"


def test_the_pages_of_both_say_what_is_theirs(lyceum, mara, ana, team):
    lead, theirs = team
    team_page, offer_page = (
        f"/applications/{lead.application_id}/team/",
        f"/applications/{lead.application_id}/hand-over/",
    )
    assert offer_page in browser(mara).get(team_page).content.decode()
    assert "Ana Duarte" in browser(mara).get(offer_page).content.decode()
    assert browser(ana).get(offer_page).status_code == 404
    browser(mara).post(offer_page, {"verb": "offer", "person": theirs.membership.pk})
    handover = Handover.objects.get()
    answer_page = f"/applications/offers/{handover.pk}/"
    assert answer_page in browser(ana).get(f"/grants/{theirs.pk}/mine/").content.decode()
    assert browser(mara).get(answer_page).status_code == 404
    version = lyceum.agreement.current()
    signed = {"typed_name": ana.name, "capacity": "for myself", "text_sha256": version.sha256}
    assert version.text[:40].splitlines()[0].strip("# ") in browser(ana).get(answer_page).content.decode()
    assert browser(ana).post(answer_page, signed | {"typed_name": "Somebody"}).status_code == 422
    assert browser(ana).post(answer_page, signed).status_code == 302
    assert browser(ana).get(team_page).status_code == 200
    assert browser(mara).get(team_page).status_code == 404
    assert browser(ana).get(f"/applications/{lead.application_id}/").status_code == 404, (
        "what was answered stays theirs"
    )
    assert team_page not in browser(mara).get(f"/applications/{lead.application_id}/").content.decode()
    assert team_page in browser(ana).get(f"/grants/{theirs.pk}/mine/").content.decode()
    assert team_page not in browser(mara).get(f"/grants/{lead.pk}/mine/").content.decode()


def test_an_offer_is_taken_back_or_declined_and_nothing_has_changed(lyceum, mara, ana, team):
    lead, theirs = team
    first = offered(lead, theirs)
    actions.withdraw_handover(by=mara, application=lead.application)
    with pytest.raises(NotFound):
        taken(lyceum, first, ana)
    second = offered(lead, theirs)
    actions.decline_handover(by=ana, handover=second)
    with pytest.raises(NotFound):
        taken(lyceum, second, ana)
    with pytest.raises(Conflict):
        actions.withdraw_handover(by=mara, application=lead.application)
    assert (active(mara), active(ana), lead.application.lead) == (True, True, mara)
    assert (told("handover_withdrawn"), told("handover_answered")) == ([ana.email], [mara.email])


def test_one_offer_is_open_at_a_time(lyceum, mara, ana, joan, team):
    lead, theirs = team
    other = joined(lyceum, lead, joan)
    offered(lead, theirs)
    for grant in (theirs, other):
        with pytest.raises(Conflict, match="offered to somebody already"):
            offered(lead, grant)


def test_nobody_but_the_lead_offers_and_nobody_but_the_one_asked_answers(lyceum, mara, ana, joan, team):
    lead, theirs = team
    other = joined(lyceum, lead, joan)
    for who in (ana, joan, lyceum.manager, world.person("Nobody Known")):
        with pytest.raises(NotFound):
            actions.offer_handover(by=who, application=lead.application, member=theirs.membership)
    handover = offered(lead, theirs)
    for who in (mara, joan, lyceum.manager):
        with pytest.raises(NotFound):
            taken(lyceum, handover, who)
        with pytest.raises(NotFound):
            actions.decline_handover(by=who, handover=handover)
    with pytest.raises(NotFound):
        actions.withdraw_handover(by=ana, application=lead.application)
    assert other.membership.status == "accepted"


def test_without_their_own_name_and_the_text_that_they_read_nobody_takes_over(lyceum, mara, ana, team):
    handover = offered(*team)
    good = {"typed_name": ana.name, "capacity": "for myself", "text_sha256": lyceum.agreement.current().sha256}
    with pytest.raises(Invalid):
        actions.accept_handover(by=ana, handover=handover, **good | {"typed_name": mara.name})
    with pytest.raises(Conflict):
        actions.accept_handover(by=ana, handover=handover, **good | {"text_sha256": "0" * 64})
    handover.refresh_from_db()
    assert (handover.status, active(mara)) == ("offered", True)


@pytest.mark.parametrize("whose", ["lead", "member"])
def test_access_that_the_lab_paused_is_neither_offered_nor_taken(lyceum, mara, ana, team, whose):
    lead, theirs = team
    handover = offered(lead, theirs)
    paused = lead if whose == "lead" else theirs
    actions.suspend_grant(by=lyceum.manager, grant=paused, reason="We look at something.")
    with pytest.raises(Conflict, match="paused"):
        taken(lyceum, handover, ana)
    actions.withdraw_handover(by=mara, application=lead.application)
    with pytest.raises(Conflict, match="paused"):
        offered(lead, theirs)
    assert not active(ana)


def test_a_suspended_account_of_the_lead_does_not_get_its_team_going_by_an_open_offer(lyceum, mara, ana, team):
    handover = offered(*team)
    suspend(by=lyceum.manager, user=mara, reason="Stolen.")
    with pytest.raises(Conflict):
        taken(lyceum, handover, ana)
    assert not active(ana)


def test_a_member_who_has_yet_to_sign_a_new_text_is_offered_nothing(lyceum, mara, ana, team):
    lead, theirs = team
    handover = offered(lead, theirs)
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "3. New.\n")
    with pytest.raises(Conflict):
        taken(lyceum, handover, ana)
    assert not active(ana)


@pytest.mark.parametrize(
    "how", ["removed", "closes out", "member revoked", "lead revoked", "lead closes out", "erased", "lead erased"]
)
def test_an_offer_ends_where_one_of_the_two_leaves(lyceum, mara, ana, team, how):
    lead, theirs = team
    handover = offered(lead, theirs)
    day = timezone.now().date()
    gone = {"deleted_on": day, "statement": "All deleted."}
    {
        "removed": lambda: actions.remove_member(by=mara, member=theirs.membership),
        "closes out": lambda: actions.close_out(by=ana, grant=theirs, typed_name=ana.name, **gone),
        "member revoked": lambda: actions.revoke_grant(by=lyceum.manager, grant=theirs, reason="Passed on."),
        "lead revoked": lambda: actions.revoke_grant(by=lyceum.manager, grant=lead, reason="Passed on."),
        "lead closes out": lambda: actions.close_out(by=mara, grant=lead, typed_name=mara.name, **gone),
        "erased": lambda: erased(ana),
        "lead erased": lambda: erased(mara),
    }[how]()
    handover.refresh_from_db()
    assert handover.status == HandoverStatus.LAPSED
    with pytest.raises(NotFound):
        taken(lyceum, handover, ana)


def test_an_offer_runs_out_after_two_weeks_and_its_lead_is_told(lyceum, mara, ana, team):
    lead, theirs = team
    handover = offered(lead, theirs)
    with time_machine.travel(timezone.now() + timedelta(days=15), tick=False):
        with pytest.raises(NotFound):
            taken(lyceum, handover, ana)
        assert (tasks.lapse_handovers(), tasks.lapse_handovers()) == (1, 0)
        assert offered(lead, theirs).status == "offered", "and may be made anew"
    assert told("handover_answered") == [mara.email]


def test_an_offer_whose_grant_has_ended_gives_nothing(lyceum, mara, ana, team):
    lead, theirs = team
    with time_machine.travel(lead.ends_at - timedelta(days=1), tick=False):
        handover = offered(lead, theirs)
    with time_machine.travel(lead.ends_at + timedelta(hours=1), tick=False), pytest.raises(Conflict):
        taken(lyceum, handover, ana)


def test_a_project_that_was_taken_over_is_renewed_by_a_reviewer_and_never_by_rules(lyceum, mara, ana, joan, team):
    lead, theirs = team
    other = joined(lyceum, lead, joan)
    lyceum.gate.renew_unchanged = True
    lyceum.gate.save()
    lead.application.lane = "green"
    lead.application.save(update_fields=["lane"])
    taken(lyceum, offered(lead, theirs), ana)
    with time_machine.travel(theirs.ends_at - timedelta(days=20), tick=False):
        assert actions.renew(by=ana, grant=theirs).status == "submitted"
        actions.approve_renewal(by=lyceum.reviewers[0], grant=theirs)
    old = other.ends_at
    other.refresh_from_db()
    theirs.refresh_from_db()
    assert other.ends_at == theirs.ends_at > old


def test_who_led_the_project_before_and_reviews_for_the_lab_does_not_judge_its_renewal_and_others_do(
    lyceum, mara, ana, team
):
    lead, theirs = team
    taken(lyceum, offered(lead, theirs), ana)
    give_role(by=lyceum.manager, user=mara, lab=lyceum.lab, role=Role.REVIEWER)
    page = f"/grants/{theirs.pk}/"
    with time_machine.travel(theirs.ends_at - timedelta(days=20), tick=False):
        actions.renew(by=ana, grant=theirs)
        asked = told("renewal_to_review")
        assert mara.email not in asked, "nobody is asked who would be refused"
        assert lyceum.reviewers[0].email in asked
        assert "Approve renewal" not in browser(mara).get(page).content.decode()
        assert "Approve renewal" in browser(lyceum.reviewers[0]).get(page).content.decode()
        for judge in (actions.approve_renewal, partial(actions.decline_renewal, message="No.")):
            with pytest.raises(NotAllowed, match=r"You belong(ed)? to this project") as refused:
                judge(by=mara, grant=theirs)
            assert refused.value.code == "conflict_of_interest"
        assert actions.approve_renewal(by=lyceum.reviewers[0], grant=theirs).status == "granted"


def test_who_left_a_project_judges_what_it_asks_for_again_after_three_years_and_not_while_they_are_back(
    lyceum, mara, ana, team
):
    """They were barred for ever, also as the one reviewer of a small lab."""
    lead, theirs = team
    taken(lyceum, offered(lead, theirs), ana)
    give_role(by=lyceum.manager, user=mara, lab=lyceum.lab, role=Role.REVIEWER)
    left = theirs.project.members.get(user=mara).left_at
    with time_machine.travel(left + timedelta(days=3 * 365 - 1), tick=False):
        (found,) = conflicts.over(mara, theirs.project, ana)
        assert found.code == "on_project"
        assert f"{left + timedelta(days=3 * 365):%-d %B %Y}" in found.message
    with time_machine.travel(left + timedelta(days=3 * 365), tick=False):
        assert conflicts.over(mara, theirs.project, ana) == ()
        projects.join(project=theirs.project, user=mara)
        assert [each.code for each in conflicts.over(mara, theirs.project, ana)] == ["on_project"], "on it again"


def test_a_member_of_the_team_does_not_judge_the_renewal_that_their_own_access_rests_on(lyceum, mara, ana, team):
    lead, _theirs = team
    give_role(by=lyceum.manager, user=ana, lab=lyceum.lab, role=Role.REVIEWER)
    with time_machine.travel(lead.ends_at - timedelta(days=20), tick=False):
        actions.renew(by=mara, grant=lead)
        assert ana.email not in told("renewal_to_review")
        with pytest.raises(NotAllowed, match=r"You belong(ed)? to this project"):
            actions.approve_renewal(by=ana, grant=lead)


def test_the_lab_reads_on_the_new_leads_grant_what_the_project_was_approved_as(lyceum, mara, ana, joan, team):
    lead, theirs = team
    other, link = joined(lyceum, lead, joan), f'href="/review/{lead.application_id}/"'
    staff = browser(lyceum.reviewers[0])
    assert link in staff.get(f"/grants/{lead.pk}/").content.decode()
    assert link not in staff.get(f"/grants/{theirs.pk}/").content.decode(), "a member's names the lead's"
    taken(lyceum, offered(lead, theirs), ana)
    assert link in staff.get(f"/grants/{theirs.pk}/").content.decode()
    assert link in staff.get(f"/grants/{lead.pk}/").content.decode(), "it was approved for who applied"
    assert link not in staff.get(f"/grants/{other.pk}/").content.decode()


def test_what_the_former_lead_asked_to_renew_is_not_the_new_leads(lyceum, mara, ana, team):
    lead, theirs = team
    with time_machine.travel(lead.ends_at - timedelta(days=20), tick=False):
        renewal = actions.renew(by=mara, grant=lead, report={"changes": "I leave."})
        taken(lyceum, offered(lead, theirs), ana)
    renewal.refresh_from_db()
    assert renewal.status == "lapsed"


def test_the_new_leads_end_is_the_teams_end_and_the_erasure_of_the_former_is_not(lyceum, mara, ana, joan, team):
    lead, theirs = team
    joined(lyceum, lead, joan)
    taken(lyceum, offered(lead, theirs), ana)
    erased(mara)
    assert (active(ana), active(joan)) == (True, True)
    actions.revoke_grant(by=lyceum.manager, grant=Grant.objects.get(pk=theirs.pk), reason="Passed on.")
    assert (active(ana), active(joan)) == (False, False)


def test_who_is_invited_by_an_offer_of_places_signs_for_the_new_lead(lyceum, mara, ana, joan, team):
    lead, theirs = team
    waiting = actions.invite(by=mara, application=lead.application, name=joan.name, email=joan.email)
    taken(lyceum, offered(lead, theirs), ana)
    page = browser(joan).get(f"/invitations/{secret_of(waiting)}/").content.decode()
    assert ana.name in page
    assert mara.name not in page
    accepted(lyceum, waiting, joan)
    assert Grant.objects.get(user=joan).lead == theirs


def test_a_personal_project_and_somebody_outside_are_refused_by_the_project_itself(lyceum, mara, ana, joan, team):
    with pytest.raises(Conflict):
        projects.hand_over(project=projects.personal(mara), to=ana, by=ana)
    with pytest.raises(Conflict):
        projects.hand_over(project=team[0].project, to=joan, by=joan)


def test_the_place_of_who_took_over_is_free(lyceum, mara, ana, joan, team):
    lead, theirs = team
    lyceum.gate.team_limit = 1
    lyceum.gate.save()
    taken(lyceum, offered(lead, theirs), ana)
    assert Member.objects.get(grant=theirs).status == "took_over"
    assert active(joined(lyceum, lead, joan).user)


def test_a_program_offers_takes_back_declines_and_takes_over(lyceum, mara, ana, stranger, team):
    lead, theirs = team
    led, member = browser(mara), browser(ana)
    place = f"/api/v1/applications/{lead.application_id}/handover"

    def asked(client, path, **said):
        return client.post(path, said, content_type="application/json")

    first = asked(led, place, member=theirs.membership.pk)
    assert (first.status_code, first.json()["status"]) == (201, "offered")
    assert asked(led, place, member=theirs.membership.pk).status_code == 409
    assert asked(led, f"{place}/withdraw").json()["status"] == "withdrawn"
    assert member.get(f"/api/v1/handovers/{first.json()['id']}").status_code == 404

    second = asked(led, place, member=theirs.membership.pk).json()["id"]
    assert asked(member, f"/api/v1/handovers/{second}/decline").json()["status"] == "declined"

    third = f"/api/v1/handovers/{asked(led, place, member=theirs.membership.pk).json()['id']}"
    assert browser(stranger).get(third).status_code == led.get(third).status_code == 404
    offer = member.get(third).json()
    assert (offer["lead"], offer["gate"]) == (mara.get_full_name(), lyceum.gate.full_name)
    said = {"typed_name": ana.name, "capacity": "for myself", "text_sha256": offer["agreement"]["text_sha256"]}
    assert asked(member, f"{third}/accept", **said | {"typed_name": "Somebody"}).status_code == 400
    receipt = asked(member, f"{third}/accept", **said)
    assert receipt.status_code == 201
    assert (active(mara), active(ana), lead.application.lead) == (False, True, ana)
    assert asked(member, f"{third}/accept", **said).status_code == 404
