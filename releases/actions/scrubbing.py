"""The scrub: read the store again, oldest reading first, and say so in public where an object is not what it was."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.audit import trail
from portal.audit.events import Event
from releases import whereabouts
from releases.actions.errata import raise_erratum
from releases.models import Blob, BlobState, File, Model, Revision
from releases.proof_models import Damage, Erratum, Severity
from releases.proofs import digests, records
from releases.storage import store

logger = logging.getLogger(__name__)

_PIECE: Final = 1 << 20
_NAMED: Final = 5
"""Tensors and files that an erratum names; it counts the rest."""
Report = Callable[[Blob, "Finding | None"], None]
"""Told the object and what was found, after each object."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an object: `missing`, `tensors` (with their names), or `bytes` where no tensor is touched."""

    fault: str
    tensors: tuple[str, ...] = ()


def to_scrub(*, of: Model | None = None, damaged: bool = False) -> QuerySet[Blob]:
    """What is to be read, the longest unread first; with `damaged`, also what was bad, which may be repaired by now."""
    state = Q(state=BlobState.VERIFIED)
    if damaged:
        state |= Q(pk__in=Damage.objects.filter(repaired_at=None).values("blob"))
    rows = Blob.objects.filter(state)
    if of:
        rows = rows.filter(pk__in=File.objects.filter(revision__model=of).values("blob"))
    return rows.order_by("verified_at", "sha256")


def scrub(*, blobs: QuerySet[Blob], most_bytes: int = 0, report: Report | None = None) -> tuple[int, int]:
    """Read objects until `most_bytes` are read (0: all of them); (objects read, objects found bad).

    Each outcome is committed by itself, and what was read goes to the end of the line: a run that was stopped goes on.
    What cannot be read now keeps its place. Raises Unavailable before it condemns an object of a store that has none of the
    others: that store is another one.
    """
    read = bad = done = 0
    for blob in blobs.iterator(chunk_size=100):
        try:
            finding = examine(blob)
        except OSError:
            logger.exception("the scrub cannot read %s", blob.sha256)
            continue
        if finding and finding.fault == "missing":
            whereabouts.insist(but=blob.sha256)
        settle(blob=blob, finding=finding)
        read, bad, done = read + 1, bad + bool(finding), done + blob.size
        if report:
            report(blob, finding)
        if most_bytes and done >= most_bytes:
            break
    return read, bad


def examine(blob: Blob) -> Finding | None:
    """Read one object; None when it is what its name says. What differs is read twice: memory errs too."""
    try:
        if _sha256(blob) == blob.sha256 or _sha256(blob) == blob.sha256:
            return None
        with store().open(blob.sha256) as source:
            tensors = digests.damaged(source, records.kept(blob.sha256))
    except FileNotFoundError:
        return Finding("missing")
    return Finding("tensors", tuple(tensors)) if tensors else Finding("bytes")


def repair(*, sha256: str, source: BinaryIO) -> None:
    """Put a good copy in the place of an object that the scrub found damaged, and let it out; any other is left alone.

    `source` is all of the object, seekable. Killed in between, the object is missing, and the same call goes on.
    """
    blob = Blob.objects.filter(damages__in=Damage.objects.filter(repaired_at=None), pk=sha256).first()
    if blob is None:
        return
    if examine(blob):
        store().delete(sha256)
        store().put(source)
    settle(blob=blob, finding=examine(blob))


@transaction.atomic
def settle(*, blob: Blob, finding: Finding | None) -> None:
    """Write down what was found: the time, or the damage with an erratum on every published revision that holds it."""
    locked = Blob.objects.select_for_update().get(pk=blob.pk)
    opened = Damage.objects.filter(blob=locked, repaired_at=None).first()
    if finding is None:
        if opened:
            Damage.objects.filter(pk=opened.pk).update(repaired_at=timezone.now())
            trail.record(Event.BLOB_RESTORED, by=None, target=locked)
        if opened or locked.state == BlobState.VERIFIED:
            Blob.objects.filter(pk=locked.pk).update(state=BlobState.VERIFIED, verified_at=timezone.now())
        return
    if opened or locked.state != BlobState.VERIFIED:
        return
    Blob.objects.filter(pk=locked.pk).update(state=BlobState.QUARANTINED)
    Damage.objects.create(blob=locked, fault=finding.fault, tensors=list(finding.tensors))
    trail.record(
        Event.BLOB_QUARANTINED, by=None, target=locked, fault=finding.fault, tensors=list(finding.tensors[:_NAMED])
    )
    for revision in Revision.objects.public().filter(files__blob=locked).select_related("model__lab").distinct():
        _erratum(locked, revision, finding)


def _erratum(blob: Blob, revision: Revision, finding: Finding) -> None:
    paths = list(File.objects.filter(revision=revision, blob=blob).order_by("path").values_list("path", flat=True))
    raise_erratum(
        Erratum(
            model=revision.model,
            revision=revision,
            severity=Severity.CRITICAL,
            title=f"{paths[0]} is damaged in the store"[:160],
            text=_text(paths, finding),
            scrub=True,
        ),
        by=None,
    )


def _text(paths: list[str], finding: Finding) -> str:
    what = {
        "missing": "The store does not hold this file any more.",
        "tensors": f"Damaged: {_some(finding.tensors)}.",
        "bytes": "Bytes outside of any tensor have changed.",
    }[finding.fault]
    return (
        f"A nightly reading of the store found that {_some(paths)} is not what was published. {what} It is not given out "
        "until it is repaired. Copies that were checked against the published digests are good."
    )


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _sha256(blob: Blob) -> str:
    digest = hashlib.sha256()
    with store().open(blob.sha256) as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
