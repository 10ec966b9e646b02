"""The relay outlives every connection that it loses, whoever is at work when it is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone

from portal.outbox import delivery
from portal.outbox.management.commands import relay
from portal.outbox.models import Message

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """The next test finds a connection, whatever became of this one's."""
    yield
    connection.close()


def cut_off() -> None:
    """PostgreSQL ends this connection, as at a restart."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("slow", [False, True])
def test_a_connection_that_is_lost_in_the_middle_of_a_delivery(monkeypatch: pytest.MonkeyPatch, *, slow: bool) -> None:
    seen: list[dict[str, Any]] = []

    def deliver(payload: dict[str, Any]) -> None:
        seen.append(payload)
        if len(seen) == 1:
            cut_off()

    monkeypatch.setitem(delivery._handlers, "test.topic", deliver)
    work = relay._slow if slow else relay._quick
    with transaction.atomic():
        Message.objects.create(topic="test.topic", key="a", payload={"n": 1})
    if slow:
        monkeypatch.setattr(delivery, "_slow", {*delivery._slow, "test.topic"})
    command = relay.Command()
    assert command._pass(work) == 0, "it is told, and the loop goes on"
    Message.objects.filter(topic="test.topic").update(next_attempt_at="2000-01-01T00:00Z")
    command._pass(work)
    assert (len(seen), delivery.pending("test.topic", key="a")) == (2, False)


def test_a_connection_that_is_lost_between_two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    command = relay.Command()
    command._pass(relay._quick)
    with pytest.raises(Exception, match="terminat"):
        cut_off()
    for _ in range(2):
        command._pass(relay._quick)
    assert Message.objects.count() == 0, "and is there again"


def faulty(code: str) -> Callable[[], int]:
    """Work in which PostgreSQL refuses a statement with this code."""

    def work() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = %s; END $$", [code])
        return 1

    return work


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("42P01", id="no such table"),
        pytest.param("22003", id="a number out of range"),
        pytest.param("23505", id="not unique"),
        pytest.param("40P01", id="deadlock"),
        pytest.param("40001", id="serialization failure"),
        pytest.param("55P03", id="lock timeout"),
        pytest.param("57014", id="statement timeout"),
        pytest.param("53100", id="disk full"),
    ],
)
def test_a_faulty_statement_is_told_with_its_trace_and_the_relay_goes_on(
    caplog: pytest.LogCaptureFixture, code: str
) -> None:
    command = relay.Command()
    assert command._pass(faulty(code)) == 0
    (told,) = [each for each in caplog.records if each.name == relay.__name__]
    assert (told.levelno, bool(told.exc_info)) == (logging.ERROR, True)
    assert "not there" not in told.getMessage()
    assert command._pass(lambda: connection.cursor().execute("SELECT 1") or 7) == 7


def in_a_transaction() -> int:
    with transaction.atomic():
        cut_off()
    return 1


def closed_before() -> int:
    connection.ensure_connection()
    connection.connection.close()
    return relay._quick()


def ended_for_its_idleness() -> int:
    return faulty("25P03")()


@pytest.mark.parametrize("work", [cut_off, in_a_transaction, closed_before, ended_for_its_idleness])
def test_a_database_that_is_away_is_told_in_a_line_and_not_as_a_fault(
    caplog: pytest.LogCaptureFixture, work: Callable[[], int]
) -> None:
    command = relay.Command()
    assert command._pass(work) == 0
    (told,) = [each for each in caplog.records if each.name == relay.__name__]
    assert (told.levelno, told.exc_info) == (logging.WARNING, None)
    assert "not there" in told.getMessage()
    assert command._pass(lambda: connection.cursor().execute("SELECT 1") or 7) == 7


class Wordless(Exception):
    """An error that fails when it is told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def wordless(_payload: dict[str, Any]) -> None:
    raise Wordless


def emptied(payload: dict[str, Any]) -> None:
    """What the note then does with a delivered message's payload fails."""
    assert payload


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(
    ("handler", "payload", "word"), [(wordless, {"n": 1}, "Wordless: "), (emptied, ["no", "object"], "TypeError: ")]
)
def test_a_surprise_around_a_delivery_is_counted_and_pauses_like_a_failed_handler(
    monkeypatch: pytest.MonkeyPatch, handler: delivery.Handler, payload: Any, word: str, *, slow: bool
) -> None:
    monkeypatch.setitem(delivery._handlers, "test.topic", handler)
    monkeypatch.setitem(delivery._handlers, "test.other", lambda _payload: None)
    if slow:
        monkeypatch.setattr(delivery, "_slow", {*delivery._slow, "test.topic", "test.other"})
    surprising = Message.objects.create(topic="test.topic", key="a", payload=payload)
    Message.objects.create(topic="test.other", key="b")
    assert relay.Command()._pass(relay._slow if slow else relay._quick) == 1, "the one behind it is delivered"
    surprising.refresh_from_db()
    assert (surprising.attempts, surprising.ended_at) == (1, None)
    assert surprising.last_error.startswith(word)
    assert 0 < (surprising.next_attempt_at - timezone.now()).total_seconds() <= 1


def test_the_note_tells_what_the_handler_said_and_not_how_its_transaction_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def deliver(_payload: dict[str, Any]) -> None:
        with suppress(Error):
            cut_off()
        raise ValueError("the target is gone")

    monkeypatch.setitem(delivery._handlers, "test.topic", deliver)
    Message.objects.create(topic="test.topic", key="a")
    command = relay.Command()
    for _ in range(2):  # the first may find the connection dead, and the second makes another
        command._pass(relay._quick)
        Message.objects.filter(topic="test.topic").update(next_attempt_at="2000-01-01T00:00Z")
    assert Message.objects.get(topic="test.topic").last_error == "ValueError: the target is gone"


def test_a_fault_of_ours_ends_no_thread_of_the_relay(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> int:
        raise KeyError("ours")

    assert relay.Command()._pass(work) == 0
    assert [(each.levelno, bool(each.exc_info)) for each in caplog.records] == [(logging.ERROR, True)]
