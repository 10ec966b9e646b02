"""Scores that a revision carries in itself: the record that our own training leaves among its files."""

from __future__ import annotations

import json
from typing import Final

from portal.people.models import User
from portal.storable import mended
from releases.evaluations import actions, readers
from releases.evaluations.reading import Said
from releases.models import BlobState, Revision
from releases.storage import store

RECORD: Final = "records/eval.json"


def content_of(revision: Revision, path: str) -> bytes | None:
    """A small file of a revision, verified; None where it has none of this name, or one that is too large to read."""
    held = revision.files.filter(path=path, size__lte=readers.FILE_MAX, blob__state=BlobState.VERIFIED)
    digest = held.values_list("blob", flat=True).first()
    if digest is None:
        return None
    with store().open(digest) as source:
        return source.read(readers.FILE_MAX + 1)


def take_in(*, revision: Revision, by: User | None) -> actions.Imported | None:
    """Import what the revision's own record tells; None where there is no record of ours. Raises Invalid.

    The record names its program; that it was the lab which ran it follows from its lying among the lab's files.
    """
    content = content_of(revision, RECORD)
    if content is None or not _is_ours(content):
        return None
    rows = readers.read(content, Said(ran_by=revision.model.lab.name))
    weights = mended(str(json.loads(content).get("weights", "")))
    return actions.import_scores(revision=revision, rows=rows, by=by, raw_path=RECORD, weights=weights)


def _is_ours(content: bytes) -> bool:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "evaluated_by" in found and isinstance(found.get("results"), list)
