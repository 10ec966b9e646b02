"""Evaluation runs for programs: the verbs of the pages."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from inference.evaluating import actions, choosing
from inference.evaluating.pages import kept_of
from inference.evaluation_lifecycle import State
from inference.evaluation_models import EvaluationRun
from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import Invalid
from portal.people.models import User
from portal.tokens.models import AccessToken
from releases.actions.rights import require_staff
from releases.api_names import model_kept, revision_of

TAG: Final = "evaluations"
_TEXT: Final = 1_000_000


class EvaluationAsked(Taken):
    """What is measured, by which tasks."""

    revision = serializers.CharField(
        required=False, default="main", max_length=200, help_text="One that a pool serves."
    )
    tasks = serializers.CharField(
        max_length=_TEXT, trim_whitespace=False, help_text="The task set’s file, JSON Lines: docs/evaluations.md."
    )
    token = serializers.UUIDField(
        required=False, allow_null=True, default=None,
        help_text="One of one’s own query tokens, whose project is charged; left out: the newest that may.",
    )  # fmt: skip
    directly = serializers.BooleanField(
        required=False, default=False, help_text="Attach without asking, where every item was answered."
    )
    again = serializers.BooleanField(required=False, default=False, help_text="Measure again what is attached already.")


class ResultShape(serializers.Serializer[Any]):
    """One metric."""

    metric = serializers.CharField()
    value = serializers.FloatField()
    stderr = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()


class UnmarkedShape(serializers.Serializer[Any]):
    """An item that counts for nothing."""

    item = serializers.CharField()
    why = serializers.CharField()


class EvaluationRunShape(serializers.Serializer[Any]):
    """One run."""

    id = serializers.UUIDField()
    model = serializers.CharField(source="revision.model.full_name")
    commit = serializers.CharField(source="revision.commit")
    state = Choice(choices=list(State))
    task = serializers.CharField()
    licence = serializers.CharField()
    tasks_sha256 = serializers.CharField(source="digest")
    items = serializers.IntegerField()
    marked = serializers.IntegerField()
    unmarked = UnmarkedShape(many=True, source="failures", help_text="The first few items that count for nothing.")
    results = ResultShape(many=True)
    batch = serializers.CharField(source="batch_wire_id")
    directly = serializers.BooleanField()
    problem = serializers.CharField(allow_blank=True)
    engine = serializers.CharField(allow_blank=True)
    weights = serializers.CharField(allow_blank=True)
    answers_sha256 = serializers.CharField(allow_blank=True)
    receipts_sha256 = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    measured_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class RunsOfModel(Scoped):
    """`/api/v1/models/<lab>/<name>/evaluation-runs`."""

    @Operation(name="listEvaluationRuns", tag=TAG, scopes=(MANAGE,), listed=True, gives=EvaluationRunShape)
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> QuerySet[EvaluationRun]:
        """List the evaluation runs of a model, the newest first."""
        user = self.person(request)
        return EvaluationRun.objects.drawn().filter(revision__model=model_kept(user, lab, name))

    @Operation(
        name="runEvaluation", tag=TAG, scopes=(MANAGE,), takes=EvaluationAsked, gives=EvaluationRunShape, status=201,
        problems=(404, 503),
        example={
            "revision": "main",
            "tasks": '{"task": "colours", "type": "exact_match", "licence": "CC0-1.0"}\n'
            '{"prompt": "The sky is", "answers": ["blue"]}\n',
        },
    )  # fmt: skip
    def post(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> EvaluationRun:
        """Measure a served revision by a task set, through a batch of one's own; the run that stands already, where one does."""
        user = self.person(request)
        revision = revision_of(model_kept(user, lab, name), said["revision"], person=user)
        return actions.begin(
            by=user, revision=revision, content=said["tasks"].encode(), token=_token(user, said["token"]),
            directly=said["directly"], again=said["again"],
        )  # fmt: skip


class OneRun(Scoped):
    """`/api/v1/evaluation-runs/<run>`."""

    @Operation(name="getEvaluationRun", tag=TAG, scopes=(MANAGE,), gives=EvaluationRunShape, problems=(404,))
    def get(self, request: Request, run: UUID) -> EvaluationRun:
        """Read one evaluation run of a lab where one looks after releases."""
        user = self.person(request)
        found = kept_of(user, run)
        require_staff(user, found.revision.model.lab)
        return found


class RunAttached(Scoped):
    """`/api/v1/evaluation-runs/<run>/attach`."""

    @Operation(name="attachEvaluationRun", tag=TAG, scopes=(MANAGE,), gives=EvaluationRunShape, problems=(404, 503))
    def post(self, request: Request, run: UUID) -> EvaluationRun:
        """Keep the scores of a run with its revision."""
        user = self.person(request)
        return actions.attach(run=kept_of(user, run), by=user)


class RunDiscarded(Scoped):
    """`/api/v1/evaluation-runs/<run>/discard`."""

    @Operation(name="discardEvaluationRun", tag=TAG, scopes=(MANAGE,), gives=EvaluationRunShape, problems=(404,))
    def post(self, request: Request, run: UUID) -> EvaluationRun:
        """Take none of the scores of a run; its files go."""
        user = self.person(request)
        return actions.discard(run=kept_of(user, run), by=user)


class RunCancelled(Scoped):
    """`/api/v1/evaluation-runs/<run>/cancel`."""

    @Operation(name="cancelEvaluationRun", tag=TAG, scopes=(MANAGE,), gives=EvaluationRunShape, problems=(404,))
    def post(self, request: Request, run: UUID) -> EvaluationRun:
        """Cancel a run and its batch: what was answered is billed, nothing is attached."""
        user = self.person(request)
        return actions.cancel(run=kept_of(user, run), by=user)


def _token(user: User, pk: UUID | None) -> AccessToken | None:
    if pk is None:
        return None
    found = next((token for token in choosing.tokens_of(user) if token.pk == pk), None)
    if found is None:
        wrong = _("You have no live query token of this id.")
        raise Invalid(wrong, fields={"token": [wrong]})
    return found
