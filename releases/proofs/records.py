"""Proofs and tensors as rows: keep what a check computed, and read the tensors of a revision in order."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from django.db import transaction
from django.db.models import F

from releases.models import Blob, Revision
from releases.proof_models import Proof, Tensor
from releases.proofs import merkle
from releases.proofs.digests import Digests, Place

_BATCH = 2000


@transaction.atomic
def keep(sha256: str, found: Digests) -> None:
    """Remember what one pass over an object gave. Safe to repeat: an object's proof is written once."""
    proof, new = Proof.objects.get_or_create(blob=Blob(sha256=sha256), defaults={"blake3": found.blake3})
    if new:
        rows = (_row(proof, place, digest) for place, digest in found.tensors)
        Tensor.objects.bulk_create(rows, batch_size=_BATCH)


def kept(sha256: str) -> list[tuple[Place, str]]:
    """The tensors of an object with their digests, in the order of the file."""
    rows = Tensor.objects.filter(proof=sha256).order_by("start", "end")
    return [(Place(row.name, row.dtype, tuple(row.shape), row.start, row.end), row.sha256) for row in rows]


def tensors_of(revision: Revision) -> Iterator[dict[str, Any]]:
    """Every tensor of a revision as `tensors.json` tells it, by name (bytewise), then digest, then file."""
    files = Tensor.objects.filter(proof__blob__files__revision=revision)
    rows = files.annotate(file=F("proof__blob__files__path")).order_by("name", "sha256", "file")
    told: Iterator[Any] = rows.values("name", "dtype", "shape", "sha256", "file").iterator(chunk_size=_BATCH)
    return told


def weights(revision: Revision) -> dict[str, Any] | None:
    """Number of tensors and of elements, and the weight id; None where the revision has no tensors."""
    elements = 0

    def leaves() -> Iterator[bytes]:
        nonlocal elements
        for tensor in tensors_of(revision):
            elements += prod(tensor["shape"])
            yield bytes.fromhex(tensor["sha256"])

    count, root = merkle.root(leaves())
    return {"count": count, "elements": elements, "root": root} if count else None


def _row(proof: Proof, place: Place, digest: str) -> Tensor:
    return Tensor(
        proof=proof,
        name=place.name,
        dtype=place.dtype,
        shape=list(place.shape),
        start=place.start,
        end=place.end,
        sha256=digest,
    )
