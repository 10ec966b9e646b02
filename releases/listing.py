"""What the catalogue lists: families, and models of no family, as one ordered list, a page at a time.

The number of queries does not depend on how much there is: one to count, one for the page's keys, and one for each
kind of thing on it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import BooleanField, Exists, F, OuterRef, Q, QuerySet, Sum, Value, Window
from django.db.models.functions import RowNumber

from portal.people.models import User
from releases import entries, policy, strip
from releases.models import Family, File, Model
from releases.strip import Mark

PAGE: Final = 20
SHOW: Final = ("all", "open", "gated", "held", "reference")
SORT: Final = {"changed": ("-changed", "label"), "name": ("label",), "size": ("-bulk", "label")}
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


@dataclass(slots=True)
class Entry:
    """One line of the catalogue: a family, or a model of no family."""

    family: Family | None = None
    model: Model | None = None
    models: list[Model] = field(default_factory=list)
    """The family's published models, smallest first; at most strip.MOST."""
    count: int = 0
    marks: list[Mark] = field(default_factory=list)
    gated: int = 0
    size: int = 0
    """Bytes of all files of the published revisions shown."""

    @property
    def published(self) -> date | None:
        """When a family that is not hosted here was published by its makers."""
        stated = self.family.facts.get("published") if self.family else None
        return date.fromisoformat(stated) if stated else None

    @property
    def subject(self) -> Family | Model:
        """What the entry is about."""
        subject = self.family or self.model
        assert subject is not None  # noqa: S101 one of them is set by construction
        return subject


def find(*, query: str, show: str, sort: str, page: str, person: User | None, now: datetime) -> Page[Any]:
    """The page of the catalogue that matches; its object_list holds Entry."""
    families, models = _families(query, show, person, now), _models(query, show, person, now)
    keys = ("is_family", "id", "changed", "label", "bulk")
    rows = families.values_list(*keys).union(models.values_list(*keys), all=True)
    rows = rows.order_by(*SORT[sort], "is_family", "id")  # two labs may use one name: no row may change its place
    found = Paginator(rows, PAGE).get_page(page)
    found.object_list = _fill([(row[0], row[1]) for row in found.object_list])
    return found


def totals() -> tuple[int, int]:
    """(families, published models) of the whole catalogue."""
    return Family.objects.listed().count(), Model.objects.published().count()


def _families(query: str, show: str, person: User | None, now: datetime) -> QuerySet[Any]:
    inside = Model.objects.published().filter(family=OuterRef("pk"))
    shown = Family.objects.filter(Q(hosted=False) | Q(Exists(inside)))
    if show == "reference":
        shown = shown.filter(hosted=False)
    elif show != "all":
        shown = shown.filter(Exists(_shown(inside, show, person, now)))
    for word in query.split()[:6]:
        text = (
            Q(title__icontains=word)
            | Q(slug__icontains=word)
            | Q(lab__slug__icontains=word)
            | Q(lab__name__icontains=word)
        )
        shown = shown.filter(text | Q(Exists(_matching(inside, word))))
    return shown.annotate(
        is_family=Value(value=True, output_field=BooleanField()),
        changed=F("changed_at"),
        label=F("slug"),
        bulk=F("largest"),
    )


def _models(query: str, show: str, person: User | None, now: datetime) -> QuerySet[Any]:
    shown: QuerySet[Model] = Model.objects.published().filter(family=None)
    shown = shown.none() if show == "reference" else _shown(shown, show, person, now)
    for word in query.split()[:6]:
        shown = _matching(shown, word)
    return shown.annotate(
        is_family=Value(value=False, output_field=BooleanField()),
        changed=F("main__published_at"),
        label=F("name"),
        bulk=F("parameters"),
    )


def _shown(models: QuerySet[Model], show: str, person: User | None, now: datetime) -> QuerySet[Model]:
    if show == "open":
        return models.filter(gate=None, withdrawn_at=None)
    if show == "gated":
        return models.exclude(gate=None)
    if show == "held":
        return models.exclude(gate=None).filter(policy.open_to(person, policy.DOWNLOAD, now))
    return models


def _matching(models: QuerySet[Model], word: str) -> QuerySet[Model]:
    text = (
        Q(name__icontains=word) | Q(lab__slug__icontains=word) | Q(summary__icontains=word) | Q(licence__icontains=word)
    )
    if _DIGEST.fullmatch(word.lower()):
        text |= Q(Exists(File.objects.filter(revision=OuterRef("main"), blob__sha256__startswith=word.lower())))
        text |= Q(main__commit__startswith=word.lower())
    return models.filter(text)


def _fill(keys: list[tuple[bool, int]]) -> list[Entry]:
    wanted = [pk for is_family, pk in keys if is_family]
    families = {f.pk: f for f in Family.objects.filter(pk__in=wanted).select_related("lab")}
    lone = Model.objects.filter(pk__in=[pk for is_family, pk in keys if not is_family]).with_stops()
    lone = lone.select_related("lab", "gate", "main")
    models = {m.pk: m for m in lone}
    inside, counts = _inside(wanted)
    return [
        _family_entry(families[pk], inside[pk], counts.get(pk, 0)) if is_family else _model_entry(models[pk])
        for is_family, pk in keys
    ]


def _inside(families: list[int]) -> tuple[dict[int, list[Model]], dict[int, int]]:
    """Published models of each family, smallest first and at most strip.MOST, and how many there are in all."""
    published = Model.objects.published().filter(family__in=families)
    counts = dict(published.order_by().values_list("family").annotate(n=Sum(Value(1))))
    order = Window(RowNumber(), partition_by="family", order_by=["parameters", "name"])
    first = (
        published.annotate(place=order)
        .filter(place__lte=strip.MOST)
        .select_related("lab", "main")
        .order_by("parameters", "name")
    )
    grouped: dict[int, list[Model]] = defaultdict(list)
    for model in first:
        grouped[model.family_id or 0].append(model)
    return grouped, counts


def _family_entry(family: Family, models: list[Model], count: int) -> Entry:
    sizes = [(m.parameters, "gated" if m.gate_id else "open", "") for m in models]
    if not family.hosted:
        sizes = [(size.parameters, "reference", size.label) for size in entries.sizes(family)]
    return Entry(
        family=family, models=models, count=count, marks=strip.marks(sizes), gated=sum(m.gate_id is not None for m in models),
        size=sum(m.main.size for m in models if m.main),
    )  # fmt: skip


def _model_entry(model: Model) -> Entry:
    kind = "gated" if model.gate_id else "open"
    size = model.main.size if model.main else 0
    return Entry(
        model=model,
        models=[model],
        count=1,
        marks=strip.marks([(model.parameters, kind, "")]),
        gated=int(model.gate_id is not None),
        size=size,
    )
