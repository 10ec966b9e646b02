"""The outbox: what must happen after a commit happens, once or more, and never before it."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.db import Error, OperationalError, connection, transaction
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


def test_the_operator_sees_what_was_given_up_and_tries_it_again(topic, operator, monkeypatch):
    client = world.browser(operator)
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


def cut_off():
    """PostgreSQL ends this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def swallowed():
    """The same, where the handler makes nothing of it."""
    with contextlib.suppress(OperationalError):
        cut_off()


def left_to_the_commit():
    """A row of nobody's, which PostgreSQL refuses only when the transaction ends."""
    EmailAddress.objects.create(user_id=uuid4(), email="nobody@nowhere.example")


@pytest.fixture
def fatal(monkeypatch):
    """Give it what a topic's handler does to its own transaction; it leaves one message of that topic, due now."""

    def leave(does, *, slow=False):
        monkeypatch.setitem(delivery._handlers, "test.fatal", lambda payload: does())
        monkeypatch.setattr(delivery, "_silent", {})
        if slow:
            monkeypatch.setattr(delivery, "_slow", {*delivery._slow, "test.fatal", "test.topic"})
        return Message.objects.create(topic="test.fatal", key="first")

    yield leave
    connection.close()


@pytest.mark.parametrize(
    ("does", "slow", "says"),
    [
        (cut_off, False, "closed"),
        (cut_off, True, "connection"),
        (swallowed, False, "closed"),
        (left_to_the_commit, False, "violates foreign key"),
    ],
)
def test_a_message_whose_handler_loses_its_transaction_each_time_holds_up_nobody_behind_it(
    topic, fatal, does, slow, says
):
    first = fatal(does, slow=slow)
    Message.objects.create(topic="test.topic", key="behind", payload={"n": 1})
    for attempts in (1, 2):
        Message.objects.filter(pk=first.pk).update(next_attempt_at=timezone.now())
        delivery.deliver_due(slow=slow)
        first.refresh_from_db()
        assert first.attempts == attempts
        assert says in first.last_error
        assert 0 < (first.next_attempt_at - timezone.now()).total_seconds() <= 1
        assert topic["seen"] == [{"n": 1}]


def test_a_slow_message_whose_handler_made_nothing_of_a_lost_connection_is_delivered(fatal):
    first = fatal(swallowed, slow=True)
    assert delivery.deliver_due(slow=True) == 1
    first.refresh_from_db()
    assert (first.attempts, first.last_error) == (1, "")


def test_what_waits_for_a_silent_server_holds_up_nobody_elses_message(topic, fatal, monkeypatch):
    """By one answer at most, and not by all that waits for it: a lab's webhooks, and the letters about a stop, come in turn."""
    asked = []
    fatal(lambda: asked.append("silent"), slow=True)
    Message.objects.bulk_create(Message(topic="test.fatal", key="first") for _ in range(200))
    Message.objects.create(topic="test.topic", key="behind", payload={"n": 1})
    assert delivery.deliver_due(slow=True, limit=2) == 2
    assert (asked, topic["seen"]) == (["silent"], [{"n": 1}])
    assert delivery.deliver_due(slow=True, limit=10) == 10, "alone it need not wait"


def test_a_pass_over_slow_messages_ends_in_time_for_what_came_meanwhile(topic, fatal, monkeypatch):
    monkeypatch.setattr(delivery, "PASS_S", 0.05)
    fatal(lambda: time.sleep(0.1), slow=True)
    Message.objects.bulk_create(Message(topic="test.fatal", key="first") for _ in range(60))
    assert delivery.deliver_due(slow=True) == 1
    Message.objects.create(topic="test.topic", key="behind", payload={"n": 1})
    while topic["seen"] == []:
        assert delivery.deliver_due(slow=True) > 0
    assert Message.objects.filter(topic="test.fatal", ended_at=None).exists()


def test_many_silent_servers_together_hold_up_a_letter_and_each_other_by_one_answer(topic, fatal, monkeypatch):
    """Each is known once it kept a pass waiting: from then on it comes after all others, the one that waited longest first."""
    monkeypatch.setattr(delivery, "PASS_S", 0.01)
    fatal(lambda: time.sleep(0.02), slow=True)
    Message.objects.bulk_create(Message(topic="test.fatal", key=f"dead {n % 30}") for n in range(90))
    for _ in range(31):
        delivery.deliver_due(slow=True)
    left = Message.objects.filter(topic="test.fatal", ended_at=None)
    assert len(delivery._silent) == 31, "each had its turn"
    before = left.count()
    for n in range(5):
        Message.objects.create(topic="test.topic", key=f"letter {n}", payload={"n": n})
        delivery.deliver_due(slow=True)
        assert topic["seen"][-1] == {"n": n}
    assert before - left.count() == 5, "nor do they wait for ever themselves"


def test_a_server_that_answers_again_waits_for_no_other_any_more(topic, fatal, monkeypatch):
    monkeypatch.setattr(delivery, "PASS_S", 0.05)
    slept = [0.06]
    fatal(lambda: time.sleep(slept[0]), slow=True)
    Message.objects.bulk_create(Message(topic="test.fatal", key="first") for _ in range(12))
    assert [delivery.deliver_due(slow=True, limit=10) for _ in range(2)] == [1, 1]
    slept[0] = 0
    monkeypatch.setattr(delivery, "PASS_S", 60)  # ten that are quick, however slow the machine
    assert [delivery.deliver_due(slow=True, limit=10) for _ in range(2)] == [1, 10]


def test_a_topic_with_patience_is_given_up_also_where_its_handler_loses_its_transaction(fatal, monkeypatch):
    monkeypatch.setitem(delivery._patience, "test.fatal", timedelta(0))
    first = fatal(cut_off)
    delivery.deliver_due()
    first.refresh_from_db()
    assert first.failed_at is not None


def test_a_connection_that_was_lost_before_is_no_attempt(topic):
    message = Message.objects.create(topic="test.topic", key="a", payload={"n": 1})
    swallowed()
    with pytest.raises(Error, match="closed"):
        delivery.deliver_due()
    connection.close()
    message.refresh_from_db()
    assert message.attempts == 0
    assert delivery.deliver_due() == 1


def test_while_the_database_is_down_nothing_is_counted_and_nothing_is_lost(topic, fatal, monkeypatch):
    first = fatal(cut_off)

    def refuse(*_):
        raise OperationalError("connection refused")

    with monkeypatch.context() as down:
        down.setattr(connection, "get_new_connection", refuse)
        with pytest.raises(OperationalError, match="refused"):
            delivery.deliver_due()
    first.refresh_from_db()
    assert (first.attempts, first.ended_at) == (0, None)
    fatal(lambda: None)
    assert delivery.deliver_due() == 2


def test_what_another_relay_has_taken_up_meanwhile_is_left_to_it(fatal):
    other = connection.copy()

    def lose_it_to_the_other():
        swallowed()
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM outbox_message FOR UPDATE")

    first = fatal(lose_it_to_the_other)
    other.set_autocommit(False)
    try:
        assert delivery.deliver_due() == 0
    finally:
        other.rollback()
        other.close()
    first.refresh_from_db()
    assert first.attempts == 0, "the other counts it"


def test_after_a_persons_action_the_message_that_lost_its_transaction_is_put_back_at_once(fatal):
    fatal(cut_off)
    with transaction.atomic():
        message = delivery.enqueue("test.fatal", key="a")
    message.refresh_from_db()
    assert message.attempts == 1
    assert User.objects.count() == 0, "and the connection is there for what comes next"


def test_an_error_that_cannot_be_written_down_as_it_is_stops_nobody(topic, monkeypatch):
    def answer(payload):
        raise ConnectionError("the target said \0")

    monkeypatch.setitem(delivery._handlers, "test.fatal", answer)
    Message.objects.create(topic="test.fatal", key="first")
    Message.objects.create(topic="test.topic", key="behind", payload={"n": 1})
    assert delivery.deliver_due() == 1
    assert Message.objects.get(key="first").last_error == "ConnectionError: the target said \ufffd"
