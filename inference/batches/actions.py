"""The writers of files and batches. A worker's words are taken only while the row's state allows them: whoever cancels, wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Sum
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from inference import batch_lifecycle as lifecycle
from inference.batch_lifecycle import State, Verb
from inference.batch_models import Batch, BatchAnswer, BatchFile, Purpose
from inference.batches.rows import ENDPOINTS, Survey
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound, TooLarge
from portal.mail import sending
from portal.outbox import delivery
from portal.people.models import User
from portal.projects.models import Project
from portal.storable import storable
from portal.sweeps import sweep
from portal.tokens.models import AccessToken
from releases.storage.drawer import drawer

WINDOW: Final = timedelta(hours=24)
"""From its making to its end, whatever is done by then: the one `completion_window`."""
_COUNTED: Final = ("heard_at", "completed", "failed", "prompt_tokens", "completion_tokens", "cached_tokens")
METADATA: Final = (16, 64, 512)
"""Pairs, characters of a name, characters of a value: OpenAI's bounds."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One row's answer: its line of the output or error file, and its prompt, completion and cached tokens."""

    line: int
    ok: bool
    record: bytes
    usage: tuple[int, int, int]


def upload(
    *, by: User, project: Project, name: str, source: BinaryIO, size: int, days: float | None = None
) -> BatchFile:
    """Keep the input of a batch, for `days` (at most BATCH_FILE_DAYS). Raises TooLarge, Invalid."""
    if size > settings.BATCH_FILE_BYTES:
        raise TooLarge(
            _("A file may have at most %(most)s bytes. Make several.")
            % {"most": number_format(settings.BATCH_FILE_BYTES, force_grouping=True)}
        )
    if size == 0:
        raise Invalid(_("The file is empty. Write one JSON object per line."), fields={"file": [_("It is empty.")]})
    pk = uuid4()
    drawer().put(pk.hex, source)
    try:
        return _take_in(pk, by=by, project=project, name=name, size=size, days=days)
    except Exception:
        drawer().delete(pk.hex)
        raise


@transaction.atomic
def _take_in(pk: UUID, *, by: User, project: Project, name: str, size: int, days: float | None) -> BatchFile:
    """The row of a file whose bytes are there, if the project has room. Raises TooLarge."""
    Project.objects.select_for_update().get(pk=project.pk)
    held = BatchFile.objects.filter(project=project).aggregate(n=Sum("bytes"))["n"] or 0
    if held + size > settings.BATCH_STORED_BYTES:
        raise TooLarge(
            _("The files of a project may have %(most)s bytes together. Delete some that you need no more.")
            % {"most": number_format(settings.BATCH_STORED_BYTES, force_grouping=True)}
        )
    kept = _keep(pk, by=by, project=project, purpose=Purpose.BATCH, name=name, size=size, days=days)
    trail.record(Event.BATCH_FILE_UPLOADED, by=by, target=kept, lab=project.lab, bytes=size)
    return kept


@transaction.atomic
def discard(*, file: BatchFile, by: User | None) -> None:
    """Delete a file and its bytes. Raises Conflict while a batch reads it."""
    locked = BatchFile.objects.select_for_update().filter(pk=file.pk).first()
    if locked is None:
        return
    if Batch.objects.filter(input_file=locked.pk, state__in=lifecycle.LIVE).exists():
        raise Conflict(_("A batch that is under way reads this file. Cancel the batch first."), code="file_in_use")
    trail.record(Event.BATCH_FILE_DELETED, by=by, target=locked, lab=locked.project.lab)
    _drop([locked])


def discard_expired(now: datetime) -> int:
    """Delete what is past its time and read by no batch; returns how many. Safe to run twice."""
    live = Batch.objects.filter(state__in=lifecycle.LIVE).values("input_file")
    due = BatchFile.objects.filter(expires_at__lte=now).exclude(pk__in=live).select_related("project__lab")
    return sweep(list(due), _discard_idle)


def _discard_idle(file: BatchFile) -> bool:
    try:
        discard(file=file, by=None)
    except Conflict:  # a batch was made that reads it
        return False
    return True


def erase(user: User) -> int:
    """Delete all files of a person, in the caller's transaction; their bytes go when it commits."""
    files = list(BatchFile.objects.filter(owner=user))
    _drop(files)
    return len(files)


@transaction.atomic
def create(
    *, by: User, token: AccessToken, project: Project, endpoint: str, input_file: UUID, metadata: dict[str, Any]
) -> Batch:
    """Begin a batch: a worker reads the file, then sends its rows. Raises Invalid, NotFound."""
    if endpoint not in ENDPOINTS:
        told = _("Use one of %(endpoints)s.") % {"endpoints": ", ".join(ENDPOINTS)}
        raise Invalid(told, fields={"endpoint": [told]})
    if not _fits(metadata):
        told = _("metadata holds at most 16 pairs of text: 64 characters of name, 512 of value.")
        raise Invalid(told, fields={"metadata": [told]})
    files = BatchFile.objects.select_for_update()
    if not files.filter(pk=input_file, project=project, purpose=Purpose.BATCH, expires_at__gt=timezone.now()).exists():
        raise NotFound(_("There is no such input file. Upload it with the purpose “batch”."))
    batch = Batch.objects.create(
        project=project, owner=by, token=token, endpoint=endpoint, input_file=input_file, metadata=metadata,
        expires_at=timezone.now() + WINDOW,
    )  # fmt: skip
    trail.record(Event.BATCH_CREATED, by=by, target=batch, lab=project.lab, endpoint=endpoint)
    _call(batch)
    return batch


@transaction.atomic
def cancel(*, batch: Batch, by: User | None) -> Batch:
    """Send no further row; those under way are broken off and cost nothing. Raises Conflict when it is over."""
    locked = Batch.objects.select_for_update(of=("self",)).select_related("project__lab").get(pk=batch.pk)
    if locked.state == State.CANCELLING:
        return locked
    if lifecycle.next_state(locked.state, Verb.CANCEL) is None:
        raise Conflict(
            _("This batch is over, or is writing its files. It cannot be cancelled."), code="not_cancellable"
        )
    locked.state, locked.cancelling_at = State.CANCELLING.value, timezone.now()
    locked.save(update_fields=["state", "cancelling_at"])
    trail.record(Event.BATCH_CANCELLED, by=by, target=locked, lab=locked.project.lab)
    _call(locked)
    return locked


@transaction.atomic
def begin(*, pk: UUID, found: Survey) -> State | None:
    """The file was read: the rows may go, or the batch fails with what is wrong. None when it was not waiting for that."""
    locked = _locked(pk, Verb.BEGIN)
    if locked is None:
        return None
    Project.objects.select_for_update().get(pk=locked.project_id)
    problems = [problem.wire() for problem in found.problems]
    waiting = Batch.objects.filter(project=locked.project_id).enqueued_tokens()
    if not problems and waiting + found.tokens > settings.BATCH_TOKENS:
        problems = [
            {
                "code": "token_limit_exceeded",
                "message": f"The batches of a project may wait with {settings.BATCH_TOKENS:,} tokens together; this one "
                f"could use {found.tokens:,}. Wait until others are over, or make it smaller.",
                "line": None,
                "param": None,
            }
        ]
    now = timezone.now()
    locked.total, locked.model, locked.heard_at = found.rows, found.model, now
    if problems:
        locked.state, locked.problems, locked.total = State.FAILED.value, problems, 0
        _end(locked, now)
        return State.FAILED
    locked.state, locked.began_at, locked.tokens_bound = State.IN_PROGRESS.value, now, found.tokens
    locked.save()
    return State.IN_PROGRESS


@transaction.atomic
def note(*, pk: UUID, finished: Sequence[Finished]) -> State | None:
    """Write down answers, each row's first one alone; the batch's state, or None when it is gone.

    They were billed, so they are taken from a batch that is being cancelled too.
    """
    locked = Batch.objects.select_for_update().filter(pk=pk).first()
    if locked is None:
        return None
    locked.heard_at = timezone.now()
    if finished and locked.state in {State.IN_PROGRESS, State.CANCELLING}:
        lines = [one.line for one in finished]
        known = set(BatchAnswer.objects.filter(batch=pk, line__in=lines).values_list("line", flat=True))
        fresh = [one for one in finished if one.line not in known]
        BatchAnswer.objects.bulk_create(
            BatchAnswer(batch=locked, line=one.line, ok=one.ok, record=one.record) for one in fresh
        )
        locked.completed += sum(one.ok for one in fresh)
        locked.failed += sum(not one.ok for one in fresh)
        locked.prompt_tokens += sum(one.usage[0] for one in fresh)
        locked.completion_tokens += sum(one.usage[1] for one in fresh)
        locked.cached_tokens += sum(one.usage[2] for one in fresh)
    locked.save(update_fields=_COUNTED)
    return State(locked.state)


@transaction.atomic
def finish(*, pk: UUID) -> bool:
    """What is left is to write the files. False while a row has no answer, when it was cancelled, or is gone."""
    locked = _locked(pk, Verb.FINISH)
    if locked is None or locked.answered < locked.total:
        return False
    locked.state, locked.finalizing_at = State.FINALIZING.value, timezone.now()
    locked.save(update_fields=["state", "finalizing_at"])
    return True


@transaction.atomic
def conclude(*, pk: UUID, verb: Verb, files: Sequence[tuple[str, UUID, int]], unanswered: int) -> bool:
    """It is over, and these files (field, id in the drawer, bytes) are its result. False when another word came first."""
    locked = _locked(pk, verb)
    if locked is None:
        return False
    state = lifecycle.next_state(locked.state, verb)
    for field, file, size in files:
        short = field.removesuffix("_file")
        _keep(
            file, by=locked.owner, project=locked.project, purpose=Purpose.OUTPUT, size=size,
            name=f"{locked.wire_id}_{short}.jsonl",
        )  # fmt: skip
        setattr(locked, field, file)
    locked.state = str(state)
    locked.failed += unanswered
    locked.answers.all().delete()
    _end(locked, timezone.now())
    return True


def call_silent(now: datetime) -> int:
    """Call a worker for every live batch that none has told of for a minute; returns how many. Safe to run twice."""
    count = 0
    for pk in list(Batch.objects.silent(now - timedelta(minutes=1)).values_list("pk", flat=True)):
        with transaction.atomic():
            batch = Batch.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
            if batch is not None and batch.is_live:
                batch.heard_at = now
                batch.save(update_fields=["heard_at"])
                _call(batch)
                count += 1
    return count


@transaction.atomic
def yield_turn(*, pk: UUID, met: dict[str, list[float]]) -> None:
    """Go to the end of the queue: others wait. `met`: what its rows met so far, which the next turn goes on from."""
    batch = Batch.objects.select_for_update().filter(pk=pk).first()
    if batch is not None:
        batch.met = met
        batch.save(update_fields=["met"])
        _call(batch)


def _locked(pk: UUID, verb: Verb) -> Batch | None:
    found = Batch.objects.select_for_update(of=("self",)).select_related("project__lab", "owner").filter(pk=pk).first()
    return found if found and lifecycle.next_state(found.state, verb) else None


def _end(batch: Batch, now: datetime) -> None:
    """Save it as over, write it into the trail, tell its owner."""
    batch.ended_at = batch.heard_at = now
    batch.tokens_bound, batch.met = 0, {}
    batch.save()
    counts = {"completed": batch.completed, "failed": batch.failed, "total": batch.total}
    trail.record(Event.BATCH_ENDED, by=None, target=batch, lab=batch.project.lab, state=batch.state, **counts)
    owner = batch.owner
    context = {
        "name": owner.get_full_name(), "batch": batch.wire_id, "state": batch.state, "path": batch.get_absolute_url(),
        "until": sending.moment(_files_end(batch)), **counts,
    }  # fmt: skip
    sending.send(
        to=owner.email, template="batch_ended", context=context, key=f"batch:{batch.pk}", language=owner.language
    )
    delivery.enqueue("batch.ended", key=f"batch:{batch.pk}", batch=str(batch.pk))


def _files_end(batch: Batch) -> datetime | None:
    """When the first of its results is deleted; of a batch without results, when its input is."""
    results = [file for file in (batch.output_file, batch.error_file) if file]
    files = BatchFile.objects.filter(pk__in=results or [batch.input_file])
    first: datetime | None = files.aggregate(first=Min("expires_at"))["first"]
    return first


def _call(batch: Batch) -> None:
    delivery.enqueue("batch.run", key=f"batch:{batch.pk}", batch=str(batch.pk))


def _keep(
    pk: UUID, *, by: User, project: Project, purpose: Purpose, name: str, size: int, days: float | None = None
) -> BatchFile:
    now = timezone.now()
    kept = min(days or settings.BATCH_FILE_DAYS, settings.BATCH_FILE_DAYS)
    return BatchFile.objects.create(
        id=pk, project=project, owner=by, purpose=purpose, name=name.replace("\0", "")[:200], bytes=size,
        created_at=now, expires_at=now + timedelta(days=kept),
    )  # fmt: skip


def _drop(files: Sequence[BatchFile]) -> None:
    for file in files:
        delivery.enqueue("batch.file_gone", key=f"file:{file.pk}", file=file.pk.hex)
    BatchFile.objects.filter(pk__in=[file.pk for file in files]).delete()


def _fits(metadata: dict[str, Any]) -> bool:
    pairs, name, value = METADATA
    fits = all(isinstance(text, str) and len(key) <= name and len(text) <= value for key, text in metadata.items())
    return fits and len(metadata) <= pairs and storable(metadata)
