"""An import into an open logbook, undone: its entries go, and their numbers are given to no other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotFound
from portal.people.models import User
from releases.actions.rights import require_open, require_staff
from releases.logbook_lifecycle import Verb, next_state
from releases.logbook_models import Entry, Logbook, Run


def imports_of(logbook: Logbook) -> QuerySet[Any, Any]:
    """The imports of a logbook, the newest first: `created_at`, the moment by which each is named, `entries`, how many
    came together, and `first` and `last` of their numbers."""
    rows = logbook.entries.exclude(digest="").order_by().values("created_at")
    return rows.annotate(entries=Count("pk"), first=Min("order"), last=Max("order")).order_by("-created_at")


@transaction.atomic
def take_back_entries(*, logbook: Logbook, at: datetime, by: User | None) -> int:
    """Undo an import while the logbook is open: its entries go, with the runs that it alone told of. How many.

    `at` is the moment that names it. Raises Conflict where the logbook is frozen, or where a later entry corrects or
    annotates one of them; NotFound where there was no such import.
    """
    require_open()
    locked = Logbook.objects.with_subjects().select_for_update(of=("self",)).get(pk=logbook.pk)
    require_staff(by, locked.lab)
    if next_state(locked.state, Verb.TAKE_BACK) is None:
        raise Conflict(_("This logbook is frozen. Correct one of its entries by an erratum."))
    told = list(
        locked.entries.exclude(digest="").filter(created_at=at).order_by("order").values_list("pk", "order", "run")
    )
    if not told:
        raise NotFound(_("This logbook has no import of that moment."))
    gone = [pk for pk, _order, _run in told]
    _require_unspoken(locked, gone)
    Entry.objects.filter(pk__in=gone).update(supersedes=None, annotates=None)  # they may speak of one another
    Entry.objects.filter(pk__in=gone).delete()
    listed = set(locked.runs.filter(told_at=at).values_list("pk", flat=True))
    locked.runs.filter(pk__in=listed).update(told_at=None)
    drop_untold_runs(locked, listed | {run for _pk, _order, run in told if run})
    highest = max(locked.last_number, told[-1][1])
    Logbook.objects.filter(pk=locked.pk).update(last_number=highest, changed_at=timezone.now())
    trail.record(
        Event.LOGBOOK_TAKEN_BACK, by=by, target=locked, lab=locked.lab, subject=locked.subject.full_name,
        entries=f"{told[0][1]}-{told[-1][1]}", removed=len(told), imported=at.isoformat(),
    )  # fmt: skip
    return len(told)


def drop_untold_runs(logbook: Logbook, runs: Iterable[int]) -> None:
    """Remove those of the runs, and of those they went on from, of which no import, entry, curve and other run tells."""
    looked = set(runs)
    while looked:
        told = {"told_at": None, "entries": None, "curves": None, "children": None}
        untold = Run.objects.filter(logbook=logbook, pk__in=looked, **told)
        parents = dict(untold.values_list("pk", "parent"))
        Run.objects.filter(pk__in=list(parents)).delete()
        looked = (looked - set(parents)) | set(filter(None, parents.values())) if parents else set()


def _require_unspoken(logbook: Logbook, gone: list[int]) -> None:
    """Raises Conflict where an entry that stays speaks of one that goes."""
    speaking = logbook.entries.exclude(pk__in=gone).filter(Q(supersedes__in=gone) | Q(annotates__in=gone))
    if later := speaking.order_by("order").first():
        raise Conflict(
            _("Entry %(n)s, which came later, speaks of an entry of this import. What others build on stays.")
            % {"n": later.order}
        )
