"""Daily roots: the head of the chain after each day, signed with the portal's key and published.

The chain shows every edit to whoever trusts its newest seal. A root takes that trust away from the database: it is
signed by a key that is not in there, names its predecessor by digest, and is public. Whoever rewrites the chain would
have to forge every root since, and everybody who kept one would see it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Max

from portal import signing
from portal.audit import trail
from portal.audit.models import Entry, Root

FORMAT: Final = "weighbridge-audit-root-1"
GRACE: Final = timedelta(minutes=5)
"""A day is closed once no transaction that wrote in it can still be open."""


@transaction.atomic
def sign_closed_days(now: datetime) -> int:
    """Sign the root of every closed day that has entries and no root yet; returns how many were signed.

    Nothing is signed without a signing key: the days wait for one.
    """
    if not signing.public_key():
        return 0
    while trail.seal():
        pass
    last = Root.objects.select_for_update().order_by("-day").first()
    return sum(_sign(day) for day in _due(last, now))


def _due(last: Root | None, now: datetime) -> list[date]:
    """Days after the newest root that are over."""
    unsigned = Entry.objects.filter(position__gt=last.last if last else 0).order_by("position").first()
    if unsigned is None:
        return []
    first = unsigned.at.astimezone(UTC).date()
    first = max(first, last.day + timedelta(days=1)) if last else first
    today = (now - GRACE).astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((today - first).days)]


def _sign(day: date) -> int:
    before = Root.objects.order_by("-day").first()
    first = before.last + 1 if before else 1
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)
    last = Entry.objects.filter(position__gte=first, at__lt=midnight).aggregate(last=Max("position"))["last"]
    if last is None:
        return 0
    document = {
        "format": FORMAT,
        "day": day.isoformat(),
        "first": first,
        "last": last,
        "seal": Entry.objects.get(position=last).seal,
        "previous": signing.digest(before.document) if before else "",
    }
    key_id, signature = signing.seal(document)
    Root.objects.create(day=day, first=first, last=last, document=document, key_id=key_id, signature=signature)
    return 1


def verify(*, former_keys: Iterable[str] = ()) -> tuple[int, list[str]]:
    """Hold every root against its signature, its predecessor and the chain: (roots, one sentence per fault).

    `former_keys` are public keys, hex, that the portal signed with before, and whose secrets its operator has thrown away.
    """
    ours = {signing.public_key(), *signing.former_public_keys(), *former_keys} - {""}
    findings: list[str] = []
    before: Root | None = None
    count = 0
    for root in Root.objects.order_by("day").iterator():
        findings += [f"The root of {root.day} {fault}." for fault in _faults(root, before, ours)]
        before, count = root, count + 1
    return count, findings


def _faults(root: Root, before: Root | None, ours: set[str]) -> list[str]:
    said = root.document
    entry = Entry.objects.filter(position=root.last).first()
    tests = {
        "is signed by a key that is not ours": root.key_id in ours,
        "does not carry its key's signature": signing.sealed(said, key_id=root.key_id, signature=root.signature),
        "is not the day and entries that it signs": _columns(root) == {name: said.get(name) for name in _columns(root)},
        "does not follow from the root before it": said.get("previous") == _digest(before)
        and root.first == (before.last + 1 if before else 1),
        f"ends with entry {root.last}, which the trail does not have": entry is not None,
        f"saw another seal at entry {root.last}": entry is None or entry.seal == said.get("seal"),
    }
    return [fault for fault, holds in tests.items() if not holds]


def _columns(root: Root) -> dict[str, Any]:
    return {"day": root.day.isoformat(), "first": root.first, "last": root.last}


def _digest(root: Root | None) -> str:
    return signing.digest(root.document) if root else ""


def envelope(root: Root) -> dict[str, Any]:
    """The root as it is published: the document and its seal, in the shape of a receipt."""
    return {
        "document": root.document,
        "sha256": signing.digest(root.document),
        "ed25519": {"public_key": root.key_id, "signature": root.signature},
    }
