"""Import a file of numbers into a logbook: the only writer of recordings and curves; and the undoing of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import IO

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from releases.actions.rights import require_open, require_staff
from releases.chronicles.drafts import RUN_MAX
from releases.chronicles.records import run_name
from releases.curve_models import Curve, Recording
from releases.curves import formats
from releases.curves.recorder import Recorder
from releases.logbook.taking_back import drop_untold_runs
from releases.logbook_lifecycle import Verb, next_state
from releases.logbook_models import Logbook, Run, RunKind

_CHUNK = 1 << 20


@transaction.atomic
def import_curves(
    *,
    logbook: Logbook,
    run: str,
    file: IO[bytes],
    source: str,
    by: User | None,
    kind: str = "",
    sha256: str = "",
    replace: bool = False,
) -> Recording:
    """Read a file of numbers as curves of the run that is called `run`; a file that is in already changes nothing.

    Where the file numbers its segments, those from the second on belong to `run.1`, `run.2` …, as in the logbook.
    `file` is read once where its `sha256` is known, else it must be one that can be read twice. `kind` names its format (releases.curves.formats), told by its name
    otherwise. With `replace`, curves of these runs and names make room; a frozen logbook keeps what it has, and only
    takes more. Raises Invalid where the file cannot be read, Conflict where a curve is there already, Unavailable while
    publishing is paused.
    """
    require_open()
    lab = (logbook.model or logbook.family).lab  # type: ignore[union-attr]  # logbook_of_something
    require_staff(by, lab)
    locked = Logbook.objects.select_for_update(of=("self",)).get(pk=logbook.pk)
    if replace and locked.frozen_at is not None:
        raise Conflict("This logbook is frozen: its curves stay. Tell what is wrong with them in an erratum.")
    reader = formats.READERS.get(kind or formats.guess(source))
    if reader is None:
        raise Invalid(f"There is no format {kind}. There are: {', '.join(formats.READERS)}.")
    sha256 = sha256 or _digest(file)
    if known := Recording.objects.filter(logbook=locked, sha256=sha256).first():
        return known
    recording = Recording.objects.create(
        logbook=locked, format=kind or formats.guess(source), source=source[:300], sha256=sha256, by=by
    )
    recorder = Recorder(recording, _runs(locked, run), _room(replace=replace))
    recorder.take(reader(file))
    recorder.close()
    Recording.objects.filter(logbook=locked, curves=None).delete()
    points = sum(recording.curves.values_list("points", flat=True))
    trail.record(
        Event.CURVES_IMPORTED, by=by, target=locked, lab=lab, source=recording.source, sha256=sha256, points=points
    )
    return recording


@transaction.atomic
def take_back_curves(*, logbook: Logbook, sha256: str, by: User | None) -> Recording:
    """Undo the import of a file: its curves and points are gone, and the runs that it alone told of. What it was.

    Raises Conflict where the logbook is frozen: then what is wrong with them is told in an erratum; NotFound where the
    logbook has no such file; Unavailable while publishing is paused.
    """
    require_open()
    locked = Logbook.objects.with_subjects().select_for_update(of=("self",)).get(pk=logbook.pk)
    require_staff(by, locked.lab)
    if next_state(locked.state, Verb.TAKE_BACK) is None:
        raise Conflict(_("This logbook is frozen: its curves stay. Tell what is wrong with them in an erratum."))
    recording = Recording.objects.filter(logbook=locked, sha256=sha256).first()
    if recording is None:
        raise NotFound(_("This logbook has no curves of that file."))
    curves = recording.curves.all()
    runs, points = set(curves.values_list("run", flat=True)), sum(curves.values_list("points", flat=True))
    recording.delete()
    drop_untold_runs(locked, runs)
    Logbook.objects.filter(pk=locked.pk).update(changed_at=timezone.now())  # copies that are kept elsewhere are old
    trail.record(
        Event.CURVES_TAKEN_BACK, by=by, target=locked, lab=locked.lab, source=recording.source, sha256=sha256,
        points=points,
    )  # fmt: skip
    return recording


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _runs(logbook: Logbook, name: str) -> Callable[[int | None], Run]:
    """Finds the run of a part, and makes it where the logbook does not tell of it."""

    def find(part: int | None) -> Run:
        if len(run_name(name, part or 0)) > RUN_MAX:
            raise Invalid(f"A run's name has at most {RUN_MAX} characters, with the number of its segment. Shorten it.")
        begun, _ = Run.objects.get_or_create(logbook=logbook, name=name)
        if not part:
            return begun
        before = Run.objects.filter(logbook=logbook, name=run_name(name, part - 1)).first() or begun
        made, _ = Run.objects.get_or_create(
            logbook=logbook, name=run_name(name, part), defaults={"kind": RunKind.RESUME, "parent": before}
        )
        return made

    return find


def _room(*, replace: bool) -> Callable[[Run, str], None]:
    """Sees to it that a run has no curve of a name yet."""

    def make(run: Run, name: str) -> None:
        there = Curve.objects.filter(run=run, name=name)
        if replace:
            there.delete()
        elif there.exists():
            raise Conflict(f"Run {run.name} has the series {name} already. Import with --replace to take its place.")

    return make
