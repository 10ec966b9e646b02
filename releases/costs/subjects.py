"""What the calculator can be asked about: a published revision with its config.json, or a size of a catalogue entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.errors import Conflict, Invalid, NotFound
from portal.storable import all_mended
from releases import cards, entries, footprints, lookup
from releases.costs import architecture
from releases.costs.architecture import Architecture
from releases.costs.expression import Quantity, Source, given
from releases.entries import Size
from releases.footprints import RECORD, RECORDED, Footprint
from releases.models import BlobState, Family, Model, Revision
from releases.storage import store

CONFIG: Final = "config.json"
METRICS: Final = "records/metrics.jsonl"
BOUNDARY: Final = 600
"""Characters of a boundary that are shown."""
READ_MAX: Final = 1 << 20
"""Bytes; a longer file is no config."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One model or size, with its shape and number of parameters, and where both are from."""

    name: str
    url: str
    running_url: str
    training_url: str
    shape: Architecture
    parameters: Quantity | None
    model: Model | None = None
    family: Family | None = None
    facts: Mapping[str, tuple[float, Source]] = field(default_factory=dict)
    """Of its training, as far as it is told: what → value and source."""
    boundary: str = ""
    """What its makers counted for the emissions that they record."""
    method: str = ""
    """How they came to them, in their words."""
    card: Footprint | None = None
    """What the card tells of both; None for a size of an entry."""


def of_revision(model: Model, revision: Revision | None) -> Subject:
    """A published model. Raises Conflict with what is missing where its config.json says too little."""
    text = small_file(revision, CONFIG) if revision else None
    if revision is None or text is None:
        raise Conflict(_("%(name)s has no config.json, so nothing can be computed of it.") % {"name": model.full_name})
    at = [model.lab.slug, model.name]
    page = reverse("releases:files", args=[*at, revision.commit[:12]])
    record = _record(revision)
    try:
        shape = architecture.read(_object(text), Source(f"config.json, {revision.commit[:8]}", page))
    except Invalid as wrong:
        raise Conflict(wrong.message) from wrong
    counted = revision.facts.get("parameters") or 0
    source = Source(gettext_lazy("counted in the tensors of the revision"), page)
    return Subject(
        name=model.full_name,
        url=model.get_absolute_url(),
        running_url=reverse("releases:running_cost", args=at),
        training_url=reverse("releases:training_cost", args=at),
        shape=shape,
        parameters=_parameters(counted, source) if counted else None,
        model=model,
        facts=_trained(revision, record, page),
        boundary=str(record.get("boundary", ""))[:BOUNDARY],
        method=str(record.get("kind", ""))[:BOUNDARY],
        card=footprints.of_card(cards.metadata(revision)),
    )


def entry(lab: str, slug: str) -> Family:
    """A family that is described here and hosted elsewhere. Raises NotFound."""
    found = lookup.family(lab, slug)
    if found is None or found.hosted:
        raise NotFound(_("There is no family of this name. Begin at the catalogue."))
    return found


def of_size(family: Family, name: str) -> Subject:
    """A size of a family that is hosted elsewhere. Raises NotFound."""
    size = next((each for each in entries.sizes(family) if each.name == name), None)
    if size is None:
        raise NotFound(_("This family has no size of that name."))
    sources = {key: Source(row["title"], row["url"]) for key, row in family.facts["sources"].items()}
    columns = family.facts["columns"]
    at = [family.lab.slug, family.slug, size.name]
    told = [row for row in family.facts.get("training", []) if row["size"] == size.name]
    return Subject(
        name=size.name,
        url=family.get_absolute_url(),
        running_url=reverse("releases:running_cost_of_size", args=at),
        training_url=reverse("releases:training_cost_of_size", args=at),
        shape=shape_of(size, sources[columns["architecture"]]),
        parameters=_parameters(size.parameters, sources[columns["counts"]]),
        family=family,
        facts={row["what"]: (row["value"], sources[row["source"]]) for row in told},
    )


def _trained(revision: Revision, record: Mapping[str, Any], page: str) -> dict[str, tuple[float, Source]]:
    """What a revision's own records tell of its training; empty where it has none that can be read."""
    told: dict[str, Any] = {}
    metrics = small_file(revision, METRICS)
    if metrics:
        told |= {"tokens": (_object(metrics.strip().rpartition(b"\n")[2]).get("tokens"), METRICS)}
    told |= {what: (record.get(name), RECORD) for what, name in RECORDED.items()}
    facts = {
        what: (value, Source(path, page)) for what, (said, path) in told.items() if (value := footprints.amount(said))
    }
    if "clock_seconds" in facts:
        seconds, source = facts["clock_seconds"]
        facts["hours"] = (seconds / 3600, source)
    return facts


def _record(revision: Revision) -> dict[str, Any]:
    record = small_file(revision, RECORD)
    return _object(record) if record else {}


def shape_of(size: Size, source: Source | None = None) -> Architecture:
    """The architecture of an entry's size."""
    return Architecture(
        layers=size.layers,
        width=size.width,
        heads=size.heads,
        kv_heads=size.kv_heads or size.heads,
        head_width=size.head_width or size.width // size.heads,
        feed_forward=size.feed_forward or 4 * size.width,
        vocabulary=size.vocabulary,
        context=size.context,
        matrices=size.matrices,
        tied=size.tied,
        positions=size.positions,
        biases=size.biases,
        norm_vectors=2 if size.biases else 1,
        source=source,
    )


def small_file(revision: Revision, path: str) -> bytes | None:
    """A small file of a revision; None where there is none, or one that was refused."""
    held = revision.files.filter(path=path, size__lte=READ_MAX).exclude(blob__state=BlobState.QUARANTINED)
    digest = held.values_list("blob_id", flat=True).first()
    return _stored(digest) if digest else None


def _parameters(amount: int, source: Source) -> Quantity:
    return given("parameters", gettext_lazy("Parameters"), amount, source=source)


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        told = all_mended(json.loads(text))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


@lru_cache(maxsize=256)
def _stored(digest: str) -> bytes:
    """Files are named by their digest: each is read once in a process."""
    with store().open(digest) as source:
        return bytes(source.read(READ_MAX))
