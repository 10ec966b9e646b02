"""One turn of a worker at one batch: read the file, send what has no answer yet, write the files.

Everything that is done is in the database, so a worker that was killed is simply followed by another: it sends the
rows that have no answer, under the same request ids, and the gateway gives it what was billed already (gateway/rows.py).
An advisory lock (portal/postgres/locks.py) keeps two from one batch, and goes with the worker that dies.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from inference import principals, routes
from inference.batch_lifecycle import State, Verb
from inference.batch_models import Batch
from inference.batches import actions, results, rows, stand_ins
from inference.batches.courier import Courier
from inference.batches.rows import Problem, Survey
from inference.introspection import refusal
from portal.postgres import locks
from releases.storage.drawer import drawer

logger = logging.getLogger(__name__)

TURN: Final = timedelta(minutes=5)
"""After this a worker makes room, where other batches wait for one."""
BEAT_S: Final = 0.5
"""How long a cancelled batch may go unnoticed."""
_ENDINGS: Final = {
    State.CANCELLING: (Verb.CONCLUDE, "batch_cancelled", "The batch was cancelled before this row was answered."),
    State.IN_PROGRESS: (Verb.EXPIRE, "batch_expired", "The batch's time ended before this row was answered."),
    State.VALIDATING: (Verb.EXPIRE, "batch_expired", "The batch's time ended before it was begun."),
}


def run(pk: UUID) -> None:
    """Bring a batch as far as this turn allows. Does nothing while another worker has it, or when it is over."""
    with locks.alone(f"batch {pk}") as alone:
        batch = Batch.objects.select_related("token__user", "token__project", "project").filter(pk=pk).first()
        if not alone or batch is None:
            return
        try:
            _go_on(batch)
        except FileNotFoundError:
            logger.warning("the input of %s is gone", batch)
            _without_input(batch)


def _go_on(batch: Batch) -> None:
    state: State | None = State(batch.state)
    if state is State.VALIDATING and batch.expires_at > timezone.now():
        state = actions.begin(pk=batch.pk, found=_survey(batch))
    if state is State.IN_PROGRESS and batch.expires_at > timezone.now():
        state, met = _send_all(batch)
        if state is State.IN_PROGRESS and batch.expires_at > timezone.now():
            actions.yield_turn(pk=batch.pk, met=met)
            return
    stand_ins.end(batch.pk)
    batch = Batch.objects.filter(pk=batch.pk).first() or batch
    if State(batch.state) in _ENDINGS:
        results.salvage(batch)
        verb, code, message = _ENDINGS[State(batch.state)]
        results.write(batch, verb, rest={"code": code, "message": message})
    elif batch.state == State.FINALIZING:
        results.write(batch, Verb.COMPLETE)


def _without_input(batch: Batch) -> None:
    """It was deleted with the account of a colleague: what was answered is kept."""
    gone = Survey(problems=[Problem("file_gone", "The input file was deleted. Upload it and make the batch again.")])
    if actions.begin(pk=batch.pk, found=gone) is None and Batch.objects.live().filter(pk=batch.pk).exists():
        results.write(actions.cancel(batch=batch, by=None), Verb.CONCLUDE)


def _survey(batch: Batch) -> Survey:
    """The whole file, and whether the batch's token may query the model now."""
    with drawer().open(batch.input_file.hex) as source:
        found = rows.survey(source, endpoint=batch.endpoint, most=settings.BATCH_ROWS)
    if not found.problems and (why := _refused(batch, found.model)):
        found.problems.append(why)
    return found


def _refused(batch: Batch, model: str) -> Problem | None:
    now = timezone.now()
    if batch.token is None:
        return Problem("token_not_valid", "The batch's token is gone.")
    if why := refusal(batch.token, now):
        return Problem("token_not_valid", why.message)
    principal = principals.build(batch.token, now=now)
    name = routes.present(model.partition("@")[0])  # which revision it may be is the gateway's to say, of each row
    if name in principal.models:
        return None
    reason = principal.refused.get(name)
    text = reason.message if reason else "This model does not exist or is not served here."
    return Problem("model_not_found", text, None, "body.model")


def _send_all(batch: Batch) -> tuple[State | None, dict[str, list[float]]]:
    """Send every row that has no answer; the state in which it stopped (IN_PROGRESS: the turn, or the window, is over), and
    what the rows that were held back have met."""
    over = min(batch.expires_at, timezone.now() + TURN)
    stand_in = stand_ins.Held.of(batch.pk)
    state: State | None = State.IN_PROGRESS
    with (
        drawer().open(batch.input_file.hex) as source,
        Courier(
            f"{settings.GATEWAY_URL}{batch.endpoint}",
            at_a_time=settings.BATCH_AT_A_TIME,
            secret=lambda: stand_in.secret,
            met=batch.met,
        ) as courier,
    ):
        waiting = results.unanswered(batch, source)
        exhausted = False
        while state is State.IN_PROGRESS and timezone.now() < batch.expires_at:
            stand_in = stand_in.fresh()
            if timezone.now() >= over and _others_wait(batch):
                waiting = iter(())
                courier.hold_back()
            while courier.free and not exhausted:
                row = next(waiting, None)
                exhausted = row is None
                if row:
                    courier.send(row)
            if exhausted and not courier.aloft:
                break
            state = results.take(batch, courier.collect(BEAT_S))
    done = state is State.IN_PROGRESS and actions.finish(pk=batch.pk)
    return State.FINALIZING if done else state, courier.met


def _others_wait(batch: Batch) -> bool:
    """Whether a live batch has no worker: those that have one tell of it twice a second."""
    silent = Batch.objects.silent(timezone.now() - 20 * timedelta(seconds=BEAT_S))
    return silent.exclude(pk=batch.pk).exists()
