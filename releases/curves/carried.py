"""The numbers that a published revision carries among its files become curves of its model's logbook."""

from __future__ import annotations

import logging
from typing import Any, Final

from portal.errors import Conflict, Invalid
from portal.outbox.delivery import handler
from releases.actions.revisions import CURVES
from releases.curve_models import Recording
from releases.curves.actions import import_curves
from releases.logbook import actions as logbooks
from releases.logbook import recording
from releases.logbook_models import RunKind
from releases.models import BlobState, Revision
from releases.storage import store

logger = logging.getLogger(__name__)
PATH: Final = "records/metrics.jsonl"
LARGEST: Final = 2 << 30
"""Bytes of a record that is read without being asked."""


@handler(CURVES, slow=True)
def published(payload: dict[str, Any]) -> None:
    """Import the revision's own numbers. Safe to run twice."""
    take_in(Revision.objects.select_related("model__lab", "model__family").get(pk=payload["revision"]))


def take_in(revision: Revision) -> Recording | None:
    """Import them; None where there are none, or none that can be taken, which is logged: again would not help.

    A later revision whose numbers differ leaves those that the logbook has: it is frozen.
    """
    held = revision.files.filter(path=PATH, size__lte=LARGEST).exclude(blob__state=BlobState.QUARANTINED)
    if (file := held.first()) is None:
        return None
    recording.record(revision)  # first, and once: the runs are those of the log, where there is one
    book = logbooks.open_logbook(subject=revision.model, by=None)
    starts = list(book.runs.filter(kind=RunKind.START)[:2])
    run = starts[0].name if len(starts) == 1 else revision.model.name
    try:
        with store().open(file.sha256) as source:
            return import_curves(logbook=book, run=run, file=source, source=PATH, sha256=file.sha256, by=None)
    except (Invalid, Conflict) as fault:
        logger.warning("Curves of %s were not imported: %s", revision, fault.message)
        return None
