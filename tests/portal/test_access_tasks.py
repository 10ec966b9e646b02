"""An application that its applicant forgot lapses; one that the lab holds does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django.utils.module_loading import import_string

from portal.access import actions, tasks
from portal.access.application_models import Application
from portal.access.workflow import Status
from portal.celery import app
from portal.mail import sending
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


def test_nobody_who_holds_waits_or_works_there_is_left_in_silence_when_a_lab_closes(db):
    lyceum, harbour, operator = world.build("lyceum"), world.build("harbour"), world.person("Root")
    holder, applicant, over = (world.person(name) for name in ("Mara Lindqvist", "Ana Duarte", "Tomas Hale"))
    lyceum.granted(holder)
    lyceum.applied(applicant)
    actions.withdraw(by=over, application=lyceum.applied(over))
    harbour.granted(world.person("Ida Fremd"))
    official = seats.in_force(lyceum).official
    people = (holder, applicant, official, lyceum.manager, *lyceum.reviewers)
    concerned = sorted(person.email for person in people)
    for turn, letter in ((close_lab, "lab_closed"), (reopen_lab, "lab_reopened")):
        turn(lab=lyceum.lab, by=operator)
        sent = Message.objects.filter(topic=sending.TOPIC, payload__template=letter)
        assert sorted(each.payload["to"] for each in sent) == concerned


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
