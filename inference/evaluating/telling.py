"""A run's outcome as rows of scores, and where a score was measured here, for its page."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from inference.evaluating import marking
from inference.evaluating.task_set import TaskSet
from inference.evaluation_lifecycle import State
from inference.evaluation_models import EvaluationRun
from releases.evaluation_metrics import Kind, direction_of, kind_of, unit_of
from releases.evaluation_models import Score
from releases.evaluation_rows import Row
from releases.evaluations.measured import MeasuredHere, witness

HARNESS: Final = "Weighbridge evaluation run"
STATES: Final[dict[State, Promise]] = {
    State.RUNNING: _("running"),
    State.SCORED: _("waiting for your word"),
    State.ATTACHED: _("attached"),
    State.DISCARDED: _("discarded"),
    State.CANCELLED: _("cancelled"),
    State.FAILED: _("failed"),
}


def rows(run: EvaluationRun, tasks: TaskSet) -> list[Row]:
    """The scores of a run that is scored, as they are kept with the revision. `ran_by` is the lab: the trail has the person."""
    kind = Kind(tasks.kind) if tasks.kind else kind_of(tasks.task)
    page = f"{settings.BASE_URL}{run.get_absolute_url()}"
    answers = f"{settings.BASE_URL}{reverse('inference:evaluation_file', args=[run.pk, 'answers'])}"
    lab = run.revision.model.lab
    return [
        Row(
            task=tasks.task, task_version=tasks.told_version, metric=one["metric"], unit=unit_of(one["metric"]),
            direction=direction_of(one["metric"], kind), kind=kind, value=one["value"], stderr=one["stderr"], n=one["n"],
            shots=tasks.shots, prompt=tasks.prompt, harness=HARNESS, harness_version=marking.VERSION,
            ran_by=lab.name[:160], ran_on=run.measured_at.date() if run.measured_at else None, raw_url=answers,
            source=f"Evaluation run {run.pk}", source_url=page, note=_note(run, tasks), place=one["metric"],
        )
        for one in run.results
    ]  # fmt: skip


def _note(run: EvaluationRun, tasks: TaskSet) -> str:
    """English, as all that files tell."""
    left = f"{run.unmarked:,} of {run.items:,} items have no answer and are not counted. " if run.unmarked else ""
    engine = f" Engine: {run.engine}." if run.engine else ""
    return f"{left}{run.batch_wire_id}.{engine} Tasks under {tasks.licence}, SHA-256 {run.digest}."[:500]


@witness
def of_score(score: Score) -> MeasuredHere | None:
    """The newest run whose scores this one is among."""
    run = score.evaluation_runs.filter(state=State.ATTACHED).order_by("-ended_at").first()
    if run is None:
        return None
    return MeasuredHere(
        url=run.get_absolute_url(), batch=run.batch_wire_id, requests=run.marked, receipts_sha256=run.receipts_sha256
    )
