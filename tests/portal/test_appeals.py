"""A declined applicant appeals: once, in time, to reviewers who had no part in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.formats import date_format

from portal.access import actions, appeals
from portal.access.application_models import Application, Decline
from portal.access.desk_models import Appeal, Outcome
from portal.access.review_models import Vote
from portal.access.workflow import Status
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people.actions import give_role
from portal.people.models import Affiliation, Role
from tests.portal import world
from tests.portal.world import browser


@pytest.fixture
def declined(lyceum, mara):
    application = lyceum.applied(mara)
    actions.decline(by=lyceum.reviewers[0], application=application, reason=Decline.PURPOSE, message="It is a product.")
    application.refresh_from_db()
    return application


@pytest.fixture
def appealed(declined, mara):
    actions.appeal(by=mara, application=declined, text="It is a course, and nothing is sold.")
    declined.refresh_from_db()
    return declined


def test_who_was_declined_is_offered_no_team_and_who_waits_is(declined, lyceum, stranger):
    team = f"/applications/{declined.pk}/team/"
    assert f'href="{team}"' not in browser(declined.applicant).get(declined.get_absolute_url()).content.decode()
    waiting = lyceum.applied(stranger)
    shown = browser(stranger).get(waiting.get_absolute_url()).content.decode()
    assert f'href="/applications/{waiting.pk}/team/"' in shown


def mailed(template):
    return {m.payload["to"] for m in Message.objects.filter(payload__template=template)}


def test_an_appeal_goes_to_those_who_had_no_part_in_the_decline(lyceum, appealed, mara):
    first, second, third = lyceum.reviewers
    assert appealed.status == Status.APPEALED
    assert appealed.reason == Decline.PURPOSE, "the decline stands until it is overturned"
    assert mailed("appeal_to_review") == {second.email, third.email}
    assert mailed("appeal_made") == {mara.email}
    for judge in (
        lambda: actions.uphold(by=first, application=appealed, message="No."),
        lambda: actions.cast_vote(by=first, application=appealed, vote=Vote.APPROVE),
        lambda: actions.assign(by=second, application=appealed, to=first),
    ):
        with pytest.raises(NotAllowed):
            judge()
    assert "sold" not in str(list(Entry.objects.values_list("data", flat=True)))
    assert "sold" not in str(list(Message.objects.values_list("payload", flat=True)))


def test_an_appeal_can_be_given_to_those_alone_who_may_judge_it(lyceum, appealed):
    first, second, third = lyceum.reviewers
    shown = browser(second).get(reverse("access:review", args=[appealed.pk])).content.decode()
    offered = shown.partition('<select name="to"')[2].partition("</select>")[0]
    assert str(third.pk) in offered
    assert str(first.pk) not in offered, "who declined it; giving it to them was refused afterwards"


def test_an_application_can_be_given_to_whoever_of_the_lab_has_no_conflict(lyceum, harbour, mara):
    application, (first, second, third) = lyceum.applied(mara), lyceum.reviewers
    actions.cast_vote(by=third, application=application, vote=Vote.RECUSE)
    shown = browser(first).get(reverse("access:review", args=[application.pk])).content.decode()
    offered = shown.partition('<select name="to"')[2].partition("</select>")[0]
    assert str(second.pk) in offered
    assert str(third.pk) not in offered, "who has recused themselves"
    assert not [each for each in harbour.reviewers if str(each.pk) in offered]


def test_a_fresh_quorum_overturns_and_the_applicant_signs(lyceum, appealed, mara):
    _, second, third = lyceum.reviewers
    half = actions.cast_vote(by=second, application=appealed, vote=Vote.APPROVE)
    assert half.status == Status.APPEALED, "the gate wants two, on appeal too"
    done = actions.cast_vote(by=third, application=appealed, vote=Vote.APPROVE)
    assert (done.status, done.reason, done.decided_by) == (Status.APPROVED, "", third)
    assert Appeal.objects.get().outcome == Outcome.OVERTURNED
    assert mailed("appeal_overturned") == {mara.email}
    assert lyceum.signed(mara, done).state() == "active"
    assert Entry.objects.filter(event="appeal.overturned").count() == 1


def test_a_fresh_reviewer_lets_it_stand_with_words_and_there_is_no_second_appeal(lyceum, appealed, mara):
    with pytest.raises(Invalid):
        actions.uphold(by=lyceum.reviewers[1], application=appealed, message=" ")
    actions.uphold(by=lyceum.reviewers[1], application=appealed, message="The course is sold.")
    appealed.refresh_from_db()
    assert (appealed.status, appealed.reason, appealed.decided_by) == (
        Status.DECLINED,
        Decline.PURPOSE,
        lyceum.reviewers[0],
    )
    assert "The course is sold." in browser(mara).get(appealed.get_absolute_url()).content.decode()
    with pytest.raises(Conflict):
        actions.appeal(by=mara, application=appealed, text="Once more.")
    late = browser(mara).get(reverse("access:appeal", args=[appealed.pk]), follow=True)
    assert late.redirect_chain[0][0] == appealed.get_absolute_url(), (
        "where it says how it ended, and offers to apply again"
    )
    assert "You have appealed already" in late.content.decode()
    assert actions.apply_again(by=mara, application=appealed).status == Status.DRAFT


def test_when_the_last_fresh_reviewers_recuse_themselves_those_hear_of_it_who_can_give_the_role(lyceum, appealed, mara):
    """Nobody else may judge it, and nobody would know that it waits for no one."""
    head = world.person("Head of Lyceum")
    give_role(user=head, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    assert mailed("appeal_lacks_reviewers") == set()
    for reviewer, left in zip(lyceum.reviewers[1:], (1, 0), strict=True):
        actions.cast_vote(by=reviewer, application=appealed, vote=Vote.RECUSE)
        told = Message.objects.filter(payload__template="appeal_lacks_reviewers", payload__to=head.email)
        assert told.order_by("-pk")[0].payload["context"]["has"] == left
    waiting = lyceum.applied(world.person("Ida Fremd"))
    actions.cast_vote(by=lyceum.reviewers[0], application=waiting, vote=Vote.RECUSE)
    assert told.count() == 2, "two are left for that one, as many as it takes"


def test_a_recusal_that_leaves_enough_fresh_reviewers_alarms_nobody(lyceum, appealed):
    head, fourth = world.person("Head of Lyceum"), world.person("Fourth Reviewer")
    give_role(user=head, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    give_role(user=fourth, lab=lyceum.lab, role=Role.REVIEWER, by=None)
    actions.cast_vote(by=lyceum.reviewers[1], application=appealed, vote=Vote.RECUSE)
    assert mailed("appeal_lacks_reviewers") == set()


def test_the_page_says_to_all_who_read_it_that_too_few_are_left_to_judge_an_appeal(lyceum, appealed):
    said = "Reviewers who may judge this appeal: 1. Needed to overturn the decline: 2."
    page = f"/review/{appealed.pk}/"
    assert "may judge this appeal: " not in browser(lyceum.reviewers[1]).get(page).content.decode(), "two are left"
    actions.cast_vote(by=lyceum.reviewers[1], application=appealed, vote=Vote.RECUSE)
    for reader in (lyceum.manager, *lyceum.reviewers):
        assert said in browser(reader).get(page).content.decode(), reader.email
    late = world.person("Late Reviewer")
    give_role(by=lyceum.manager, user=late, lab=lyceum.lab, role=Role.REVIEWER)
    assert said not in browser(lyceum.manager).get(page).content.decode()
    assert "may judge this appeal: " not in browser(lyceum.manager).get(page).content.decode()


def test_the_page_says_so_of_an_application_too_until_it_is_decided(lyceum, mara):
    application, page = lyceum.applied(mara), browser(lyceum.manager)
    url, said = f"/review/{application.pk}/", "Reviewers who may judge this application: 1. Needed to approve it: 2."
    for reviewer in lyceum.reviewers[:2]:
        assert said not in page.get(url).content.decode()
        actions.cast_vote(by=reviewer, application=application, vote=Vote.RECUSE)
    assert said in page.get(url).content.decode()
    actions.decline(by=lyceum.reviewers[2], application=application, reason=Decline.PURPOSE, message="A product.")
    assert said not in page.get(url).content.decode()


def test_the_term_is_thirty_days(declined, mara):
    until = declined.decided_at + appeals.TERM
    with time_machine.travel(until + timedelta(seconds=1), tick=False), pytest.raises(Conflict):
        actions.appeal(by=mara, application=declined, text="Late.")
    with time_machine.travel(until - timedelta(seconds=1), tick=False):
        assert actions.appeal(by=mara, application=declined, text="In time.").text == "In time."


def test_the_page_names_the_hour_after_which_an_appeal_comes_too_late_and_then_says_so(declined, mara):
    until, page = declined.decided_at + appeals.TERM, reverse("access:appeal", args=[declined.pk])
    hour = f"{date_format(until)}, {until:%H:%M} UTC"
    for shown in (declined.get_absolute_url(), page):
        assert hour in browser(mara).get(shown).content.decode().replace("\xa0", " ")
    with time_machine.travel(until + timedelta(minutes=1), tick=False):
        late = browser(mara).get(page, follow=True)
        assert late.redirect_chain[0][0] == declined.get_absolute_url()
        assert "can no longer be appealed" in late.content.decode()
        assert "Apply again" in late.content.decode()
        assert "can no longer be appealed" in browser(mara).post(page, {"text": "Late."}, follow=True).content.decode()


def test_a_reviewer_with_a_known_conflict_is_not_called_to_an_appeal_and_not_counted(lyceum, declined, mara):
    head = world.person("Head of Lyceum")
    give_role(user=head, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    near, fresh = lyceum.reviewers[1:]
    for person in (near, mara):
        Affiliation.objects.update_or_create(
            user=person, ends_at=None, defaults={"organisation": "Eastmark", "klass": "academia"}
        )
    actions.appeal(by=mara, application=declined, text="Read the method again.")
    assert mailed("appeal_to_review") == {fresh.email}
    assert mailed("appeal_lacks_reviewers") == {head.email}, "two are needed, and one is left"


def test_a_colleague_who_may_not_judge_is_a_wrong_answer_beside_the_field(lyceum, appealed):
    involved, fresh = lyceum.reviewers[0], lyceum.reviewers[1]
    url = reverse("access:assign", args=[appealed.pk])
    answer = browser(fresh).post(url, {"to": str(involved.pk)})
    assert answer.status_code == 422
    assert f"{involved.name} may not judge this application. Choose somebody else." in answer.content.decode()
    assert browser(involved).post(url, {"to": "me"}).status_code == 403, "oneself is refused as anywhere"


def test_only_a_decline_is_appealed_only_by_its_applicant_and_not_beside_a_new_application(
    lyceum, declined, mara, stranger
):
    waiting = lyceum.applied(stranger)
    with pytest.raises(Conflict):
        actions.appeal(by=stranger, application=waiting, text="x")
    for other in (stranger, lyceum.manager):
        with pytest.raises(NotFound):
            actions.appeal(by=other, application=declined, text="x")
    with pytest.raises(NotAllowed):
        actions.appeal(by=lyceum.reviewers[1], application=declined, text="x")
    with pytest.raises(Invalid):
        actions.appeal(by=mara, application=declined, text="  ")
    actions.apply_again(by=mara, application=declined)
    with pytest.raises(Conflict):
        actions.appeal(by=mara, application=declined, text="x")


def test_no_new_application_and_no_ordinary_decision_beside_an_appeal(lyceum, appealed, mara):
    second = lyceum.reviewers[1]
    for command in (
        lambda: actions.apply_again(by=mara, application=appealed),
        lambda: actions.decline(by=second, application=appealed, reason=Decline.OTHER, message="x"),
        lambda: actions.request_changes(by=second, application=appealed, message="x"),
    ):
        with pytest.raises(Conflict):
            command()
    assert Application.objects.get(pk=appealed.pk).status == Status.APPEALED


def test_an_appeal_is_kept_as_it_was_written(appealed):
    with pytest.raises(IntegrityError), transaction.atomic():
        Appeal.objects.update(text="Other words.")
    with pytest.raises(IntegrityError), transaction.atomic():
        Appeal.objects.update(outcome=Outcome.UPHELD, message="")


def test_the_applicant_appeals_on_a_page_and_a_fresh_reviewer_answers_on_one(lyceum, harbour, declined, mara, stranger):
    page = reverse("access:appeal", args=[declined.pk])
    client = browser(mara)
    assert page in client.get(declined.get_absolute_url()).content.decode()
    assert "It is a product." in client.get(page).content.decode()
    assert client.post(page, {"text": ""}).status_code == 422
    assert browser(stranger).get(page).status_code == 404
    assert browser(lyceum.reviewers[1]).get(page).status_code == 404
    client.post(page, {"text": "Nothing is sold."})
    review = reverse("access:review", args=[declined.pk])
    fresh, involved = browser(lyceum.reviewers[1]), browser(lyceum.reviewers[0])
    assert "Nothing is sold." in fresh.get(review).content.decode()
    assert 'value="uphold"' in fresh.get(review).content.decode()
    assert 'value="uphold"' not in involved.get(review).content.decode()
    assert "You had a part in this decline" in involved.get(review).content.decode()
    assert declined.reference in fresh.get(reverse("access:queue"), {"show": "appealed"}).content.decode()
    assert browser(harbour.reviewers[0]).get(review).status_code == 404
    assert fresh.post(review, {"verb": "uphold", "message": ""}).status_code == 422
    fresh.post(review, {"verb": "uphold", "message": "It stands.", "version": Application.objects.get().version})
    assert Application.objects.get().status == Status.DECLINED


def test_the_wait_of_an_appeal_is_counted_from_the_appeal(lyceum, declined, mara):
    with time_machine.travel(declined.decided_at + timedelta(days=20), tick=False):
        actions.appeal(by=mara, application=declined, text="Look again.")
        late = browser(lyceum.reviewers[1]).get(reverse("access:queue"), {"late": "yes"}).content.decode()
        assert declined.reference not in late
    with time_machine.travel(declined.decided_at + timedelta(days=32), tick=False):
        late = browser(lyceum.reviewers[1]).get(reverse("access:queue"), {"late": "yes"}).content.decode()
        assert declined.reference in late


def test_administrators_hear_when_too_few_reviewers_are_left(lyceum, mara):
    administrator = world.person("Ada Ministrator")
    world.give_role(user=administrator, lab=lyceum.lab, role=world.Role.ADMINISTRATOR, by=None)
    application = lyceum.applied(mara)
    actions.cast_vote(by=lyceum.reviewers[1], application=application, vote=Vote.DECLINE)
    actions.decline(by=lyceum.reviewers[0], application=application, reason=Decline.OTHER, message="x")
    actions.appeal(by=mara, application=application, text="Look again.")
    assert mailed("appeal_lacks_reviewers") == {administrator.email}
    assert mailed("appeal_to_review") == {lyceum.reviewers[2].email}
