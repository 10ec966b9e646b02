"""Garbage: objects that no file names and no upload announces, private files that nothing has, and what is left in staging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from portal.audit import trail
from portal.audit.events import Event
from portal.people.models import User
from releases.actions.uploading import purge_uploads
from releases.models import Blob, File, Upload
from releases.storage import store
from releases.storage.drawer import drawer, strays

GRACE: Final = timedelta(days=7)
LEAST_GRACE: Final = timedelta(days=1)
"""No shorter: a publisher's session may last a day, and counts on what it was told is held."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be. `unknown`: objects that had no row; they have one now, and go after the grace."""

    objects: int = 0
    bytes: int = 0
    unknown: int = 0
    private: int = 0
    private_bytes: int = 0
    staged: int = 0
    staged_bytes: int = 0


def collect_garbage(*, by: User | None = None, grace: timedelta = GRACE, dry_run: bool = False) -> Collected:
    """Remove what nothing has needed for `grace`; with `dry_run` only count it. May be repeated, and run twice at once.

    Each object goes in a transaction of its own, which holds its row: a commit that names the same digest (_hold in
    committing.py) has it first, and it stays, or comes after, and is told to store the file again.
    """
    now = timezone.now()
    before = now - max(grace, LEAST_GRACE)
    if not dry_run:
        _forget_deleted(before)
    unknown = sum(_adopt(page, dry_run=dry_run) for page in _strays(now - LEAST_GRACE))
    sizes = [size for sha256, size in _unneeded(before) if dry_run or _remove(sha256, before)]
    if not dry_run:
        while purge_uploads():
            pass
    private = list(strays(before))
    for name, _size in [] if dry_run else private:
        drawer().delete(name)
    staged, staged_bytes = store().sweep(before, dry_run=dry_run)
    private_bytes = sum(size for _name, size in private)
    found = Collected(len(sizes), sum(sizes), unknown, len(private), private_bytes, staged, staged_bytes)
    if not dry_run:
        trail.record(Event.GARBAGE_COLLECTED, by=by, target="store:blobs", **asdict(found))
    return found


def _deleted(before: datetime) -> QuerySet[File]:
    """Files of models that were never published and that their labs deleted before then."""
    return File.objects.filter(revision__model__opened_at=None, revision__model__withdrawn_at__lt=before)


def _forget_deleted(before: datetime) -> None:
    """Name their objects no more; the revisions stay, as the history of a name that stays taken."""
    while page := list(_deleted(before).values_list("pk", flat=True)[:10_000]):
        File.objects.filter(pk__in=page).delete()


def _strays(before: datetime) -> Iterator[list[Blob]]:
    """Objects of the store that have no row, in pages: what came and was never named, by a run that was killed.

    Or what an earlier copy of the database does not know, which was put in the place of a later one: so they go when they
    were without a name for the grace, from now on, and not for their age. What came since `before` may be under way.
    """
    old = (Blob(sha256=name, size=size) for name, size, came in store().held() if came < before)
    named = (blob for blob in old if _DIGEST.fullmatch(blob.sha256))
    while page := list(islice(named, 1000)):
        known = set(Blob.objects.filter(pk__in=[blob.pk for blob in page]).values_list("pk", flat=True))
        yield [blob for blob in page if blob.pk not in known]


def _adopt(strays: list[Blob], *, dry_run: bool) -> int:
    """Rows for them, so that they go as all others do; how many they are."""
    if not dry_run:
        Blob.objects.bulk_create(strays, ignore_conflicts=True)
    return len(strays)


def _garbage(before: datetime) -> QuerySet[Blob]:
    named = File.objects.filter(blob=OuterRef("pk")).exclude(pk__in=_deleted(before))
    announced = Upload.objects.filter(sha256=OuterRef("pk"), ends_at__gt=timezone.now())
    return Blob.objects.filter(~Exists(named), ~Exists(announced), arrived_at__lt=before)


def _unneeded(before: datetime) -> Iterator[tuple[str, int]]:
    """(name, bytes) of each, in pages: what is removed meanwhile moves nothing."""
    last = ""
    while page := list(_garbage(before).filter(pk__gt=last).order_by("pk").values_list("pk", "size")[:1000]):
        yield from page
        last = page[-1][0]


@transaction.atomic
def _remove(sha256: str, before: datetime) -> bool:
    """The row, then the object, while the row is held. Whoever holds it already has a use for it."""
    row = Blob.objects.select_for_update(skip_locked=True).filter(pk=sha256).first()
    if row is None or not _garbage(before).filter(pk=sha256).exists():  # asked anew, now that nobody can name it
        return False
    row.delete()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # whatever forbids it does so before the bytes are gone
    store().delete(sha256)
    return True
