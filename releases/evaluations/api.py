"""Scores and reproductions for programs: the verbs of the pages."""

from __future__ import annotations

import json
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import IN_PERSON, MANAGE, Listed, Operation, Scoped
from portal.errors import NotFound
from portal.people.models import User
from releases.api_names import model_kept, revision_of
from releases.evaluation_metrics import Direction, Kind, Unit
from releases.evaluation_models import Score, ScoreQuerySet
from releases.evaluation_rows import LENGTHS, N_MAX
from releases.evaluation_verdicts import State, Verb, Verdict
from releases.evaluations import actions, exports, listing, readers, reproducing
from releases.evaluations.reading import Said
from releases.models import Revision
from releases.reproduction_models import Reproduction

TAG: Final = "evaluations"


class Narrowed(Taken):
    """Which scores; left out: all."""

    task = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    metric = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    kind = Choice(choices=[kind.value for kind in Kind], required=False)
    model = serializers.CharField(required=False, default="", allow_blank=True, max_length=200, help_text="`lab/name`.")
    family = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=200, help_text="`lab/family`."
    )


class ScoreShape(serializers.Serializer[Any]):
    """One score. Shares lie between 0 and 1."""

    id = serializers.IntegerField()
    model = serializers.CharField(allow_blank=True, help_text="`lab/name`; empty for a catalogue entry's.")
    commit = serializers.CharField(allow_blank=True)
    family = serializers.CharField(allow_blank=True)
    subject = serializers.CharField(allow_blank=True, help_text="Of a catalogue entry: the size, or another system.")
    beside = serializers.BooleanField(help_text="Whether the subject is another system, printed beside.")
    kind = Choice(choices=[kind.value for kind in Kind])
    task = serializers.CharField()
    task_version = serializers.CharField(allow_blank=True)
    metric = serializers.CharField()
    variant = serializers.CharField(allow_blank=True)
    unit = Choice(choices=[unit.value for unit in Unit])
    direction = Choice(choices=[each.value for each in Direction], help_text="Which values are better.")
    value = serializers.FloatField()
    stderr = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(allow_null=True)
    shots = serializers.IntegerField(allow_null=True)
    prompt = serializers.CharField(allow_blank=True)
    harness = serializers.CharField()
    harness_version = serializers.CharField(allow_blank=True)
    ran_by = serializers.CharField()
    ran_on = serializers.CharField(allow_blank=True, help_text="A day, or empty.")
    weights = serializers.CharField(allow_blank=True)
    raw_path = serializers.CharField(allow_blank=True)
    raw_url = serializers.CharField(allow_blank=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    source_url = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)


class Results(Taken):
    """A harness's own file, and what it does not say."""

    revision = serializers.CharField(required=False, default="main", max_length=200)
    document = serializers.DictField(help_text="The file's JSON: lm-evaluation-harness, BigScience, or {model-index}.")
    ran_by = serializers.CharField(max_length=LENGTHS["ran_by"], help_text="Who ran it.")
    ran_on = serializers.DateField(
        required=False, allow_null=True, default=None, help_text="Where the file does not say."
    )
    harness = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=LENGTHS["harness"],
        help_text="Where the file does not say.",
    )
    harness_version = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LENGTHS["harness_version"]
    )


class ScoresImportedShape(serializers.Serializer[Any]):
    """What became of the file's scores."""

    added = serializers.IntegerField()
    known = serializers.IntegerField(help_text="Kept before, with the same value.")
    at = serializers.DateTimeField(
        allow_null=True, help_text="Names this import, to take it back; null where nothing came."
    )


class ScoresTakenBack(Taken):
    """Which import, into which draft."""

    revision = serializers.CharField(max_length=200, help_text="The draft's commit id, or a name for it.")
    at = serializers.DateTimeField(help_text="As the import's answer gave it.")


class ScoresTakenBackShape(serializers.Serializer[Any]):
    """What is gone."""

    removed = serializers.IntegerField(help_text="Scores.")


class WithdrawnBecause(Taken):
    """Why a score does not hold."""

    reason = serializers.CharField(max_length=2_000, help_text="Everybody reads it.")


class Measured(Taken):
    """What came out when a score was measured again, in the score's own unit."""

    value = serializers.FloatField()
    stderr = serializers.FloatField(required=False, allow_null=True, default=None, min_value=0)
    n = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=N_MAX)
    tolerance = serializers.FloatField(
        min_value=0, help_text="The largest difference that is taken for the same value."
    )
    harness = serializers.CharField(max_length=LENGTHS["harness"])
    harness_version = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LENGTHS["harness_version"]
    )
    weights = serializers.RegexField(
        r"^([0-9a-fA-F]{64})?$", required=False, allow_blank=True, default="", help_text="The weight id: 64 digits."
    )
    environment = serializers.CharField(max_length=4_000, help_text="Libraries, device, number type, threads, seed.")
    command = serializers.CharField(max_length=4_000)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=4_000)


class LabsWord(Taken):
    """The lab's word."""

    note = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=2_000,
        help_text="To question a report, what is in doubt.",
    )


class ReproductionShape(serializers.Serializer[Any]):
    """One report. The verdict is |value - score| ≤ tolerance."""

    id = serializers.IntegerField(source="pk")
    score = serializers.IntegerField(source="score_id")
    by = serializers.CharField(source="by.get_full_name", default="", help_text="Empty once the person was erased.")
    value = serializers.FloatField()
    stderr = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(allow_null=True)
    tolerance = serializers.FloatField()
    harness = serializers.CharField()
    harness_version = serializers.CharField(allow_blank=True)
    same_harness = serializers.BooleanField(help_text="false: it counts for neither side.")
    weights = serializers.CharField(allow_blank=True)
    environment = serializers.CharField()
    command = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    verdict = Choice(choices=[each.value for each in Verdict])
    state = Choice(choices=[each.value for each in State])
    review_note = serializers.CharField(allow_blank=True)
    reported_at = serializers.DateTimeField()


class Scores(Scoped):
    """`/api/v1/evaluations`."""

    @Operation(
        name="listScores", tag=TAG, scopes=None, listed=True, asks=Narrowed, gives=ScoreShape,
        links={"withdrawScore": {"score": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> Listed:
        """List the public scores that stand, in groups of one setting; those of two settings are not comparable."""
        told = {name: asked.get(name) or "" for name in ("task", "metric", "kind", "model", "family")}
        rows = listing.side_by_side(listing.find(listing.Asked(**told)))
        return Listed(rows.select_related("revision__model__family__lab"), exports.as_row)


class ScoresOfModel(Scoped):
    """`/api/v1/models/<lab>/<name>/evaluations`."""

    @Operation(
        name="importScores", tag=TAG, scopes=(MANAGE,), takes=Results, gives=ScoresImportedShape, status=201,
        most=readers.FILE_MAX,
        problems=(404, 503),
        example={"document": {"results": {"copa": {"acc": 0.84, "acc_stderr": 0.037}}}, "ran_by": "Us", "harness": "h"},
    )  # fmt: skip
    def post(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> actions.Imported:
        """Keep every score of a harness's file for a revision. It is taken whole or not at all; the same again changes nothing."""
        user = self.person(request)
        revision = _own_revision(user, lab, name, said["revision"])
        about = Said(said["harness"], said["harness_version"], said["ran_by"], said["ran_on"])
        rows = readers.read(json.dumps(said["document"]).encode(), about)
        return actions.import_scores(revision=revision, rows=rows, by=user)


class ScoresOfModelTakenBack(Scoped):
    """`/api/v1/models/<lab>/<name>/evaluations/take-back`."""

    @Operation(
        name="takeBackScores", tag=TAG, scopes=(MANAGE,), takes=ScoresTakenBack, gives=ScoresTakenBackShape,
        problems=(404, 503), example={"revision": "main", "at": "2026-11-26T09:30:00.123456Z"},
    )  # fmt: skip
    def post(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> dict[str, int]:
        """Undo an import into a draft. What is published is withdrawn instead, score by score, with a reason."""
        user = self.person(request)
        revision = _own_revision(user, lab, name, said["revision"])
        return {"removed": actions.take_back_scores(revision=revision, at=said["at"], by=user)}


class ScoreWithdrawn(Scoped):
    """`/api/v1/evaluations/<score>/withdraw`."""

    @Operation(
        name="withdrawScore", tag=TAG, scopes=(MANAGE,), takes=WithdrawnBecause, gives=ScoreShape, problems=(404,),
        example={"reason": "It was measured on the wrong split."},
    )  # fmt: skip
    def post(self, request: Request, score: int, said: dict[str, Any]) -> dict[str, Any]:
        """Say in public that a score does not hold; it stays to be read, with the reason."""
        user = self.person(request)
        found = _score(score, user)
        if not user.roles_in(found.lab):
            raise NotFound(_("There is no such score, or it belongs to another lab."))
        return exports.as_row(actions.withdraw_score(score=found, reason=said["reason"], by=user))


class Reproductions(Scoped):
    """`/api/v1/evaluations/<score>/reproductions`."""

    @Operation(name="listReproductions", tag=TAG, scopes=None, listed=True, gives=ReproductionShape)
    def get(self, request: Request, score: int, asked: dict[str, Any]) -> QuerySet[Reproduction]:
        """List what others report who measured a score again, the newest first."""
        rows: QuerySet[Reproduction] = _score(score, None).reproductions.shown().select_related("by")
        return rows

    @Operation(
        name="reportReproduction", tag=TAG, scopes=IN_PERSON, takes=Measured, gives=ReproductionShape, status=201,
        problems=(404,),
        example={
            "value": 0.33, "stderr": 0.021, "tolerance": 0.02, "harness": "lm-evaluation-harness",
            "environment": "torch 2.13, one thread", "command": "lm_eval --tasks openbookqa",
        },
    )  # fmt: skip
    def post(self, request: Request, score: int, said: dict[str, Any]) -> Reproduction:
        """Say what came out when one measured a score again; the verdict is computed, and the report is public."""
        user = self.person(request)
        return reproducing.report_reproduction(score=_score(score, user), by=user, **said)


class ReproductionAccepted(Scoped):
    """`/api/v1/reproductions/<reproduction>/accept`."""

    @Operation(
        name="acceptReproduction", tag=TAG, scopes=(MANAGE,), takes=LabsWord, gives=ReproductionShape, problems=(404,),
        example={"note": "We find the same."},
    )  # fmt: skip
    def post(self, request: Request, reproduction: int, said: dict[str, Any]) -> Reproduction:
        """Accept a report; its verdict stays what the arithmetic gives."""
        return _reviewed(self.person(request), reproduction, Verb.ACCEPT, said["note"])


class ReproductionQuestioned(Scoped):
    """`/api/v1/reproductions/<reproduction>/question`."""

    @Operation(
        name="questionReproduction", tag=TAG, scopes=(MANAGE,), takes=LabsWord, gives=ReproductionShape,
        problems=(404,), example={"note": "It was measured on another split."},
    )  # fmt: skip
    def post(self, request: Request, reproduction: int, said: dict[str, Any]) -> Reproduction:
        """Say in public what is in doubt about a report; it counts no more, and stays to be read."""
        return _reviewed(self.person(request), reproduction, Verb.QUESTION, said["note"])


def _reviewed(user: User, pk: int, verb: Verb, note: str) -> Reproduction:
    rows = Reproduction.objects.select_related("score__revision__model__lab", "score__family__lab", "by")
    found = rows.filter(pk=pk).first()
    if found is None or not user.roles_in(found.score.lab):
        raise NotFound(_("There is no such report, or it belongs to another lab."))
    return reproducing.review_reproduction(reproduction=found, verb=verb, note=note, by=user)


def _score(pk: int, user: User | None) -> Score:
    """A score, as far as this person may know of it; None for everybody."""
    rows: ScoreQuerySet = Score.objects.drawn()
    found = rows.filter(pk=pk).first()
    hidden = found is not None and found.revision is not None and not found.revision.is_public
    if found is None or (hidden and not (user and user.roles_in(found.lab))):
        raise NotFound(_("There is no such score."))
    return found


def _own_revision(user: User, lab: str, name: str, ref: str) -> Revision:
    """A revision of a model that this person looks after. Raises NotFound, NotAllowed; Invalid without the revision."""
    return revision_of(model_kept(user, lab, name), ref, person=user)
