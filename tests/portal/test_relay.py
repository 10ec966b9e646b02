"""The relay outlives every connection that it loses, whoever is at work when it is lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from portal.outbox import delivery
from portal.outbox.management.commands import relay
from portal.outbox.models import Message

pytestmark = pytest.mark.django_db(transaction=True)


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
