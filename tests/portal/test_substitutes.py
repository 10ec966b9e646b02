"""A reviewer goes away and names who acts meanwhile: in time, in the lab, once for each chair."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal.access import actions
from portal.access.desk_models import Substitute
from portal.access.review_models import Review, Vote
from portal.access.workflow import Status
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people.actions import end_role
from portal.people.models import Membership, User
from tests.portal import world
from tests.portal.world import browser


def away(w: world.World, reviewer: User, substitute: User, days: int = 7, begin: int = 0) -> Substitute:
    first = timezone.now().date() + timedelta(days=begin)
    return actions.name_substitute(
        by=reviewer, lab=w.lab, substitute=substitute, starts_on=first, ends_on=first + timedelta(days=days)
    )


def test_a_manager_who_stands_in_votes_on_what_is_the_absent_ones_and_on_nothing_else(lyceum, mara, stranger):
    absent = lyceum.reviewers[0]
    theirs, other = lyceum.applied(mara), lyceum.applied(stranger)
    actions.assign(by=absent, application=theirs, to=absent)
    with pytest.raises(NotFound):
        actions.cast_vote(by=lyceum.manager, application=theirs, vote=Vote.APPROVE)
    away(lyceum, absent, lyceum.manager)
    actions.cast_vote(by=lyceum.manager, application=theirs, vote=Vote.APPROVE)
    vote = Review.objects.get()
    assert (vote.reviewer, vote.in_place_of) == (lyceum.manager, absent)
    assert Entry.objects.get(event="application.reviewed").data["in_place_of"] == str(absent.pk)
    with pytest.raises(NotFound):
        actions.cast_vote(by=lyceum.manager, application=other, vote=Vote.APPROVE)
    page = browser(lyceum.manager).get(reverse("access:queue"), {"assignee": "me"}).content.decode()
    assert theirs.reference in page
    assert other.reference not in page
    review = browser(lyceum.reviewers[0]).get(reverse("access:review", args=[theirs.pk])).content.decode()
    assert "in the place of Reviewer 1" in review


def test_who_stands_in_without_being_a_reviewer_is_not_offered_to_take_what_they_cannot_take(lyceum, mara):
    absent = lyceum.reviewers[0]
    theirs = lyceum.applied(mara)
    actions.assign(by=absent, application=theirs, to=absent)
    away(lyceum, absent, lyceum.manager)
    url = reverse("access:review", args=[theirs.pk])
    stands_in = browser(lyceum.manager).get(url).content.decode()
    assert "You stand in for" in stands_in
    assert "Take it</button>" not in stands_in
    assert "Take it</button>" in browser(lyceum.reviewers[1]).get(url).content.decode()


def test_both_read_by_whose_clock_the_days_begin_and_end_on_the_page_and_in_the_mail(lyceum):
    away(lyceum, lyceum.reviewers[0], lyceum.manager)
    for reader in (lyceum.reviewers[0], lyceum.manager):
        page = browser(reader).get(reverse("access:absence")).content.decode()
        assert page.count("Days begin and end at 00:00 UTC.") == 1, reader
    mail = Message.objects.get(payload__template="substitute_named").payload
    text = render_to_string("emails/substitute_named.txt", mail["context"])
    assert "Days begin and end at 00:00 UTC." in text
    assert "Days begin and end at 00:00 UTC." in render_to_string("emails/substitute_named.html", mail["context"])


def test_who_is_a_day_behind_utc_goes_away_today_as_it_is_where_they_are(lyceum):
    with time_machine.travel("2027-03-02T09:00:00Z", tick=False):
        made = away(lyceum, lyceum.reviewers[0], lyceum.manager, begin=-1)
        assert made.starts_on.isoformat() == "2027-03-01", "today in Honolulu"
    with time_machine.travel("2027-03-02T13:00:00Z", tick=False), pytest.raises(Invalid):
        away(lyceum, lyceum.reviewers[1], lyceum.manager, begin=-1)


def test_who_stands_in_hears_that_it_is_taken_back_and_of_one_that_is_over_nothing(lyceum):
    made = away(lyceum, lyceum.reviewers[0], lyceum.manager)
    actions.end_substitute(by=lyceum.reviewers[0], pk=made.pk)
    told = Message.objects.get(payload__template="substitute_ended").payload
    assert (told["to"], told["context"]["reviewer"]) == (lyceum.manager.email, lyceum.reviewers[0].name)
    over = away(lyceum, lyceum.reviewers[1], lyceum.manager)
    with time_machine.travel(timezone.now() + timedelta(days=9)):
        actions.end_substitute(by=lyceum.reviewers[1], pk=over.pk)
    assert Message.objects.filter(payload__template="substitute_ended").count() == 1


def test_one_chair_has_one_vote_whoever_casts_it(lyceum, mara, stranger):
    absent, second, _ = lyceum.reviewers
    one, two = lyceum.applied(mara), lyceum.applied(stranger)
    for application in (one, two):
        actions.assign(by=absent, application=application, to=absent)
    away(lyceum, absent, lyceum.manager)
    actions.cast_vote(by=lyceum.manager, application=one, vote=Vote.APPROVE)
    with pytest.raises(Conflict, match="in your place"):
        actions.cast_vote(by=absent, application=one, vote=Vote.APPROVE)
    actions.cast_vote(by=absent, application=two, vote=Vote.APPROVE)
    with pytest.raises(Conflict, match="has voted in this round already"):
        actions.cast_vote(by=lyceum.manager, application=two, vote=Vote.APPROVE)
    one.refresh_from_db()
    assert one.status == Status.IN_REVIEW, "two votes of one chair are not a quorum of two"
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(
            application=one, reviewer=second, in_place_of=absent, round=1, vote=Vote.APPROVE, cast_at=timezone.now()
        )


def test_a_reviewer_who_stands_in_still_votes_once_as_themself(lyceum, mara):
    absent, colleague, _ = lyceum.reviewers
    application = lyceum.applied(mara)
    actions.assign(by=absent, application=application, to=absent)
    away(lyceum, absent, colleague)
    actions.cast_vote(by=colleague, application=application, vote=Vote.APPROVE)
    assert Review.objects.get().in_place_of is None
    with pytest.raises(Conflict):
        actions.cast_vote(by=colleague, application=application, vote=Vote.APPROVE)


def test_a_conflict_of_interest_holds_for_a_substitute(lyceum, mara):
    absent = lyceum.reviewers[0]
    application = lyceum.applied(mara)
    actions.assign(by=absent, application=application, to=absent)
    away(lyceum, absent, lyceum.manager)
    world.work_at("Northfield University", mara, lyceum.manager)
    with pytest.raises(NotAllowed):
        actions.cast_vote(by=lyceum.manager, application=application, vote=Vote.APPROVE)


def test_it_holds_from_the_first_day_through_the_last_and_not_after_either_role_ends(lyceum, mara):
    absent = lyceum.reviewers[0]
    application = lyceum.applied(mara)
    actions.assign(by=absent, application=application, to=absent)
    named = away(lyceum, absent, lyceum.manager, begin=2, days=3)

    def stands_in() -> bool:
        page = browser(lyceum.manager).get(reverse("access:queue"), {"assignee": "me"})
        return application.reference in page.content.decode()

    now = timezone.now()
    seen = []
    for day in (1, 2, 5, 6):
        with time_machine.travel(now + timedelta(days=day), tick=False):
            seen.append(stands_in())
    assert seen == [False, True, True, False]
    with time_machine.travel(now + timedelta(days=3), tick=False):
        assert stands_in()
        end_role(membership=Membership.objects.get(user=absent), by=lyceum.manager)
    with time_machine.travel(now + timedelta(days=4), tick=False):
        assert not stands_in()
    assert named.ended_at is None


def test_only_a_reviewer_names_only_somebody_of_the_lab_for_a_time_to_come(lyceum, harbour, stranger):
    first = lyceum.reviewers[0]
    for unfit in (first, stranger, harbour.manager):
        with pytest.raises(Invalid):
            away(lyceum, first, unfit)
    for outsider in (lyceum.manager, harbour.reviewers[0], stranger):
        with pytest.raises(NotFound):
            away(lyceum, outsider, lyceum.reviewers[1])
    for wrong in ({"begin": -2}, {"days": -1}, {"days": 181}):
        with pytest.raises(Invalid):
            away(lyceum, first, lyceum.manager, **wrong)
    away(lyceum, first, lyceum.manager)
    with pytest.raises(Conflict):
        away(lyceum, first, lyceum.reviewers[1], begin=7)


def test_it_is_arranged_and_taken_back_on_a_page(lyceum, harbour, stranger):
    first, link = lyceum.reviewers[0], reverse("access:absence")
    client, today = browser(first), timezone.now().date().isoformat()
    assert "Nobody named" in client.get(link).content.decode()
    wrong = client.post(link, {"substitute": f"lyceum:{lyceum.manager.pk}", "starts_on": "soon", "ends_on": today})
    assert wrong.status_code == 422
    assert "Write a day" in wrong.content.decode()
    foreign = {"substitute": f"harbour:{harbour.manager.pk}", "starts_on": today, "ends_on": today}
    assert client.post(link, foreign).status_code == 422
    client.post(link, {**foreign, "substitute": f"lyceum:{lyceum.manager.pk}"})
    named = Substitute.objects.get()
    assert [m.payload["to"] for m in Message.objects.filter(payload__template="substitute_named")] == [
        lyceum.manager.email
    ]
    assert "You stand in for" in browser(lyceum.manager).get(link).content.decode()
    end = reverse("access:absence_end", args=[named.pk])
    assert browser(lyceum.manager).post(end).status_code == 404, "it is the absent one's to take back"
    client.post(end)
    named.refresh_from_db()
    assert named.ended_at
    assert client.post(end).status_code == 409
    assert browser(stranger).get(link).status_code == 404
