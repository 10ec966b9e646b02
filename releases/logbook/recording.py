"""The logbook that a published revision carries among its files becomes the model's logbook."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils.translation import gettext as _

from portal.errors import Invalid
from releases import actions as releases_actions
from releases import chronicles
from releases.logbook import actions
from releases.logbook.actions import Imported
from releases.logbook_lifecycle import State
from releases.models import BlobState, File, Revision
from releases.storage import store

log = logging.getLogger(__name__)


@transaction.atomic
def record(revision: Revision) -> Imported | None:
    """Import it, and freeze the logbook; None when the revision carries none that can be read. Twice is once.

    A later revision whose record goes on adds what is new; where it says something else of an old entry, the new words
    supersede the old ones as an erratum, and both stay.
    """
    file = _file(revision)
    if file is None:
        return None
    with store().open(file.sha256) as source:
        text = source.read(chronicles.RECORD_MAX).decode("utf-8", "replace")
    parsed = chronicles.read(text, name=file.path)
    if parsed.problems:
        log.warning("The logbook %s of %s cannot be read: %s", file.path, revision, parsed.problems[0])
        return None
    told = _("%(path)s of the published revision, as its makers wrote it") % {"path": file.path}
    book = actions.open_logbook(subject=revision.model, by=None, source=told)
    try:
        done = actions.import_entries(logbook=book, parsed=parsed, name=file.path, by=None, recorded=True)
    except Invalid as refused:  # it speaks of entries that are not there
        log.warning("The logbook %s of %s was not taken: %s", file.path, revision, refused.message)
        return None
    if book.state == State.OPEN:
        releases_actions.freeze_logbook(logbook=book, by=None)
    return done


def _file(revision: Revision) -> File | None:
    held = revision.files.filter(path__in=chronicles.RECORDS, size__lte=chronicles.RECORD_MAX)
    rows = {row.path: row for row in held.exclude(blob__state=BlobState.QUARANTINED)}
    return next((rows[path] for path in chronicles.RECORDS if path in rows), None)
