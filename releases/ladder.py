"""The ladder of a model: its public revisions that a branch or tag names by a step of training, like `step1000`.

Whether each holds weights of its own is computed from weight ids, not taken from the names: published ladders had the
final weights under many of their steps.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import F, Q

from releases.lifecycle import State
from releases.lint.ladder import STEP, step_of
from releases.models import Model, Ref, Revision


@dataclass(frozen=True, slots=True)
class Rung:
    """One step with the name that it is published under, and its revision."""

    step: int
    name: str
    revision: Revision

    @property
    def weight_id(self) -> str:
        """The root over its tensors; empty where the check found none."""
        return str((self.revision.facts.get("weights") or {}).get("root", ""))

    @property
    def type(self) -> str:
        """What most of its numbers are stored as, in safetensors' words."""
        types = self.revision.facts.get("types") or {}
        return max(types, key=types.__getitem__, default="")


def rungs(model: Model) -> list[Rung]:
    """Every published rung by its step; of two names for one step, the first. One query."""
    refs = Ref.objects.filter(model=model, name__iregex=STEP, revision__state=State.PUBLISHED.value)
    found: dict[int, Rung] = {}
    for ref in refs.select_related("revision").defer("revision__folders").order_by("name"):
        step = step_of(ref.name)
        if step is not None:
            found.setdefault(step, Rung(step, ref.name, ref.revision))
    return sorted(found.values(), key=lambda rung: rung.step)


def names_beside(revision: Revision, root: str = "") -> tuple[str, ...]:
    """The names of rungs whose weights are others than the revision's own, by step: its intermediate parameters.

    `root` is its weight id, where the check has just computed it. Two queries.
    """
    known = Revision.objects.filter(pk=revision.pk).values_list("facts__weights__root", flat=True).first()
    others = Ref.objects.filter(model=revision.model_id, name__iregex=STEP, revision__state=State.PUBLISHED.value)
    others = others.exclude(revision=revision.pk)
    rows = others.values_list("name", "revision__facts__weights__root")
    named = [(step_of(name), name) for name, other in rows if not other or other != (root or known)]
    return tuple(name for _step, name in sorted((step, name) for step, name in named if step is not None))


def twins(found: list[Rung]) -> list[list[Rung]]:
    """Rungs that have the same weights: groups of two and more, in the order of steps."""
    by_weights: dict[str, list[Rung]] = defaultdict(list)
    for rung in found:
        if rung.weight_id:
            by_weights[rung.weight_id].append(rung)
    return [group for group in by_weights.values() if len(group) > 1]


def between() -> Q:
    """Of refs: those of rungs that are not what `main` names. The end of a run is a rung and the release in one."""
    return Q(name__iregex=STEP) & ~Q(revision=F("model__main"))
