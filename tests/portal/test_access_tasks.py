"""An application that its applicant forgot lapses; one that the lab holds does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django.utils.module_loading import import_string

from portal.access import actions, tasks
from portal.access.actions import pausing
from portal.access.application_models import Application
from portal.access.workflow import Status
from portal.celery import app
from portal.mail import sending
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people.actions import close_lab, reopen_lab
from tests.portal import seats, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft():
    lyceum = world.build("lyceum")
    return actions.save_draft(gate=lyceum.gate, by=world.person("Mara Lindqvist"), answers={})


def test_a_draft_untouched_for_a_month_lapses_once(draft):
    Application.objects.update(updated_at=timezone.now() - timedelta(days=31))
    assert tasks.lapse_forgotten() == 1
    assert tasks.lapse_forgotten() == 0
    draft.refresh_from_db()
    assert draft.status == Status.LAPSED


def test_a_draft_of_yesterday_stays(draft):
    Application.objects.update(updated_at=timezone.now() - timedelta(days=1))
    assert tasks.lapse_forgotten() == 0


def test_what_waits_while_its_lab_is_closed_lapses_a_month_after_the_lab_is_open_again(draft):
    lab, operator, month = draft.gate.lab, world.person("Root"), timedelta(days=31)
    Application.objects.update(updated_at=timezone.now() - month)
    close_lab(lab=lab, by=operator)
    assert tasks.lapse_forgotten() == 0
    reopen_lab(lab=lab, by=operator)
    assert tasks.lapse_forgotten() == 0
    with time_machine.travel(timezone.now() + month):
        assert tasks.lapse_forgotten() == 1


def written(letter):
    return sorted(each.payload["to"] for each in Message.objects.filter(topic=sending.TOPIC, payload__template=letter))


@pytest.fixture
def concerned(db):
    """A lab, and the addresses of whoever holds something of it, waits for it or works there. Another lab's are not among them."""
    lyceum, harbour = world.build("lyceum"), world.build("harbour")
    holder, applicant, over = (world.person(name) for name in ("Mara Lindqvist", "Ana Duarte", "Tomas Hale"))
    lyceum.granted(holder)
    lyceum.applied(applicant)
    actions.withdraw(by=over, application=lyceum.applied(over))
    harbour.granted(world.person("Ida Fremd"))
    official = seats.in_force(lyceum).official
    people = (holder, applicant, official, lyceum.manager, *lyceum.reviewers)
    return lyceum.lab, sorted(person.email for person in people)


def test_nobody_who_holds_waits_or_works_there_is_left_in_silence_when_a_lab_closes(concerned):
    lab, addresses = concerned
    operator = world.person("Root")
    for turn, letter in ((close_lab, "lab_closed"), (reopen_lab, "lab_reopened")):
        turn(lab=lab, by=operator)
        assert written(letter) == [], "the operator waits for no letter"
        assert delivery.deliver_due(slow=True) == 1
        assert written(letter) == addresses


def test_a_lab_that_is_open_again_before_anybody_was_told_is_told_of_in_that_order(concerned):
    lab, addresses = concerned
    for turn in (close_lab, reopen_lab):
        turn(lab=lab, by=world.person("Root"))
    assert delivery.deliver_due(slow=True) == 2
    sent = Message.objects.filter(topic=sending.TOPIC, payload__template__startswith="lab_").order_by("pk")
    letters = [each.payload["template"] for each in sent]
    assert letters == ["lab_closed"] * len(addresses) + ["lab_reopened"] * len(addresses)


def test_letters_of_a_closed_lab_go_on_where_the_process_that_wrote_them_died(concerned, monkeypatch):
    lab, addresses = concerned
    monkeypatch.setattr(pausing, "AT_A_TIME", 2)
    close_lab(lab=lab, by=world.person("Root"))
    write, calls = pausing._write, []

    def dies(*said):
        calls.append(said)
        if len(calls) == 4:
            raise ConnectionError("the process died")
        write(*said)

    monkeypatch.setattr(pausing, "_write", dies)
    assert delivery.deliver_due(slow=True) == 0
    assert len(written("lab_closed")) == 2, "a transaction is whole or nothing"
    monkeypatch.setattr(pausing, "_write", write)
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        assert delivery.deliver_due(slow=True) == 1
    assert written("lab_closed") == addresses
    assert pausing.tell_concerned(lab=lab) == 0, "twice is once"
    assert written("lab_closed") == addresses


def test_another_lab_s_being_closed_keeps_nothing_from_lapsing(draft):
    other = world.build("harbour").lab
    close_lab(lab=other, by=draft.applicant)
    Application.objects.update(updated_at=timezone.now() - timedelta(days=31))
    reopen_lab(lab=other, by=draft.applicant)
    assert tasks.lapse_forgotten() == 1


def test_a_draft_that_is_taken_up_again_while_others_lapse_stays(draft, monkeypatch):
    gate, ida = draft.gate, world.person("Ida Fremd")
    older = actions.save_draft(gate=gate, by=draft.applicant, answers={"title": "How small models forget"})
    taken_up = actions.save_draft(gate=gate, by=ida, answers={})
    Application.objects.update(updated_at=timezone.now() - timedelta(days=31))
    lapse, read = tasks.actions.lapse, []

    def meanwhile(**said):
        if not read:
            read.append(actions.save_draft(gate=gate, by=ida, answers={"title": "Back at my desk"}))
        return lapse(**said)

    monkeypatch.setattr(tasks.actions, "lapse", meanwhile)
    assert tasks.lapse_forgotten() == 1
    taken_up.refresh_from_db()
    older.refresh_from_db()
    assert (taken_up.status, older.status) == (Status.DRAFT, Status.LAPSED)


def test_everything_on_the_schedule_exists():
    for entry in app.conf.beat_schedule.values():
        assert callable(import_string(entry["task"])), entry["task"]
