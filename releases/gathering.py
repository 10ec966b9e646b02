"""Puts together what the release lint looks at: the files, the JSON and the card that rules read, the other branches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from portal.storable import all_mended
from releases import cards, chronicles, footprints, links
from releases.inspection.asking import Tensors
from releases.lint.about import web_links
from releases.lint.candidate import WEIGHTS, Candidate, File, Public, Sibling
from releases.lint.weights import INDEX
from releases.models import BlobState, Revision
from releases.models import File as FileRow
from releases.sentences import Sentence
from releases.storage import store

DOCUMENT_MAX: Final = 16 << 20
"""Bytes. A longer index is not compared; its shards were read all the same."""
SIBLINGS_MAX: Final = 2_000


def candidate(revision: Revision, tensors: Mapping[str, Tensors]) -> Candidate:
    """The revision as the rules see it. Files that were refused are named, and not read."""
    rows = list(revision.files.select_related("blob"))
    card, text = _card(rows)
    return Candidate(
        files=tuple(_file(row) for row in rows),
        tensors={path: found.items for path, found in tensors.items()},
        documents={row.path: said for row in rows if _is_document(row) and (said := _document(row)) is not None},
        card=card,
        text=text,
        names=tuple(revision.model.refs.filter(revision=revision).values_list("name", flat=True)),
        siblings=_siblings(revision),
        public=_public(revision),
        dead=links.dead(web_links(text)),
        logbook=_logbook(rows),
    )


def _file(row: FileRow) -> File:
    return File(row.path, row.size, row.sha256)


def _is_document(row: FileRow) -> bool:
    read = row.name == "config.json" or row.path.endswith(INDEX) or row.path == footprints.RECORD
    return read and row.size <= DOCUMENT_MAX and row.blob.state != BlobState.QUARANTINED


def _document(row: FileRow) -> Any:  # noqa: ANN401 whatever JSON can say
    """The file's JSON, which the check has read in its child before; None when it cannot be read."""
    with store().open(row.sha256) as source:
        try:
            return all_mended(json.loads(source.read(DOCUMENT_MAX)))
        except (ValueError, RecursionError):
            return None


def _card(rows: list[FileRow]) -> tuple[dict[str, Any], str]:
    for row in rows:
        if row.path == cards.CARD and row.size <= cards.CARD_MAX and row.blob.state != BlobState.QUARANTINED:
            with store().open(row.sha256) as source:
                return cards.split(source.read(cards.CARD_MAX).decode("utf-8", "replace"))
    return {}, ""


def _logbook(rows: list[FileRow]) -> tuple[Sentence, ...]:
    """What is wrong with the file that would become the model's logbook."""
    held = {row.path: row for row in rows if row.path in chronicles.RECORDS and row.size <= chronicles.RECORD_MAX}
    row = next((held[path] for path in chronicles.RECORDS if path in held), None)
    if row is None or row.blob.state == BlobState.QUARANTINED:
        return ()
    with store().open(row.sha256) as source:
        text = source.read(chronicles.RECORD_MAX).decode("utf-8", "replace")
    return tuple(problem.placed for problem in chronicles.read(text, name=row.path).problems)


def _siblings(revision: Revision) -> tuple[Sibling, ...]:
    refs = list(revision.model.refs.exclude(revision=revision).values_list("name", "revision")[:SIBLINGS_MAX])
    weights: dict[int, list[File]] = defaultdict(list)
    for row in FileRow.objects.filter(revision__in={pk for _, pk in refs}).order_by("path"):
        if row.path.lower().endswith(WEIGHTS):
            weights[row.revision_id].append(_file(row))
    return tuple(Sibling(name, tuple(weights[pk])) for name, pk in refs)


def _public(revision: Revision) -> Public | None:
    main = revision.model.main
    if main is None or main.pk == revision.pk:
        return None
    shown = Candidate(tuple(_file(row) for row in main.files.all()), card=cards.metadata(main))
    return Public(shown.licence, shown.licence_text)
