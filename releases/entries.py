"""Families that are described here and hosted elsewhere, from data files: every value with its public source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import yaml

from portal.errors import Invalid
from portal.people.actions import create_lab
from portal.people.models import Lab, User
from releases import actions
from releases.models import Family

FOLDER: Final = Path(__file__).parent / "catalogue"
_ENTRY: Final = re.compile(r"[a-z0-9-]+")
"""Scores and logbooks lie beside an entry, as `opt.evaluations` and `opt_logbook`."""
_SOURCED: Final = (
    "notes", "access", "licence", "training", "claims", "carbon", "timeline", "restarts", "logbook_remarks", "may",
)  # fmt: skip
"""Sections that an entry may have, of rows with a source each."""


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a family that is not hosted here, with what follows from its architecture."""

    name: str
    parameters: int
    layers: int
    heads: int
    width: int
    batch_tokens: int
    learning_rate: float
    access: str
    kv_heads: int = 0
    """0: as many as heads."""
    head_width: int = 0
    """0: the width divided by the heads."""
    feed_forward: int = 0
    """0: four times the width."""
    matrices: int = 2
    """Of a feed-forward block: three where it is gated."""
    vocabulary: int = 0
    context: int = 0
    positions: int = 0
    """Rows of a learned table."""
    tied: bool = True
    biases: bool = True

    @property
    def label(self) -> str:
        """What its makers call the size: the end of its name."""
        return self.name.replace(" ", "-").rpartition("-")[2]

    @property
    def weight_bytes(self) -> int:
        """The weights at two bytes a parameter."""
        return 2 * self.parameters

    @property
    def cache_bytes(self) -> int:
        """Key-value cache of one token: a key and a value, for each layer and key-value head, at two bytes a number."""
        return 2 * self.layers * (self.kv_heads or self.heads) * (self.head_width or self.width // self.heads) * 2


def names() -> list[str]:
    """Every entry that there is a data file of."""
    stems = (path.stem for path in FOLDER.glob("*.yaml"))
    return sorted(stem for stem in stems if _ENTRY.fullmatch(stem))


def read(name: str) -> dict[str, Any]:
    """The entry of this name as data; raises Invalid when a value lacks a source or names an unknown one."""
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    for section in _SOURCED:
        for row in data.get(section, []):
            if row.get("source") not in data["sources"]:
                raise Invalid(f"{name}.yaml, {section}: {row} names no known source.")
    components = data.get("openness", {}).get("components", [])
    unknown = {*data["columns"].values(), *(row.get("source", "") for row in components)} - data["sources"].keys()
    if unknown:
        raise Invalid(f"{name}.yaml: no source {sorted(unknown)[0]!r}.")
    return data | {"evaluations": _notes(name)}


def _notes(name: str) -> list[dict[str, Any]]:
    """What an entry tells of evaluations in words, each with its source; its scores are read by releases.evaluations."""
    path = FOLDER / f"{name}.evaluations.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {"notes": [], "sources": {}}
    for note in told["notes"]:
        if note.get("source") not in told["sources"]:
            raise Invalid(f"{path.name}, notes: {note} names no known source.")
    return [note | {"source": told["sources"][note["source"]]} for note in told["notes"]]


def seed(name: str, *, by: User | None) -> Family:
    """Enter the family into the catalogue, or bring it up to date. Its lab here holds the name, and no models."""
    data = read(name)
    lab = Lab.objects.filter(slug=data["lab"]["slug"]).first()
    if lab is None:
        lab = create_lab(slug=data["lab"]["slug"], name=data["lab"]["name"], site=data["lab"]["site"], by=by)
    return actions.open_family(
        lab=lab,
        slug=data["slug"],
        title=data["title"],
        summary=data["summary"],
        hosted=False,
        facts=_as_json({key: value for key, value in data.items() if key not in {"lab", "slug", "title", "summary"}}),
        changed_at=datetime.combine(data["revised"], time.min, UTC),
        largest=max(size.parameters for size in sizes_in(data)),
        by=by,
    )


def sizes(family: Family) -> list[Size]:
    """The sizes of a family that is not hosted here, smallest first."""
    return sizes_in(family.facts)


def sizes_in(data: dict[str, Any]) -> list[Size]:
    """The sizes of an entry, smallest first; `shape` is what all of them have in common."""
    common = data.get("shape", {})
    return sorted((Size(**common | row) for row in data.get("sizes", [])), key=lambda size: size.parameters)


def sourced(family: Family, section: str) -> list[dict[str, Any]]:
    """The rows of a section, each with its source's title and address, and its date as a date."""
    sources = family.facts.get("sources", {})
    return [
        row | {"source": sources[row["source"]], **({"when": date.fromisoformat(row["when"])} if "when" in row else {})}
        for row in family.facts.get(section, [])
    ]


def _as_json(value: Any) -> Any:  # noqa: ANN401 whatever YAML can say
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value
