"""Enqueue in the transaction, deliver after it: at least once, so every handler is safe to run twice.

A delivery is tried at once in the process that committed; whatever that process cannot finish (the target is down,
or the process dies) the relay picks up. `on_commit` is only the short cut: the row is the promise.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import Error, connection, transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import Random, RowNumber
from django.utils import timezone

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.outbox.models import Message
from portal.storable import mended

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

logger = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], None]
_handlers: dict[str, Handler] = {}
_watched: ContextVar[list[int] | None] = ContextVar("watched", default=None)
"""Where whoever watches has the keys of what is left of quick topics put."""
_patience: dict[str, timedelta] = {}
"""How long a topic's messages are tried; a topic without an entry never gives up: a revocation must arrive."""
_slow: set[str] = set()
"""Topics whose targets are not ours and may take seconds: the relay delivers them beside everything else."""
_LEASE: Final = timedelta(minutes=2)
"""How long a slow topic's message is nobody else's: more than any of its handlers takes."""
PASS_S: Final = 2.0
"""How long one pass goes on over messages of slow topics."""
_silent: dict[str, None] = {}
"""Keys of slow topics whose last message took longer than that, as this process saw it, the longest ago first."""
_MOST_SILENT: Final = 1_000
_LONGEST_PAUSE_S: Final = 300
_QUICK_ATTEMPTS: Final = 30
"""The first retries come each second: a revocation must not wait for a back-off."""


def topics() -> list[str]:
    """Every topic that has a handler, in order."""
    return sorted(_handlers)


def handler(topic: str, *, slow: bool = False, patience: timedelta | None = None) -> Callable[[Handler], Handler]:
    """Register the one function that delivers a topic. It must be safe to run twice; raising means try again.

    A `slow` topic is left to the relay, which never lets another topic wait for it; its handler runs outside of any
    transaction and makes its own. One with `patience` is given up that long after it was left.
    """

    def register(function: Handler) -> Handler:
        if topic in _handlers and _handlers[topic] is not function:
            raise RuntimeError(f"Two handlers for the outbox topic {topic}")
        _handlers[topic] = function
        if slow:
            _slow.add(topic)
        if patience:
            _patience[topic] = patience
        return function

    return register


def enqueue(topic: str, *, key: str, delay_s: int = 0, **payload: Any) -> Message:
    """Leave a message in the caller's transaction, due after `delay_s` seconds. Raises RuntimeError outside of one."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An outbox message belongs in the transaction of the change that it announces.")
    message = Message.objects.create(topic=topic, key=key, payload=payload)
    if delay_s:
        message.next_attempt_at += timedelta(seconds=delay_s)
        message.save(update_fields=["next_attempt_at"])
    elif topic not in _slow:
        transaction.on_commit(lambda: _try_now(message.pk), robust=True)
        if (seen := _watched.get()) is not None:
            seen.append(message.pk)
    return message


@contextmanager
def watched() -> Iterator[list[int]]:
    """The keys of the messages that are left within this block and that a commit is to deliver at once, as they come."""
    seen: list[int] = []
    outer = _watched.set(seen)
    try:
        yield seen
    finally:
        _watched.reset(outer)


def still_waits(keys: list[int]) -> Message | None:
    """The first of these messages that has not arrived, after one more try of each up to it; None where all did.

    Waits for whoever delivers one of them now: what the relay is about to finish has not failed.
    """
    with transaction.atomic():
        held = Message.objects.select_for_update().filter(pk__in=keys, ended_at=None).order_by("pk")
        waiting = [message.pk for message in held]
    missed = next((pk for pk in waiting if not deliver(pk)), None)
    return None if missed is None else Message.objects.filter(pk=missed, ended_at=None).first()


def pending(topic: str, *, key: str) -> bool:
    """Whether an announcement has not arrived yet: the page then says "not yet effective"."""
    return Message.objects.filter(topic=topic, key=key, ended_at=None).exists()


def deliver_due(*, limit: int = 100, slow: bool = False) -> int:
    """Deliver what is due of the quick topics, oldest first, or of the slow ones, in turn; returns how many were delivered.

    Several relays may run at once.
    """
    due = Message.objects.filter(ended_at=None, next_attempt_at__lte=timezone.now())
    if slow:
        return _in_turn(due.filter(topic__in=_slow), limit)
    due = due.exclude(topic__in=_slow).order_by("id")
    return sum(deliver(pk) for pk in list(due.values_list("pk", flat=True)[:limit]))


def _in_turn(due: QuerySet[Message], limit: int) -> int:
    """One message of each key, in any order, before a second of any: one whose server is silent, however much waits for it,
    holds up another's by one answer and not by all. After PASS_S the pass is over, and what came meanwhile has its turn.

    Keys that took longer come after all others, one each pass: many silent servers hold up no more than one does.
    """
    turn = Window(RowNumber(), partition_by=F("key"), order_by=F("id").asc())
    prompt = due.exclude(key__in=list(_silent)).annotate(turn=turn).order_by("turn", Random())
    chosen, last = list(prompt.values_list("pk", "key")[:limit]), _of_silent(due)
    end, delivered = time.monotonic() + PASS_S, 0
    for pk, key in chosen:
        delivered += _timed(pk, key)
        if time.monotonic() > end:
            break
    return delivered + sum(_timed(pk, key) for pk, key in last)


def _of_silent(due: QuerySet[Message]) -> list[tuple[int, str]]:
    """The oldest message, and its key, of the one that was tried longest ago; nothing where none is due."""
    waiting = due.filter(key__in=list(_silent)).order_by("key", "id").distinct("key").values_list("key", "pk")
    oldest = dict(waiting) if _silent else {}
    return [(oldest[key], key) for key in _silent if key in oldest][:1]


def _timed(pk: int, key: str) -> bool:
    begun = time.monotonic()
    delivered = deliver(pk)
    _silent.pop(key, None)
    if time.monotonic() - begun > PASS_S:
        _silent[key] = None
    if len(_silent) > _MOST_SILENT:
        del _silent[next(iter(_silent))]
    return delivered


def deliver(pk: int) -> bool:
    """Deliver one message unless somebody else holds it or it is done; True when it was delivered now.

    Raises django.db.Error where the database is away, or refuses what this module itself says.
    """
    message, failed = None, None
    try:
        with transaction.atomic():
            message = Message.objects.select_for_update(skip_locked=True).filter(pk=pk, ended_at=None).first()
            if message is None:
                return False
            if message.topic not in _slow:
                failed = _attempt(message)
                return _note(message, failed)
            if message.next_attempt_at > timezone.now():
                return False
            message.next_attempt_at = timezone.now() + _LEASE
            message.save(update_fields=["next_attempt_at"])
    except Exception as error:
        if message is None:
            raise
        return _put_back(message, failed, error)
    return _deliver_apart(message)


def _put_back(message: Message, failed: str | None, lost: Exception) -> bool:
    """The transaction of a note is lost: make it in one of its own. What the handler said counts more than the loss.

    A handler may do that each time, and those behind it must not wait for it. Who has taken the message up meanwhile
    makes their own note; nor is there any waiting for a lock that a dead connection still has.
    """
    told = _told(lost)
    if isinstance(lost, Error):
        logger.warning("outbox %s %s lost its transaction: %s", message.topic, message.pk, told)
    else:
        logger.error("outbox %s %s could not be noted: %s", message.topic, message.pk, told, exc_info=lost)
    with transaction.atomic():
        held = Message.objects.select_for_update(skip_locked=True).filter(pk=message.pk, ended_at=None).first()
        return held is not None and _note(held, failed or told)


def _deliver_apart(message: Message) -> bool:
    """A slow topic runs outside of any transaction, under a lease: nothing is locked while somebody else thinks."""
    failed = _attempt(message, apart=True)
    if not connection.is_usable():  # the handler has lost it; the next statement makes a new one
        connection.close()
    try:
        with transaction.atomic():
            held = Message.objects.select_for_update().filter(pk=message.pk, ended_at=None).first()
            return held is not None and _note(held, failed)
    except Exception as error:  # noqa: BLE001 whatever it is, the message is counted and pauses
        return _put_back(message, failed, error)


def _note(message: Message, error: str | None) -> bool:
    """Write down how it went; the caller holds the row."""
    now = timezone.now()
    message.attempts += 1
    message.last_error = error or ""
    if error is None:
        message.delivered_at = now
        message.payload.pop("context", None)  # a mail's context may hold a link that signs in
    elif message.topic in _patience and now - message.created_at > _patience[message.topic]:
        message.failed_at = now
        logger.error("outbox %s %s is given up after %s attempts", message.topic, message.pk, message.attempts)
    else:
        message.next_attempt_at = now + timedelta(seconds=pause_s(message.attempts))
    message.save(update_fields=["attempts", "delivered_at", "failed_at", "last_error", "next_attempt_at", "payload"])
    return error is None


@transaction.atomic
def try_again(*, by: AbstractBaseUser, message: Message) -> Message:
    """Put a message that was given up back in the outbox, due now, with the patience of a new one.

    Raises Conflict where it waits or was delivered.
    """
    locked = Message.objects.select_for_update().get(pk=message.pk)
    if locked.failed_at is None:
        raise Conflict("This message is not given up.", code="not_given_up")
    now = timezone.now()
    locked.failed_at, locked.created_at, locked.next_attempt_at = None, now, now
    locked.save(update_fields=["failed_at", "created_at", "next_attempt_at"])
    trail.record(Event.MESSAGE_TRIED_AGAIN, by=by, target=locked, topic=locked.topic)
    return locked


def pause_s(attempts: int) -> int:
    """Seconds until the next attempt: one second for the first half minute, then doubling to five minutes."""
    if attempts < _QUICK_ATTEMPTS:
        return 1
    return min(_LONGEST_PAUSE_S, int(2 ** min(16, attempts - _QUICK_ATTEMPTS + 1)))


def _attempt(message: Message, *, apart: bool = False) -> str | None:
    function = _handlers.get(message.topic)
    if function is None:
        return f"no handler for the topic {message.topic}"
    try:
        with nullcontext() if apart else transaction.atomic():
            function(message.payload)
    except Exception as error:  # noqa: BLE001 whatever a handler raises, the message stays and is tried again
        told = _told(error)
        logger.warning("outbox %s %s failed: %s", message.topic, message.pk, told)
        return told
    return None


def _told(error: Exception) -> str:
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 an error that cannot be put into words is one all the same
        words = "no words"
    return mended(f"{type(error).__name__}: {words}"[:500])


def _try_now(pk: int) -> None:
    try:
        deliver(pk)
    except Exception:
        logger.warning("outbox message %s is left to the relay", pk, exc_info=True)
