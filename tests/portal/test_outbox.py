"""The outbox: what must happen after a commit happens, once or more, and never before it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Conflict
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people.models import User
from tests.portal import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def topic(monkeypatch):
    """A topic of this test's own: its deliveries, and a switch to make it fail."""
    seen: list[dict] = []
    state = {"down": False, "seen": seen}

    def deliver(payload):
        if state["down"]:
            raise ConnectionError("the target is down")
        seen.append(payload)

    monkeypatch.setitem(delivery._handlers, "test.topic", deliver)
    return state


def test_a_message_is_delivered_right_after_the_commit(topic):
    with transaction.atomic():
        delivery.enqueue("test.topic", key="a", n=1)
        assert topic["seen"] == []
    assert topic["seen"] == [{"n": 1}]
    assert not delivery.pending("test.topic", key="a")


def test_nothing_is_delivered_when_the_action_is_rolled_back(topic):
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 the rollback is what is tested
        delivery.enqueue("test.topic", key="a", n=1)
        raise RuntimeError
    assert topic["seen"] == []
    assert Message.objects.count() == 0


def test_a_message_outside_a_transaction_is_refused(topic):
    with pytest.raises(RuntimeError, match="transaction"):
        delivery.enqueue("test.topic", key="a", n=1)


def test_while_the_target_is_down_the_action_commits_and_the_message_waits(topic):
    topic["down"] = True
    with transaction.atomic():
        delivery.enqueue("test.topic", key="a", n=1)
    assert delivery.pending("test.topic", key="a")
    message = Message.objects.get()
    assert "down" in message.last_error
    assert (message.next_attempt_at - timezone.now()).total_seconds() <= 1
    topic["down"] = False
    Message.objects.update(next_attempt_at=timezone.now())
    assert delivery.deliver_due() == 1
    assert topic["seen"] == [{"n": 1}]


def test_a_delivered_message_is_not_delivered_again(topic):
    with transaction.atomic():
        delivery.enqueue("test.topic", key="a", n=1)
    Message.objects.update(next_attempt_at=timezone.now())
    assert delivery.deliver_due() == 0
    assert len(topic["seen"]) == 1


def test_a_topic_nobody_handles_waits_instead_of_vanishing():
    with transaction.atomic():
        delivery.enqueue("test.nobody", key="a")
    assert delivery.pending("test.nobody", key="a")


def test_retries_come_each_second_at_first_and_then_more_rarely():
    assert delivery.pause_s(1) == delivery.pause_s(29) == 1
    assert delivery.pause_s(32) > 1
    assert delivery.pause_s(1000) == 300


def test_a_topic_with_patience_is_given_up_when_it_is_over_and_not_before(topic, monkeypatch):
    monkeypatch.setitem(delivery._patience, "test.topic", timedelta(days=3))
    topic["down"] = True
    with transaction.atomic():
        delivery.enqueue("test.topic", key="a", n=1)
    for days, given_up in ((2.9, False), (3.1, True)):
        with time_machine.travel(timezone.now() + timedelta(days=days), tick=False):
            delivery.deliver_due()
            assert (Message.objects.get().failed_at is not None) is given_up
    with time_machine.travel(timezone.now() + timedelta(days=9)):
        topic["down"] = False
        assert delivery.deliver_due() == 0, "it is not tried again by itself"


def test_a_topic_without_patience_is_tried_for_ever(topic):
    topic["down"] = True
    with transaction.atomic():
        delivery.enqueue("test.topic", key="a", n=1)
    with time_machine.travel(timezone.now() + timedelta(days=90)):
        delivery.deliver_due()
        assert Message.objects.get().failed_at is None
        assert delivery.pending("test.topic", key="a")


def test_the_operator_sees_what_was_given_up_and_tries_it_again(topic, monkeypatch):
    operator = User.objects.create_superuser("root@operator.example", world.PASSWORD, name="Root")
    client = Client()
    client.force_login(operator)
    monkeypatch.setitem(delivery._patience, "test.topic", timedelta(0))
    topic["down"] = True
    with transaction.atomic():
        message = delivery.enqueue("test.topic", key="a", secret="a link that signs in")
    page = client.get("/admin/outbox/message/?state=given_up").content.decode()
    assert "the target is down" in page
    assert "a link that signs in" not in page + client.get(f"/admin/outbox/message/{message.pk}/").content.decode()
    topic["down"] = False
    client.post("/admin/outbox/message/", {"action": "try_again", "_selected_action": [message.pk]})
    assert delivery.deliver_due() == 1
    assert topic["seen"] == [{"secret": "a link that signs in"}]
    assert Entry.objects.get(event="message.tried_again").actor_id == str(operator.pk)
    with pytest.raises(Conflict):
        delivery.try_again(by=operator, message=message)
