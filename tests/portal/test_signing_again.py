"""A new version reaches its holders: who is asked, when, how often, and what stops when they do nothing."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from django.utils import timezone

from portal.access import actions, outstanding, tasks
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.outbox.models import Message
from tests.portal import world

DAY = timedelta(days=1)


def publish(w, change_class=ChangeClass.BLOCKING, days=None, text=world.TEXT + "3. More.\n"):
    grace = timezone.now() + timedelta(days=days) if days else None
    return agreements.publish_version(
        by=w.manager, agreement=w.agreement, text=text, change_class=change_class, grace_ends_at=grace
    )


def sign(person, grant, version):
    return actions.sign_again(
        by=person, grant=grant, typed_name=person.name, capacity="for myself", text_sha256=version.sha256
    )


def mails():
    rows = Message.objects.filter(topic="mail.send", payload__template__startswith="agreement_").order_by("id")
    return [row.payload["template"] for row in rows]


def test_a_notice_asks_at_publication_and_14_and_3_days_before_its_date_and_never_twice(lyceum, mara):
    lyceum.granted(mara)
    version = publish(lyceum, ChangeClass.NOTICE, days=30)
    heard = []
    for left in (30, 29, 15, 14, 10, 4, 3, 1, 0, -5):
        with time_machine.travel(version.grace_ends_at - left * DAY + timedelta(minutes=1)):
            sent = tasks.call_for_signatures()
            assert tasks.call_for_signatures() == 0, "safe to run twice"
            heard += [left] * sent
    assert heard == [30, 14, 3]
    assert mails() == ["agreement_to_sign", "agreement_reminder", "agreement_reminder"]


def test_a_short_notice_does_not_remind_on_the_day_it_is_published(lyceum, mara):
    lyceum.granted(mara)
    publish(lyceum, ChangeClass.NOTICE, days=10)
    assert tasks.call_for_signatures() == 1
    assert mails() == ["agreement_to_sign"]


def test_who_has_signed_is_left_alone_and_so_is_who_holds_nothing(lyceum, harbour, mara, stranger):
    grant = lyceum.granted(mara)
    harbour.granted(stranger)
    left = world.person("Lea Gone")
    actions.revoke_grant(by=lyceum.manager, grant=lyceum.granted(left), reason="x")
    version = publish(lyceum, ChangeClass.NOTICE, days=30)
    sign(mara, grant, version)
    assert tasks.call_for_signatures() == 0
    with time_machine.travel(version.grace_ends_at - 2 * DAY):
        assert tasks.call_for_signatures() == 0


def test_an_editorial_change_and_a_draft_ask_nobody(lyceum, mara):
    lyceum.granted(mara)
    publish(lyceum, ChangeClass.EDITORIAL)
    lyceum.agreement.refresh_from_db()
    agreements.save_draft(by=lyceum.manager, agreement=lyceum.agreement, text="New.", expected=lyceum.agreement.edits)
    assert tasks.call_for_signatures() == 0
    assert outstanding.asked_of(mara) == []


def test_a_blocking_change_asks_once_and_old_news_is_not_announced(lyceum, mara):
    lyceum.granted(mara)
    publish(lyceum)
    with time_machine.travel(timezone.now() + 8 * DAY):
        assert tasks.call_for_signatures() == 0
    assert tasks.call_for_signatures() == 1
    assert tasks.call_for_signatures() == 0


def test_signing_early_ends_the_asking_and_not_signing_ends_the_access(lyceum, mara, stranger):
    early, late = lyceum.granted(mara), lyceum.granted(stranger)
    version = publish(lyceum, ChangeClass.NOTICE, days=30)
    sign(mara, early, version)
    assert outstanding.asked_of(mara) == []
    (asked,) = outstanding.asked_of(stranger)
    assert (asked.grant, asked.paused, asked.days_left) == (late.pk, False, 29)
    with time_machine.travel(version.grace_ends_at):
        assert list(Grant.objects.active()) == [early]
        assert outstanding.asked_of(stranger)[0].paused
        sign(stranger, late, version)
        assert outstanding.asked_of(stranger) == []
        assert set(Grant.objects.active()) == {early, late}


def test_the_list_of_who_is_outstanding_and_the_rule_of_access_agree(lyceum):
    """Whoever the list calls paused holds no active grant, and the other way round, at every hour."""
    people = [world.person(f"Person {n}") for n in range(4)]
    grants = [lyceum.granted(person) for person in people]
    sign(people[1], grants[1], publish(lyceum, ChangeClass.NOTICE, days=10, text="Two."))
    sign(people[2], grants[2], publish(lyceum, ChangeClass.EDITORIAL, text="Three."))
    sign(people[3], grants[3], publish(lyceum, ChangeClass.NOTICE, days=5, text="Four."))
    for days in (0, 4, 6, 11):
        now = timezone.now() + timedelta(days=days)
        asked, holders = outstanding.demands(lyceum.agreement, now), outstanding.holders(lyceum.agreement)
        paused = outstanding.chosen(lyceum.agreement, show="paused", now=now)
        active = Grant.objects.active(now).values_list("user", flat=True)
        assert set(paused.values_list("pk", flat=True)) == {person.pk for person in people} - set(active), days
        states = {
            row.pk: outstanding.standing_of(row, asked, now).state
            for row in outstanding.with_standing(holders, lyceum.agreement)
        }
        for show in ("paused", "grace", "signed"):
            listed = outstanding.chosen(lyceum.agreement, show=show, now=now)
            expected = {pk for pk, state in states.items() if state == show}
            assert set(listed.values_list("pk", flat=True)) == expected
            assert outstanding.counts(lyceum.agreement, now)[show] == len(expected)
