"""The day's digest: each thing once, at the reader's own hour, and only what may wait."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from portal.access import actions
from portal.access.application_models import Decline
from portal.audit.models import Entry
from portal.errors import Invalid, NotFound
from portal.mail import digest, pacing, registry, sending, tasks
from portal.mail.models import Choice, DigestHour, Pace, Waiting
from portal.mail.registry import CHOOSABLE, Topic
from portal.outbox import delivery
from portal.outbox.models import Message

MORNING = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def choose(user, topic=Topic.REVIEW, pace=Pace.DAILY, *, hour=8, zone="UTC"):
    pacing.choose(by=user, paces={topic: pace}, hour=hour, zone=zone)


def deliver_all() -> None:
    for pk in Message.objects.filter(topic=sending.TOPIC, ended_at=None).values_list("pk", flat=True):
        delivery.deliver(pk)


def to(user) -> list:
    return [message for message in mail.outbox if message.to == [user.email]]


def digests(user) -> list:
    return [
        message for message in to(user) if "pieces of news" in message.subject or "piece of news" in message.subject
    ]


def path_of(message) -> str:
    return re.search(r"<https?://[^/]+(/mail/stop/[^>]+)>", message.extra_headers["List-Unsubscribe"])[1]


@pytest.fixture
def reviewer(lyceum):
    """A reviewer who has the queue once a day."""
    choose(lyceum.reviewers[0])
    return lyceum.reviewers[0]


def test_what_waits_for_a_reviewer_comes_in_one_mail_and_each_thing_once(lyceum, reviewer, mara, stranger):
    references = [lyceum.applied(person).reference for person in (mara, stranger)]
    with time_machine.travel(MORNING, tick=False):
        deliver_all()
        assert to(reviewer) == []
        assert len(to(lyceum.reviewers[1])) == 2, "a colleague still has each at once"
        assert tasks.send_digests() == 1
        assert tasks.send_digests() == 0
        deliver_all()
    (message,) = digests(reviewer)
    assert message.subject == "2 pieces of news at Weighbridge"
    for reference in references:
        assert message.body.count(reference) == 1
    assert message.body.count("/review/") == 2
    assert mara.name not in message.body
    assert not Waiting.objects.exists()


def test_nothing_to_say_is_no_mail(reviewer):
    with time_machine.travel(MORNING, tick=False):
        assert tasks.send_digests() == 0
        deliver_all()
    assert to(reviewer) == []


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Asia/Tokyo", datetime(2026, 11, 25, 22, 59, tzinfo=UTC), datetime(2026, 11, 25, 23, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 26, 12, 59, tzinfo=UTC), datetime(2026, 11, 26, 13, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 7, 1, 11, 59, tzinfo=UTC), datetime(2026, 7, 1, 12, 0, tzinfo=UTC)),
    ],
)
def test_the_hour_is_that_of_the_readers_own_zone_summer_and_winter(lyceum, mara, zone, before, after):
    choose(lyceum.reviewers[0], hour=8, zone=zone)
    lyceum.applied(mara)
    deliver_all()
    assert digest.due(before) == []
    assert digest.due(after) == [lyceum.reviewers[0]]


def test_a_reader_whose_zone_is_none_any_more_has_the_digest_by_utc_and_others_have_theirs(lyceum, mara):
    gone, other = lyceum.reviewers[:2]
    for reader in (gone, other):
        choose(reader, hour=8, zone="Asia/Tokyo")
    DigestHour.objects.filter(user=gone).update(zone="Atlantis/Poseidonis")
    lyceum.applied(mara)
    deliver_all()
    assert digest.due(MORNING.replace(hour=0)) == [other], "nine in the morning in Tokyo"
    assert set(digest.due(MORNING)) == {gone, other}
    assert digest.send(user=gone, now=MORNING)


def test_an_hour_that_was_missed_is_made_up_for_and_a_second_digest_waits_for_the_next_day(
    lyceum, reviewer, mara, stranger
):
    lyceum.applied(mara)
    deliver_all()
    late, next_morning = MORNING.replace(hour=21), MORNING.replace(day=27)
    assert digest.send(user=reviewer, now=late)
    lyceum.applied(stranger)
    deliver_all()
    assert not digest.send(user=reviewer, now=late.replace(hour=23))
    assert digest.send(user=reviewer, now=next_morning)


def test_decisions_and_deadlines_come_at_once_whatever_one_chose(lyceum, mara):
    pacing.choose(by=mara, paces=dict.fromkeys(CHOOSABLE, Pace.OFF), hour=8, zone="UTC")
    actions.decline(by=lyceum.reviewers[0], application=lyceum.applied(mara), reason=Decline.OTHER, message="No.")
    deliver_all()
    assert [message.subject[:22] for message in to(mara)] == ["Decision on your appli"], "its arrival was not confirmed"


@pytest.mark.parametrize("topic", [topic for topic in Topic if topic not in CHOOSABLE])
def test_what_must_arrive_cannot_be_turned_off(mara, topic):
    with pytest.raises(Invalid):
        choose(mara, topic, Pace.OFF)
    with pytest.raises(IntegrityError), transaction.atomic():
        Choice.objects.create(user=mara, topic=topic, pace=Pace.OFF)


def test_an_unknown_zone_hour_or_pace_is_refused(mara):
    for wrong in ({"zone": "Moon/Base"}, {"hour": 24}, {"pace": "weekly"}):
        with pytest.raises(Invalid):
            choose(mara, **wrong)
    assert not Choice.objects.exists()


def test_turning_a_topic_off_drops_what_waits(lyceum, reviewer, mara):
    lyceum.applied(mara)
    deliver_all()
    assert Waiting.objects.filter(user=reviewer).count() == 1
    choose(reviewer, pace=Pace.OFF)
    assert not Waiting.objects.exists()
    assert Entry.objects.filter(event="pace.changed", actor_id=str(reviewer.pk)).last().data == {
        "paces": {"review": "off"}
    }


def test_mail_that_may_stop_says_how_and_mail_that_must_arrive_does_not(lyceum, mara):
    actions.withdraw(by=mara, application=lyceum.applied(mara))
    deliver_all()
    for message in mail.outbox:
        headers = message.extra_headers
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert path_of(message) in message.body
    mail.outbox.clear()
    lyceum.granted(mara)
    deliver_all()
    decided = [message for message in to(mara) if "Approved" in message.subject or "Receipt" in message.subject]
    assert len(decided) == 2
    assert not any("List-Unsubscribe" in message.extra_headers for message in decided)


def test_a_mail_program_stops_the_digest_with_one_post_and_an_open_link_does_not(lyceum, reviewer, mara):
    lyceum.applied(mara)
    deliver_all()
    digest.send(user=reviewer, now=MORNING)
    deliver_all()
    path, program = path_of(digests(reviewer)[0]), Client(enforce_csrf_checks=True)
    assert "Stop this kind of mail?" in program.get(path).content.decode()
    assert pacing.paces_of(reviewer)[Topic.REVIEW] is Pace.DAILY
    for _twice in range(2):
        assert program.post(path, ONE_CLICK).status_code == 200
    assert pacing.paces_of(reviewer)[Topic.REVIEW] is Pace.OFF
    assert pacing.paces_of(reviewer)[Topic.LAB] is Pace.AT_ONCE


def test_a_link_that_was_tampered_with_stops_nothing(lyceum, reviewer):
    path = pacing.stop_url(reviewer, Topic.REVIEW).partition("/mail/stop/")[2]
    answer = Client().post(f"/mail/stop/{path[1:]}", ONE_CLICK)
    assert answer.status_code == 404
    assert "This link is not whole" in answer.content.decode()
    with pytest.raises(NotFound):
        pacing.stop(token="x")
    assert pacing.paces_of(reviewer)[Topic.REVIEW] is Pace.DAILY


def test_a_person_chooses_on_their_own_page(lyceum, mara):
    manager, page = lyceum.manager, reverse("people:mail")
    client = Client()
    client.force_login(manager)
    assert client.get(page).status_code == 200
    said = {
        "applications": "daily",
        "review": "at_once",
        "lab": "off",
        "queries": "at_once",
        "hour": "7",
        "zone": "Europe/Tallinn",
    }
    assert client.post(page, {**said, "zone": "Moon/Base"}).status_code == 422
    assert not Choice.objects.exists()
    assert client.post(page, said).status_code == 302
    assert pacing.paces_of(manager) == {
        Topic.APPLICATIONS: Pace.DAILY, Topic.REVIEW: Pace.AT_ONCE, Topic.LAB: Pace.OFF, Topic.QUERIES: Pace.AT_ONCE,
    }  # fmt: skip
    hour = pacing.hour_of(manager)
    assert (hour.hour, hour.zone) == (7, "Europe/Tallinn")
    client.force_login(mara)
    assert "What waits for a reviewer" not in client.get(page).content.decode(), "she holds no role"
    client.post(page, said)
    assert pacing.paces_of(mara) == {**pacing.paces_of(manager), Topic.LAB: Pace.AT_ONCE}


def test_a_long_list_shows_twenty_links_and_a_number(lyceum, reviewer):
    Waiting.objects.bulk_create(
        Waiting(user=reviewer, letter="application_to_review", subject=f"To review: A-{n}", path="/review/")
        for n in range(23)
    )
    digest.send(user=reviewer, now=MORNING)
    deliver_all()
    (message,) = digests(reviewer)
    assert message.body.count("To review: A-") == digest.SHOWN
    assert "and 3 more" in message.body
    assert registry.letter("application_to_review").topic is Topic.REVIEW


def test_what_waits_since_a_version_that_had_another_letter_is_in_the_digest_with_all_else(lyceum, reviewer, mara):
    lyceum.applied(mara)
    with time_machine.travel(MORNING, tick=False):
        deliver_all()
        Waiting.objects.create(user=reviewer, letter="letter_of_old", subject="Something of old", path="/review/old/")
        assert tasks.send_digests() == 1
        deliver_all()
    (message,) = digests(reviewer)
    assert "Something of old" in message.body
    assert message.subject.startswith("2 pieces")


@pytest.mark.parametrize(
    ("zone", "hour", "moments"),
    [
        ("Europe/Berlin", 2, ["2027-03-28 00:59", "2027-03-28 01:05", "2027-03-29 00:05"]),  # 02:00 is not there
        ("Europe/Berlin", 2, ["2026-10-24 23:59", "2026-10-25 00:05", "2026-10-26 01:05"]),  # it is there twice
        ("America/Havana", 0, ["2027-03-14 04:59", "2027-03-14 05:05", "2027-03-15 04:05"]),  # midnight is not there
    ],
)
def test_an_hour_that_a_day_lacks_or_has_twice_brings_one_digest(mara, zone, hour, moments):
    pacing.choose(by=mara, paces={}, hour=hour, zone=zone)
    before, first, following = (datetime.fromisoformat(f"{moment}+00:00") for moment in moments)

    def sent(now):
        Waiting.objects.create(user=mara, letter="application_submitted", subject="Sent", path="/applications/")
        return digest.send(user=mara, now=now)

    DigestHour.objects.update(last_on=first.astimezone(ZoneInfo(zone)).date() - timedelta(days=1))
    assert (sent(before), sent(first)) == (False, True)
    for minutes in (60, 120, 600):
        assert not sent(first + timedelta(minutes=minutes))
    assert sent(following)
