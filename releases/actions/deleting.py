"""Large files taken out of a model's drafts for good. What was published stays."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.people.models import User
from releases import lookup
from releases.actions.committing import files_of, insert, lock, move
from releases.actions.rights import require_open, require_staff
from releases.conversion_lifecycle import LIVE
from releases.conversion_models import Conversion
from releases.models import MAIN, File, Model, RefKind, Revision, Upload

MESSAGE: Final = "Delete large files"


@transaction.atomic
def delete_files(*, model: Model, digests: Collection[str], by: User | None) -> int:
    """Delete the drafts that hold any of these objects; how many there were. The objects go with the next collection.

    A branch whose past holds one begins anew, without them, after the last revision before them; a tag on such a draft
    goes. Raises Conflict where a revision holds one that was published, whose opening was planned, or from which another
    that stays was converted.
    """
    require_open()
    require_staff(by, model.lab)
    locked = _locked(model, digests)
    held = lock(model)
    drafts = held.revisions.filter(pk__in=_holding(model, digests))
    if drafts.exclude(pk__in=locked).exists():
        raise Conflict("Somebody has committed such a file just now. Look again at what you want to delete.")
    if kept := drafts.public().first():
        raise Conflict(f"A revision that was published ({kept.commit[:8]}) holds such a file, and stays as it is.")
    if planned := drafts.filter(openings__isnull=False).first():
        raise Conflict(f"An opening of {planned.commit[:8]} is planned, or was: its history keeps the revision.")
    gone = {revision.pk: revision for revision in drafts}
    _forget_conversions(gone)
    for branch, head in _heads(held):
        _rewrite(held, branch, head, {revision.commit for revision in gone.values()}, digests, by)
    held.refs.filter(revision__in=gone).delete()
    Upload.objects.filter(model=held, blob__in=digests).delete()
    File.objects.filter(revision__in=gone).delete()
    Revision.objects.filter(pk__in=gone).delete()
    trail.record(
        Event.FILES_DELETED,
        by=by,
        target=held,
        lab=held.lab,
        model=held.full_name,
        count=len(set(digests)),
        drafts=len(gone),
    )
    return len(gone)


def _holding(model: Model, digests: Collection[str]) -> QuerySet[File, int]:
    return File.objects.filter(revision__model=model, blob__in=digests, lfs=True).values_list("revision", flat=True)


def _locked(model: Model, digests: Collection[str]) -> list[int]:
    """The revisions that hold any of them, locked, and before the model is: so does who publishes, plans, withdraws or stops one."""
    rows = Revision.objects.select_for_update(of=("self",)).filter(pk__in=_holding(model, digests)).order_by("pk")
    return [revision.pk for revision in rows]


def _forget_conversions(gone: Collection[int]) -> None:
    """Conversions of these revisions, and those that made them. Raises Conflict where what stays rests on one."""
    touched = Conversion.objects.filter(Q(source__in=gone) | Q(result__in=gone))
    if touched.filter(stage__in=LIVE).exists():
        raise Conflict("A conversion of such a draft is under way. Wait for it, or cancel it.")
    stays = touched.exclude(result=None).exclude(result__in=gone).select_related("result").first()
    if stays and stays.result:
        raise Conflict(
            f"Revision {stays.result.commit[:8]} was converted from such a draft, and its receipt keeps the draft."
        )
    touched.delete()


def _heads(model: Model) -> list[tuple[str, Revision]]:
    branches = model.refs.filter(kind=RefKind.BRANCH).select_related("revision")
    return [*([(MAIN, model.tip)] if model.tip else []), *((ref.name, ref.revision) for ref in branches)]


def _rewrite(
    model: Model, branch: str, head: Revision, gone: set[str], digests: Collection[str], by: User | None
) -> None:
    """Let the branch hold what its head holds, without these objects, and none of the revisions that go."""
    line = lookup.line(head)
    if not gone & set(line):
        return
    last = max(n for n, commit in enumerate(line) if commit in gone)
    parent = line[last + 1] if last + 1 < len(line) else ""
    files = [file for file in files_of(head).values() if not (file.lfs and file.sha256 in digests)]
    made, _new = insert(model, parent, files, by, MESSAGE, None)
    move(model, branch, made)
