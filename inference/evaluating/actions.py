"""The writers of evaluation runs: begun, followed to their scores, attached, discarded, cancelled."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from inference import evaluation_lifecycle as lifecycle
from inference.batch_lifecycle import State as BatchState
from inference.batch_models import Batch, BatchFile
from inference.batches import actions as batches
from inference.evaluating import asking, choosing, collecting, task_set, telling
from inference.evaluating.collecting import Collected
from inference.evaluating.task_set import TaskSet
from inference.evaluation_lifecycle import State, Verb
from inference.evaluation_models import FILES, EvaluationRun, drawer_name
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, WeighbridgeError
from portal.outbox import delivery
from portal.people.models import User
from portal.tokens.models import AccessToken
from releases.actions.rights import require_staff
from releases.evaluation_models import Score
from releases.evaluations import actions as evaluations
from releases.evaluations.actions import weight_id
from releases.models import Revision
from releases.storage.drawer import drawer

logger = logging.getLogger(__name__)

SHOWN: Final = 20
"""Items without a mark that the run's row names; its file of answers names all."""
_SCORED: Final = (BatchState.COMPLETED, BatchState.EXPIRED)
"""What these leave unanswered is counted; of a batch that was cancelled or never begun nothing is taken."""


def begin(
    *, by: User, revision: Revision, content: bytes, token: AccessToken | None = None, directly: bool = False,
    again: bool = False,
) -> EvaluationRun:  # fmt: skip
    """Ask a task set of a served revision, by a batch of the person's own; the run that stands already, where one does.

    `token` is one of theirs, by default the newest that may query the revision; its project is charged. `again` measures
    anew what is attached already. Raises NotAllowed, Invalid with each place of the file, TooLarge, Conflict.
    """
    require_staff(by, revision.model.lab)
    tasks = _read(content)
    if standing := _standing(revision, tasks, again=again):
        return _directly(standing, asked=directly)
    chosen = choosing.token_for(by, revision, token=token)
    run = uuid4()
    drawer().put(drawer_name(run, "tasks"), io.BytesIO(content))
    try:
        rows = b"".join(asking.rows(tasks, model=f"{revision.model.full_name}@{revision.commit}"))
        assert chosen.project is not None  # noqa: S101 a query token has one, by constraint
        file = batches.upload(
            by=by, project=chosen.project, name=f"{tasks.task[:80]}.jsonl", source=io.BytesIO(rows), size=len(rows)
        )
        begun = _begin(run, by, revision, tasks, chosen, file, directly=directly, again=again)
    except Exception:
        drawer().delete(drawer_name(run, "tasks"))
        raise
    if begun.pk != run:  # somebody else was first
        drawer().delete(drawer_name(run, "tasks"))
        batches.discard(file=file, by=by)
        return _directly(begun, asked=directly)
    return begun


def _directly(run: EvaluationRun, *, asked: bool) -> EvaluationRun:
    """The run that stands already; whoever begins it again may ask for more than was asked first, never for less."""
    if asked and not run.directly:
        EvaluationRun.objects.standing().filter(pk=run.pk).update(directly=True)
        run.directly = True
    return run


def _read(content: bytes) -> TaskSet:
    try:
        return task_set.read(content, most=settings.BATCH_ROWS)
    except task_set.Wrong as wrong:
        raise Invalid(_("The task set was not read."), fields={"tasks": wrong.problems}) from wrong


def _standing(revision: Revision, tasks: TaskSet, *, again: bool) -> EvaluationRun | None:
    """The run of the same tasks that is under way or waits for a word. Raises Conflict where one is attached."""
    same = EvaluationRun.objects.drawn().filter(revision=revision, digest=tasks.sha256)
    found = same.standing().first()
    attached = None if found or again else same.filter(state=State.ATTACHED).first()
    if attached is not None:
        told = _("These tasks were measured of this revision, and attached: %(url)s. Ask for it again if you mean to.")
        raise Conflict(told % {"url": f"{settings.BASE_URL}{attached.get_absolute_url()}"}, code="evaluation_attached")
    return found


@transaction.atomic
def _begin(
    pk: UUID, by: User, revision: Revision, tasks: TaskSet, token: AccessToken, file: BatchFile, *, directly: bool,
    again: bool,
) -> EvaluationRun:  # fmt: skip
    """Run and batch in one step, for the project of the file; two who begin the same wait for one another."""
    Revision.objects.select_for_update(of=("self",)).get(pk=revision.pk)
    if standing := _standing(revision, tasks, again=again):
        return standing
    batch = batches.create(
        by=by, token=token, project=file.project, endpoint=asking.ENDPOINT, input_file=file.pk,
        metadata={"evaluation": str(pk), "tasks_sha256": tasks.sha256},
    )  # fmt: skip
    run = EvaluationRun.objects.create(
        id=pk, revision=revision, owner=by, project=file.project, batch=batch.pk, directly=directly, task=tasks.task,
        type=tasks.type.value, licence=tasks.licence, digest=tasks.sha256, items=len(tasks.items),
        weights=weight_id(revision),
    )  # fmt: skip
    trail.record(
        Event.EVALUATION_BEGUN, by=by, target=run, lab=revision.model.lab, model=revision.model.full_name,
        commit=revision.commit, task=tasks.task, tasks_sha256=tasks.sha256, batch=batch.wire_id,
    )  # fmt: skip
    return run


def follow(*, run: EvaluationRun) -> EvaluationRun:
    """Score a run whose batch is over, and attach it where that was asked; nothing while the batch lives.

    Safe to repeat, and to be killed anywhere: what was scored or attached stays. Raises Unavailable while the ledger
    lacks a request of the batch.
    """
    batch = Batch.objects.filter(pk=run.batch).first()
    if run.state == State.RUNNING and (batch is None or not batch.is_live):
        _take(run, batch)
        run.refresh_from_db()
    if run.state == State.SCORED and run.directly and not run.problem and not run.unmarked:
        run = _attach_directly(run)
    return run


def _take(run: EvaluationRun, batch: Batch | None) -> None:
    """From a batch that is over to scores, or to the reason why there are none."""
    if batch is None:
        return _fail(run, "Its batch is gone.")
    if BatchState(batch.state) not in _SCORED:
        return _fail(run, _why(batch))
    try:
        found = collecting.collect(run, batch)
    except Conflict as gone:
        return _fail(run, gone.message)
    if not found.scores:
        item, why = found.failures[0]
        return _fail(run, f"No item was answered. The first, {item}: {why}")
    return _score(run, batch, found)


def _why(batch: Batch) -> str:
    if batch.state == BatchState.CANCELLED:
        return "Its batch was cancelled."
    first = batch.problems[0]["message"] if batch.problems else ""
    return f"Its batch was not begun: {first}"


@transaction.atomic
def _score(run: EvaluationRun, batch: Batch, found: Collected) -> None:
    locked = _locked(run, Verb.SCORE)
    if locked is None:
        return
    locked.state, locked.measured_at = State.SCORED.value, batch.ended_at
    locked.marked, locked.engine = found.marked, found.engine
    locked.failures = [{"item": item, "why": why[:200]} for item, why in found.failures[:SHOWN]]
    locked.results = [
        {"metric": metric, "value": one.value, "stderr": one.stderr, "n": one.n} for metric, one in found.scores.items()
    ]
    locked.answers_sha256, locked.receipts_sha256 = found.answers_sha256, found.receipts_sha256
    if locked.directly and found.failures:
        locked.problem = "Not every item was marked, so it waits for a person’s word."
    locked.save()
    trail.record(
        Event.EVALUATION_SCORED, by=None, target=locked, lab=locked.revision.model.lab, marked=locked.marked,
        items=locked.items, receipts_sha256=locked.receipts_sha256,
    )  # fmt: skip


@transaction.atomic
def _fail(run: EvaluationRun, why: str) -> None:
    locked = _locked(run, Verb.FAIL)
    if locked is None:
        return
    locked.state, locked.problem, locked.ended_at = State.FAILED.value, why[:500], timezone.now()
    locked.save(update_fields=["state", "problem", "ended_at"])
    _drop_files(locked)
    trail.record(Event.EVALUATION_FAILED, by=None, target=locked, lab=locked.revision.model.lab, why=locked.problem)


def _attach_directly(run: EvaluationRun) -> EvaluationRun:
    """In the name of whoever began it, with their rights of now; a refusal leaves the scores for a person's word."""
    try:
        return attach(run=run, by=run.owner)
    except WeighbridgeError as refused:
        logger.warning("%s waits: %s", run, refused.message)
        fields = refused.fields.values() if isinstance(refused, Invalid) else ()
        why = " ".join([refused.message, *(text for texts in fields for text in texts)])[:500]
        EvaluationRun.objects.filter(pk=run.pk, state=State.SCORED).update(problem=why)
        run.refresh_from_db()
        return run


@transaction.atomic
def attach(*, run: EvaluationRun, by: User) -> EvaluationRun:
    """Keep the run's scores with the revision. Raises NotAllowed, Conflict when it does not wait for that.

    Invalid where the same score is kept already with another value: that one is withdrawn first.
    """
    locked = _awaiting(run, Verb.ATTACH, by)
    rows = telling.rows(locked, collecting.tasks_of(locked))
    evaluations.import_scores(revision=locked.revision, rows=rows, by=by, weights=locked.weights)
    locked.state, locked.ended_at, locked.problem = State.ATTACHED.value, timezone.now(), ""
    locked.save(update_fields=["state", "ended_at", "problem"])
    names = [row.identity(f"revision:{locked.revision_id}") for row in rows]
    locked.scores.set(Score.objects.standing().filter(identity__in=names))
    trail.record(
        Event.EVALUATION_ATTACHED, by=by, target=locked, lab=locked.revision.model.lab, scores=len(rows),
        receipts_sha256=locked.receipts_sha256,
    )  # fmt: skip
    return locked


@transaction.atomic
def discard(*, run: EvaluationRun, by: User) -> EvaluationRun:
    """Take none of its scores; its files go. Raises NotAllowed, Conflict when it does not wait for that."""
    locked = _awaiting(run, Verb.DISCARD, by)
    locked.state, locked.ended_at = State.DISCARDED.value, timezone.now()
    locked.save(update_fields=["state", "ended_at"])
    _drop_files(locked)
    trail.record(Event.EVALUATION_DISCARDED, by=by, target=locked, lab=locked.revision.model.lab)
    return locked


@transaction.atomic
def cancel(*, run: EvaluationRun, by: User) -> EvaluationRun:
    """Cancel its batch: what was answered is billed, nothing is attached. Raises NotAllowed, Conflict when that is over."""
    locked = _awaiting(run, Verb.CANCEL, by)
    batch = Batch.objects.filter(pk=locked.batch).first()
    if batch is not None and batch.is_live:
        batches.cancel(batch=batch, by=by)
    locked.state, locked.ended_at = State.CANCELLED.value, timezone.now()
    locked.save(update_fields=["state", "ended_at"])
    _drop_files(locked)
    trail.record(Event.EVALUATION_CANCELLED, by=by, target=locked, lab=locked.revision.model.lab)
    return locked


def due() -> Sequence[EvaluationRun]:
    """Runs that something is left to do for: their batch is over, or they were to be attached and nobody was there."""
    running = EvaluationRun.objects.drawn().running()
    live = set(Batch.objects.live().filter(pk__in=running.values("batch")).values_list("pk", flat=True))
    left = EvaluationRun.objects.drawn().filter(state=State.SCORED, directly=True, problem="", items=F("marked"))
    return [*(run for run in running if run.batch not in live), *left]


def _awaiting(run: EvaluationRun, verb: Verb, by: User) -> EvaluationRun:
    require_staff(by, run.revision.model.lab)
    locked = _locked(run, verb)
    if locked is None:
        now = EvaluationRun.objects.get(pk=run.pk).state
        raise Conflict(_("This run is %(state)s, so that cannot be done.") % {"state": telling.STATES[State(now)]})
    return locked


def _locked(run: EvaluationRun, verb: Verb) -> EvaluationRun | None:
    found = EvaluationRun.objects.select_for_update(of=("self",)).drawn().filter(pk=run.pk).first()
    return found if found and lifecycle.next_state(found.state, verb) else None


def _drop_files(run: EvaluationRun) -> None:
    for file in FILES:
        delivery.enqueue("batch.file_gone", key=f"evaluation:{run.pk}", file=run.drawer_name(file))
