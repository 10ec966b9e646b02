"""Accelerators, machines that one can buy, and grids: data files, every value with its public source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from django.utils.translation import gettext_lazy as _

from portal.errors import Invalid
from portal.people.countries import country
from releases.costs.expression import Source

ENTERED: Final = Source(_("entered here"))
FOLDER: Final = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One card, as its maker's data sheet has it. GB are 10⁹ bytes; speeds are the highest, without sparsity."""

    key: str
    name: str
    memory: float
    """Bytes."""
    bandwidth: float
    """Bytes a second."""
    flops: Mapping[str, float]
    """By type of number, FLOP a second."""
    watts: float
    source: Source
    entered: frozenset[str] = frozenset()
    """Names of the values above that a reader put in the place of the data sheet's."""

    def told(self, value: str) -> Source:
        """Where one of the values is from."""
        return ENTERED if value in self.entered else self.source

    def speed(self, kind: str) -> float:
        """FLOP a second where weights are of this kind: those that it cannot multiply become 16-bit numbers first."""
        return self.flops.get({"bf16": "fp16"}.get(kind, kind), self.flops["fp16"])


@dataclass(frozen=True, slots=True)
class Machine:
    """So many accelerators in one case, with what the whole takes and was sold for."""

    key: str
    name: str
    accelerator: str
    count: int
    watts: int
    dollars: int
    source: Source


@dataclass(frozen=True, slots=True)
class Grid:
    """What a kilowatt-hour emits somewhere, kg of CO₂ equivalent."""

    key: str
    country: str
    """Two letters; empty: the world."""
    kg_per_kwh: float
    source: Source

    @property
    def name(self) -> str:
        """Where, in the present language."""
        return country(self.country) if self.country else str(_("World"))


@cache
def accelerators() -> dict[str, Accelerator]:
    """By key, in the order of the file."""
    data, sources = _read("accelerators")
    return {
        row["key"]: Accelerator(
            row["key"], row["name"], row["memory_gb"] * 10**9, row["bandwidth_gb"] * 10**9,
            {kind: tera * 1e12 for kind, tera in row["tflops"].items()}, row["watts"], sources[row["source"]],
        )
        for row in data["accelerators"]
    }  # fmt: skip


@cache
def machines() -> dict[str, Machine]:
    """By key."""
    data, sources = _read("accelerators")
    return {row["key"]: Machine(**{**row, "source": sources[row["source"]]}) for row in data["machines"]}


@cache
def grids() -> dict[str, Grid]:
    """By key, the cleanest first."""
    data, sources = _read("grids")
    found = [Grid(row["key"], row["country"], row["g_per_kwh"] / 1000, sources[row["source"]]) for row in data["grids"]]
    return {grid.key: grid for grid in sorted(found, key=lambda grid: grid.kg_per_kwh)}


def _read(name: str) -> tuple[dict[str, Any], dict[str, Source]]:
    """The file as data, and its sources. Raises Invalid where a row names no source, or one that is not there."""
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    sources = data.pop("sources")
    for rows in data.values():
        for row in rows:
            if row.get("source") not in sources:
                raise Invalid(f"{name}.yaml: {row.get('key')} names no known source.")
    return data, {key: Source(row["title"], row["url"]) for key, row in sources.items()}
