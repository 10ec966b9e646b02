"""Questions to the table of scores: which there are, in which order, and which of them may stand side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from django.db.models import Case, Count, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from releases import ladder
from releases.evaluation_metrics import Kind
from releases.evaluation_models import Score, ScoreQuerySet
from releases.evaluation_verdicts import COUNTED, Again, State, Verdict
from releases.models import Model, Ref
from releases.reproduction_models import Reproduction

TEXT_MAX: Final = 200
ORDER: Final = (Kind.CAPABILITY, Kind.BIAS, Kind.TOXICITY, Kind.PROBE)
_SETTING: Final = ("metric", "variant", "task_version", "harness", "harness_version", "shots", "prompt")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which scores are wanted; empty means all."""

    task: str = ""
    metric: str = ""
    kind: str = ""
    model: str = ""
    """`lab/name`."""
    family: str = ""
    """`lab/family`."""
    search: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        """From a query string; what is no text or too long is cut."""
        told = {name: given.get(name, "").replace("\0", "").strip()[:TEXT_MAX] for name in cls.__dataclass_fields__}
        told["search"] = given.get("q", "").replace("\0", "").strip()[:TEXT_MAX]
        told["kind"] = told["kind"] if told["kind"] in set(Kind) else ""
        return cls(**told)

    @property
    def narrowed(self) -> bool:
        """Whether a task's scores are narrowed down further."""
        return bool(self.metric or self.model or self.family or self.kind)


@dataclass(frozen=True, slots=True)
class Group:
    """Scores of one setting, which may be compared with one another; `first` tells it."""

    first: Score
    scores: list[Score] = field(default_factory=list)


def find(asked: Asked) -> ScoreQuerySet:
    """The public scores that stand, narrowed down, in no order."""
    found = Score.objects.public().standing().drawn()
    for name in ("task", "metric", "kind"):
        if value := getattr(asked, name):
            found = found.filter(**{name: value})
    if asked.model:
        lab, _slash, own = asked.model.partition("/")
        found = found.filter(revision__model__in=Model.objects.ever_called(lab, own))
    if asked.family:
        lab, _slash, slug = asked.family.partition("/")
        entry = Q(family__slug=slug, family__lab__slug=lab)
        found = found.filter(entry | Q(revision__model__family__slug=slug, revision__model__family__lab__slug=lab))
    if asked.search:
        found = found.filter(task__icontains=asked.search)
    wanted: ScoreQuerySet = found
    return wanted


def finished(scores: ScoreQuerySet) -> ScoreQuerySet:
    """Without those of steps on the way: they are told along training, and would crowd out all else here."""
    wanted: ScoreQuerySet = scores.filter(~Exists(Ref.objects.filter(ladder.between(), revision=OuterRef("revision"))))
    return wanted


def side_by_side(scores: ScoreQuerySet) -> ScoreQuerySet:
    """In groups of one setting; within one by family, and by size from the smallest."""
    ordered: ScoreQuerySet = scores.annotate(
        family_title=Coalesce("family__title", "revision__model__family__title", Value("")),
        size=Coalesce(F("revision__model__parameters"), Value(0)),
    ).order_by(*_SETTING, "beside", "family_title", "size", "subject", "revision__published_at", "pk")
    return ordered


def by_kind(scores: ScoreQuerySet) -> ScoreQuerySet:
    """Capabilities, bias, toxicity, probes; within one by task and setting."""
    place = Case(*(When(kind=kind, then=Value(n)) for n, kind in enumerate(ORDER)), output_field=IntegerField())
    ordered: ScoreQuerySet = scores.annotate(place=place).order_by(
        "place", "task", *_SETTING, "beside", "subject", "pk"
    )
    return ordered


def tasks(asked: Asked) -> QuerySet[Any, Any]:
    """Every task with its kind, the number of its scores and of the settings in which it was measured."""
    rows = finished(find(asked)).order_by().values("task", "kind")
    return rows.annotate(
        n=Count("pk"), metrics=Count("metric", distinct=True), harnesses=Count("harness", distinct=True)
    ).order_by("task", "kind")


def with_again(scores: Iterable[Score]) -> list[Score]:
    """The scores, each with how often others measured it again. One query, whatever their number."""
    told = list(scores)
    counted = Q(state__in=COUNTED, same_harness=True)
    rows = Reproduction.objects.filter(score__in=[score.pk for score in told]).order_by().values("score")
    sums = rows.annotate(
        reproduced=Count("pk", filter=counted & Q(verdict=Verdict.REPRODUCED)),
        failed=Count("pk", filter=counted & Q(verdict=Verdict.DIFFERS)),
        elsewhere=Count("pk", filter=Q(state__in=COUNTED, same_harness=False)),
        questioned=Count("pk", filter=Q(state=State.QUESTIONED)),
    )
    found = {row["score"]: Again(row["reproduced"], row["failed"], row["elsewhere"], row["questioned"]) for row in sums}
    for score in told:
        score.again = found.get(score.pk, Again())
    return told


def groups(scores: Iterable[Score]) -> list[Group]:
    """Neighbours of one setting together. Nothing is merged: every score stays a row of its own."""
    told = []
    for _setting, members in groupby(scores, key=lambda score: score.setting):
        listed = list(members)
        told.append(Group(listed[0], listed))
    return told


def sections(scores: Iterable[Score]) -> list[tuple[str, list[Score]]]:
    """(kind, its scores) of scores that are in the order of by_kind."""
    return [(kind, list(members)) for kind, members in groupby(scores, key=lambda score: score.kind)]


@dataclass(frozen=True, slots=True)
class Line:
    """One task in one setting, with the score of each subject that was measured in it, in the order of the columns."""

    first: Score
    cells: list[Score | None]


def pivot(scores: Iterable[Score]) -> tuple[list[str], list[Line]]:
    """(subjects, lines) of scores that are in the order of by_kind: what shares task, setting and who ran it stands in one
    line, on whatever day it was run.

    Of two revisions of one model, each has a line: nothing is left out.
    """
    told = list(scores)
    subjects = list(dict.fromkeys(score.about for score in sorted(told, key=lambda score: score.beside)))
    alike: dict[tuple[object, ...], list[Score]] = {}
    for score in told:
        alike.setdefault((score.task, score.setting, score.ran_by), []).append(score)
    lines = []
    for members in alike.values():
        left = members
        while left:
            found: dict[str, Score] = {}
            left = [score for score in left if found.setdefault(score.about, score) is not score]
            lines.append(Line(next(iter(found.values())), [found.get(subject) for subject in subjects]))
    return subjects, lines


def choices(asked: Asked) -> dict[str, list[str]]:
    """What a task's scores can be narrowed down to: metrics, families, models. Three queries, whatever their number."""
    found = find(Asked(task=asked.task)).order_by()
    metrics = found.values_list("metric", flat=True).distinct().order_by("metric")[:_MOST]
    hosted = found.filter(revision__isnull=False)
    families = {
        f"{lab}/{slug}"
        for lab, slug in [
            *found.filter(family__isnull=False).values_list("family__lab__slug", "family__slug").distinct()[:_MOST],
            *hosted.filter(revision__model__family__isnull=False)
            .values_list("revision__model__family__lab__slug", "revision__model__family__slug")
            .distinct()[:_MOST],
        ]
    }
    models = hosted.values_list("revision__model__lab__slug", "revision__model__name").distinct()[:_MOST]
    return {
        "metric": list(metrics),
        "family": sorted(families),
        "model": sorted(f"{lab}/{name}" for lab, name in models),
    }


_MOST: Final = 200
"""Choices that a list offers."""


def imports_into_drafts(model: Model) -> QuerySet[Any, Any]:
    """The imports into drafts of a model, the newest first: `commit`, `at`, `scores`, `tasks`, `ran_by`."""
    rows = Score.objects.filter(revision__model=model, revision__published_at=None).order_by()
    named = rows.values(commit=F("revision__commit"), at=F("entered_at"))
    told = named.annotate(scores=Count("pk"), tasks=Count("task", distinct=True), ran_by=Min("ran_by"))
    return told.order_by("-at", "commit")
