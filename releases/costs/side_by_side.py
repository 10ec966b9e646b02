"""All families on one page: size, access, cost to run and carbon of the largest of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from portal.errors import Conflict, Invalid
from releases import entries, footprints
from releases.costs import running, subjects, training
from releases.costs.expression import Quantity, given
from releases.costs.forms import RunningForm
from releases.costs.subjects import Subject
from releases.costs.units import SCALES
from releases.models import Family, Model
from releases.units import kg_of_tonnes

ROWS: Final = 25
"""Families to a page."""


@dataclass(frozen=True, slots=True)
class Published:
    """One figure that somebody published of a training. kg, kWh; None where it was not told."""

    kg: float
    approximate: bool
    boundary: str
    kwh: float | None
    grid: float | None
    pue: float | None
    kind: str
    source: Mapping[str, str]
    mine: Quantity | None = None
    """The same energy on the reader's grid."""


@dataclass(frozen=True, slots=True)
class Row:
    """The largest of a family."""

    family: Family
    name: str
    parameters: int
    access: str
    """As an entry tells it; empty for a model that is hosted here."""
    model: Model | None
    subject: Subject | None
    """None where nothing can be computed of it."""
    plan: RunningForm | None
    told: running.Estimate | None
    carbon: list[Published]


def families() -> QuerySet[Family]:
    """Those with something to show, the largest first."""
    return Family.objects.listed().select_related("lab").order_by("-largest", "slug", "pk")


def rows(page: list[Family]) -> list[Row]:
    """One for each family of a page. A flat number of questions beside the config.json of each hosted model."""
    published = (
        Model.objects.published().with_stops().filter(family__in=page).select_related("lab", "gate", "main", "family")
    )
    largest: dict[int, Model] = {}
    for model in published.order_by("parameters", "-name"):
        largest[model.family_id or 0] = model
    return [_hosted(family, largest[family.pk]) if family.hosted else _entry(family) for family in page]


def _entry(family: Family) -> Row:
    size = entries.sizes(family)[-1]
    subject = subjects.of_size(family, size.name)
    form, told = _told(subject)
    return Row(family, size.name, size.parameters, size.access, None, subject, form, told, figures(subject))


def _hosted(family: Family, model: Model) -> Row:
    try:
        subject = subjects.of_revision(model, model.main)
    except Conflict:
        return Row(family, model.name, model.parameters, "", model, None, None, None, [])
    form, told = _told(subject)
    return Row(family, model.name, model.parameters, "", model, subject, form, told, figures(subject))


def _told(subject: Subject) -> tuple[RunningForm | None, running.Estimate | None]:
    """The question that its calculator begins with, and the answer."""
    form = RunningForm(subject, {})
    try:
        form.checked()
    except Invalid:
        return None, None
    return form, running.estimate(subject.shape, subject.parameters, form.plan())


def figures(subject: Subject) -> list[Published]:
    """What was published of a training: of the largest size of an entry, or in records and card of a hosted revision."""
    if subject.family is None:
        return [*_recorded(subject), *_of_card(subject)]
    if subject.name != entries.sizes(subject.family)[-1].name:
        return []
    return [_published(row) for row in entries.sourced(subject.family, "carbon")]


def published(subject: Subject, grid: Quantity | None) -> list[Published]:
    """The same, each with its energy on the reader's grid, where they name one."""
    found = []
    for each in figures(subject):
        mine = None
        if each.kwh and grid:
            energy = given("published_energy", _("Energy, as published"), each.kwh, "kWh")
            mine = training.carbon_of(energy, grid)
        found.append(Published(**{**_fields(each), "mine": mine}))
    return found


def _fields(each: Published) -> dict[str, Any]:
    return {name: getattr(each, name) for name in each.__slots__}


def _published(row: Mapping[str, Any]) -> Published:
    return Published(
        kg=kg_of_tonnes(row["tonnes"]), approximate=row["approximate"], boundary=row["boundary"],
        kwh=row["mwh"] * SCALES["MWh"][1] if row.get("mwh") else None, grid=row.get("grid"), pue=row.get("pue"),
        kind=row["kind"], source=row["source"],
    )  # fmt: skip


def _recorded(subject: Subject) -> list[Published]:
    facts = subject.facts
    if "carbon" not in facts:
        return []
    value = {what: facts[what][0] for what in ("energy", "grid", "pue") if what in facts}
    source = facts["carbon"][1]
    return [
        Published(
            kg=facts["carbon"][0], approximate=False, boundary=subject.boundary, kwh=value.get("energy"),
            grid=value.get("grid"), pue=value.get("pue"), kind=subject.method or str(_("not stated")),
            source={"short": str(source.title), "title": str(source.title), "url": source.url},
        )
    ]  # fmt: skip


def _of_card(subject: Subject) -> list[Published]:
    """What the card tells, unless the record has the same figure with more beside it."""
    card = subject.card
    if card is None or card.kg is None:
        return []
    if "carbon" in subject.facts and footprints.same(card.kg, subject.facts["carbon"][0]):
        return []
    title = str(_("the model’s card"))
    return [
        Published(
            kg=card.kg, approximate=False, boundary=card.boundary or str(_("not stated")), kwh=card.kwh, grid=None,
            pue=None, kind=card.method or str(_("not stated")),
            source={"short": title, "title": title, "url": subject.url},
        )
    ]  # fmt: skip
