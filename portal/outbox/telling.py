"""What an operator's command says when its change is made and the gateways could not be told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.management.base import CommandError

from portal.outbox import delivery

NOT_TOLD: Final = 3
"""The status of a command that did its work and could not tell it: neither 0 nor that of one to be given again."""


@contextmanager
def told(meanwhile: str) -> Iterator[None]:
    """Look, after the block, whether what it announced has arrived; `meanwhile` says what holds where it has not.

    Raises CommandError with the status NOT_TOLD.
    """
    with delivery.watched() as left:
        yield
    waiting = delivery.still_waits(left)
    if waiting is None:
        return
    why = waiting.last_error.partition(". ")[0] or waiting.topic
    raise CommandError(
        f"It is written down, but the gateways do not know it yet ({why}). {meanwhile} Do not give the command again: "
        "the relay tells them by itself, five minutes after the limits store is back at the latest. Look at that server, "
        "and at REDIS_URL here where the gateways reach it.",
        returncode=NOT_TOLD,
    )
