"""Staff read every letter before anybody gets it; managers send one to themselves."""

from __future__ import annotations

import pytest
from django.core import mail
from django.urls import reverse

from portal.access import actions
from portal.audit.models import Entry
from portal.mail import pacing, registry, sending
from portal.mail.models import Pace
from portal.mail.registry import Topic
from portal.outbox import delivery
from portal.outbox.models import Message
from tests.portal.world import browser

LIST = reverse("access:letters")
OWN = "We open these models to schools."


def page_of(name: str) -> str:
    return reverse("access:letter", args=[name])


def frame_of(name: str) -> str:
    return reverse("access:letter_page", args=[name])


def deliver_last() -> None:
    delivery.deliver(Message.objects.filter(topic=sending.TOPIC).latest("id").pk)


def test_staff_see_every_letter_with_when_and_to_whom(lyceum):
    page = browser(lyceum.reviewers[0]).get(LIST).content.decode()
    for letter in registry.letters():
        assert page_of(letter.name) in page
        assert str(letter.when).replace("'", "&#x27;") in page


@pytest.mark.parametrize("name", [letter.name for letter in registry.letters()])
def test_every_letter_has_a_page_and_a_frame(lyceum, name):
    client = browser(lyceum.manager)
    assert "Lyceum" in client.get(page_of(name)).content.decode() or "lab" not in registry.letter(name).sample
    frame = client.get(frame_of(name))
    assert 'class="action"' in frame.content.decode()


def test_the_frame_may_be_drawn_and_do_nothing(lyceum):
    client = browser(lyceum.manager)
    frame, page = client.get(frame_of("application_declined")), client.get(page_of("application_declined"))
    assert frame["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    )
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-src 'self'" in page["Content-Security-Policy"]
    assert page["X-Frame-Options"] == "DENY"
    assert "frame-src" not in client.get(LIST)["Content-Security-Policy"]


def test_strangers_and_staff_of_other_labs_see_nothing_of_this_lab(lyceum, harbour, stranger):
    for address in (LIST, page_of("application_declined"), frame_of("application_declined")):
        assert browser(stranger).get(address).status_code == 404
        assert browser(harbour.manager).get(address, {"lab": "lyceum"}).status_code == 404
    actions.word_reason(by=lyceum.manager, lab=lyceum.lab, reason="declined_purpose", text=OWN)
    asked = {"reason": "declined_purpose"}
    assert OWN in browser(lyceum.reviewers[0]).get(page_of("application_declined"), asked).content.decode()
    assert OWN in browser(lyceum.reviewers[0]).get(frame_of("application_declined"), asked).content.decode()
    assert OWN not in browser(harbour.manager).get(page_of("application_declined"), asked).content.decode()


def test_an_unknown_letter_is_not_there_and_an_unknown_reason_is_the_first(lyceum):
    client = browser(lyceum.manager)
    assert client.get(page_of("whim")).status_code == 404
    assert client.get(page_of("application_declined"), {"reason": "../secrets"}).status_code == 200


def test_a_manager_sends_a_letter_to_themselves_at_once_and_it_says_that_it_is_a_trial(lyceum):
    manager = lyceum.manager
    pacing.choose(by=manager, paces={Topic.REVIEW: Pace.OFF}, hour=8, zone="UTC")
    browser(manager).post(page_of("application_to_review"))
    deliver_last()
    (message,) = mail.outbox
    assert message.to == [manager.email]
    assert message.subject == "Trial: To review: A-2026-0417, Lyceum large"
    entry = Entry.objects.get(event="letter.tried")
    assert (entry.lab, entry.data) == ("lyceum", {"letter": "application_to_review"})


@pytest.mark.parametrize("name", [letter.name for letter in registry.letters()])
def test_every_letter_can_be_tried(lyceum, name):
    assert browser(lyceum.manager).post(page_of(name)).status_code == 302
    deliver_last()
    assert mail.outbox[-1].subject.startswith("Trial: ")


def test_a_reviewer_sends_none(lyceum):
    assert browser(lyceum.reviewers[0]).post(page_of("grant_active")).status_code == 403
    assert not Message.objects.filter(key__startswith="trial:").exists()


def test_trials_are_few_in_an_hour(lyceum):
    client = browser(lyceum.manager)
    answers = [client.post(page_of("grant_active")).status_code for _ in range(21)]
    assert answers == [302] * 20 + [429]
