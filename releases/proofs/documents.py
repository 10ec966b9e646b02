"""release.json and tensors.json: canonical JSON built from rows, the same bytes whenever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final

from portal import signing
from releases import cards
from releases.models import Revision
from releases.proof_models import Publication
from releases.proofs import records
from releases.proofs.digests import ALGORITHM

RELEASE: Final = "weighbridge.release/1"
_PIECE: Final = 1000
"""Tensors that are written at a time."""


def release(revision: Revision) -> dict[str, Any]:
    """What was released: files with sizes and digests, and the weight id. A draft is told as it stands now."""
    told = publication(revision)
    at = revision.published_at
    weights = revision.facts.get("weights")
    return {
        "schema": RELEASE,
        "model": told.model,
        "commit": revision.commit,
        "published_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None,
        "licence": told.licence,
        "gate": told.gate or None,
        "files": files(revision),
        "tensors": {"algorithm": ALGORITHM, **weights} if weights else None,
    }


def files(revision: Revision) -> list[dict[str, Any]]:
    """Every file with its digests, by path (bytewise)."""
    rows = revision.files.order_by("path").values_list("path", "size", "blob_id", "blob__proof__blake3", "lfs")
    names = ("path", "size", "sha256", "blake3", "lfs")
    return [dict(zip(names, row, strict=True)) for row in rows]


def tensors(revision: Revision) -> Iterator[bytes]:
    """tensors.json in pieces, so that a list of 100,000 is never held: the canonical form of the whole document."""
    weights = revision.facts.get("weights")
    yield b'{"root":' + (signing.canonical(weights["root"]) if weights else b"null")
    yield b',"schema":' + signing.canonical(ALGORITHM) + b',"tensors":['
    lines: list[bytes] = []
    comma = b""
    for row in records.tensors_of(revision):
        lines.append(signing.canonical(row))
        if len(lines) == _PIECE:
            yield comma + b",".join(lines)
            lines, comma = [], b","
    yield (comma if lines else b"") + b",".join(lines) + b"]}"


def publication(revision: Revision) -> Publication:
    """What was said of the model at publication; for a draft, what would be said now, not saved."""
    made: Publication | None = getattr(revision, "publication", None)
    model = revision.model
    gate = f"{model.gate.lab.slug}/{model.gate.slug}" if model.gate else ""
    return made or Publication(revision=revision, model=model.full_name, licence=cards.licence(revision), gate=gate)
