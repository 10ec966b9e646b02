"""The only writer of the audit trail, its sealer and its verifier.

An entry is inserted in its action's transaction with its own digest. Sealing (linking in order) happens afterwards,
by one sealer, so that concurrent actions never wait for one another's place in the chain.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from django.db import connection, models, transaction
from django.utils import timezone

from portal.audit.events import Event
from portal.audit.models import Entry
from portal.audit.signals import recorded
from portal.postgres.cursors import in_pages

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

GENESIS: Final = hashlib.sha256(b"weighbridge audit trail").hexdigest()
READ_AGAIN: Final = timedelta(minutes=15)
"""Going back and forth between pages is one reading."""
_SEALER_LOCK: Final = 0x57425345414C


class HasSlug(Protocol):
    """A lab, seen from below."""

    slug: Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken place of the chain: the entry and what is wrong with it."""

    entry_id: int
    problem: str


def record(
    event: Event,
    *,
    by: AbstractBaseUser | None,
    target: models.Model | str,
    lab: HasSlug | None = None,
    **data: Any,
) -> Entry:
    """Insert one entry in the caller's transaction; `data` must be JSON and free of private text."""
    if isinstance(target, models.Model):
        target_type, target_id = target._meta.label_lower, str(target.pk)
    else:
        target_type, _, target_id = target.partition(":")
    entry = Entry(
        at=timezone.now(),
        event=event.value,
        actor_id=str(by.pk) if by else "",
        actor=str(by) if by else "system",
        target_type=target_type,
        target_id=target_id,
        lab=lab.slug if lab else "",
        data=json.loads(json.dumps(data, default=str)),
    )
    _commit(entry)
    entry.save(force_insert=True)
    recorded.send(sender=Entry, entry=entry)
    return entry


def record_read(*, by: AbstractBaseUser, target: models.Model, lab: HasSlug, what: str) -> None:
    """Leave an entry that somebody read another's private fields; the same again within READ_AGAIN leaves none."""
    recent = Entry.objects.filter(
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        event=Event.PRIVATE_READ,
        actor_id=str(by.pk),
        at__gt=timezone.now() - READ_AGAIN,
        data={"what": what},
    )
    if not recent.exists():
        record(Event.PRIVATE_READ, by=by, target=target, lab=lab, what=what)


def digest_of(entry: Entry) -> str:
    """SHA-256 over the entry's content as canonical JSON (sorted names, no spaces, UTC microseconds)."""
    content = {
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "event": entry.event,
        "actor_id": entry.actor_id,
        "actor": entry.commitment or entry.actor,
        "target_type": entry.target_type,
        "target_id": entry.target_id,
        "lab": entry.lab,
        "data": entry.data,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def forget(actor: AbstractBaseUser) -> int:
    """Take a person's name out of every entry, in the caller's transaction; returns how many. The chain still verifies."""
    return Entry.objects.filter(actor_id=str(actor.pk)).exclude(salt="").update(actor="", salt="")


def intact(entry: Entry) -> bool:
    """Whether the content is what the digest covers, and the name, where it is still there, what the entry commits to."""
    if entry.commitment:
        named = entry.commitment == _commitment(entry) if entry.salt else entry.actor == ""
        return named and digest_of(entry) == entry.digest
    return digest_of(entry) == entry.digest


def _commit(entry: Entry) -> None:
    """Compute what an entry carries from its insertion on."""
    if entry.actor_id:
        entry.salt = secrets.token_hex(16)
        entry.commitment = _commitment(entry)
    entry.digest = digest_of(entry)


def _commitment(entry: Entry) -> str:
    return hashlib.sha256(f"{entry.salt}:{entry.actor}".encode()).hexdigest()


def seal(*, limit: int = 1000) -> int:
    """Link the unsealed tail, oldest first; returns how many entries were sealed.

    One sealer at a time, by an advisory lock that the transaction holds; a second one returns 0 at once.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SEALER_LOCK])
            if not cursor.fetchone()[0]:
                return 0
        position, previous, _at = head()
        tail = list(Entry.objects.filter(position=None).order_by("id")[:limit])
        for entry in tail:
            position += 1
            previous = _link(previous, entry.digest, position)
            Entry.objects.filter(pk=entry.pk).update(position=position, seal=previous)
    return len(tail)


def chain(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Give entries that were never saved digest, position and seal, behind the newest: record() and seal() in bulk.

    The caller inserts them in the same transaction, which holds the sealer's lock to its end.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SEALER_LOCK])
    while seal():
        pass
    position, previous, _at = head()
    for entry in entries:
        _commit(entry)
        position += 1
        previous = _link(previous, entry.digest, position)
        entry.position, entry.seal = position, previous
    return entries


def verify() -> tuple[int, int, list[Finding]]:
    """Read the whole trail: (sealed entries, unsealed entries, findings). No finding means that nothing was edited."""
    findings: list[Finding] = []
    previous, expected = GENESIS, 1
    for entry in _sealed():
        if entry.position != expected:
            findings.append(Finding(entry.pk, f"position {entry.position} where {expected} was expected"))
            expected = entry.position or expected
        if not intact(entry):
            findings.append(Finding(entry.pk, "its content does not match its digest"))
        if _link(previous, entry.digest, expected) != entry.seal:
            findings.append(Finding(entry.pk, "its seal does not follow from the entry before it"))
        previous, expected = entry.seal, expected + 1
    tail = Entry.objects.filter(position=None)
    findings += [Finding(e.pk, "its content does not match its digest") for e in tail.iterator() if not intact(e)]
    return expected - 1, tail.count(), findings


def head() -> tuple[int, str, datetime | None]:
    """The newest sealed position, its seal and time: what an outsider keeps to detect a rewritten chain."""
    entry = Entry.objects.filter(position__isnull=False).order_by("-position").first()
    return (entry.position or 0, entry.seal, entry.at) if entry else (0, GENESIS, None)


def _sealed() -> Iterator[Entry]:
    return in_pages(Entry.objects.filter(position__isnull=False), "position", size=2_000)


def _link(previous: str, digest: str, position: int) -> str:
    return hashlib.sha256(f"{previous}:{position}:{digest}".encode()).hexdigest()
