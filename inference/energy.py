"""What queries took in energy and emitted: estimated from tokens and what the operator says of each pool.

    kWh = (prompt tokens that were not cached × J per prompt token + completion tokens × J per completion token)
          × PUE / 3,600,000
    g CO₂e = kWh × g CO₂e per kWh

The boundary is the operation of the machines that answered, with their building's share. Making the machines, training
the model, the network and the reader's own device are outside, and so is a pool that idles. Figures are those that a
pool has today, for its whole past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from django.db.models import QuerySet, Sum

from inference.energy_models import ENERGY
from inference.figures import Asked
from inference.models import Pool

J_PER_KWH: Final = 3_600_000
_SUMS: Final = ("prompt_tokens", "completion_tokens", "cached_tokens")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a pool says: joules per token, overhead as a factor, grams of CO₂ equivalent per kilowatt-hour."""

    prompt_j: float
    completion_j: float
    overhead: float
    grams_per_kwh: int
    source: str

    @classmethod
    def of(cls, pool: Pool) -> Self | None:
        """The pool's figures; None where nothing was entered."""
        prompt, completion, overhead, grams = (getattr(pool, name) for name in ENERGY)
        if not pool.energy_source:
            return None
        return cls(prompt / 1000, completion / 1000, overhead / 100, grams, pool.energy_source)

    def kwh(self, *, prompt: int, cached: int, completion: int) -> float:
        """Energy of so many tokens; the cached ones are part of the prompt's and cost nothing here."""
        joules = (prompt - cached) * self.prompt_j + completion * self.completion_j
        return joules * self.overhead / J_PER_KWH

    def grams(self, kwh: float) -> float:
        """What that emitted, g CO₂e."""
        return kwh * self.grams_per_kwh


@dataclass(frozen=True, slots=True)
class Estimate:
    """One pool's share of a period. Energy in kWh, emissions in g CO₂e; None where the pool has no figures."""

    pool: str
    tokens: int
    kwh: float | None
    grams: float | None
    figures: Figures | None


def of_period(asked: Asked) -> list[Estimate]:
    """An estimate for each pool that answered, the most tokens first. Two queries."""
    rows: QuerySet[Any, Any] = asked.hourly.order_by().values("pool").annotate(**{name: Sum(name) for name in _SUMS})
    known = all_figures()
    found = [_estimate(row["pool"], known.get(row["pool"]), *(int(row[name]) for name in _SUMS)) for row in rows]
    return sorted(found, key=lambda each: (-each.tokens, each.pool))


def all_figures() -> Mapping[str, Figures]:
    """Pool, as the ledger names it (`lab/name`) → its figures, where it has them; the retired ones too. One query."""
    rows = Pool.objects.select_related("lab").exclude(energy_source="")
    return {str(pool): told for pool in rows if (told := Figures.of(pool))}


def _estimate(pool: str, figures: Figures | None, prompt: int, completion: int, cached: int) -> Estimate:
    if figures is None:
        return Estimate(pool, prompt + completion, None, None, None)
    kwh = figures.kwh(prompt=prompt, cached=cached, completion=completion)
    return Estimate(pool, prompt + completion, kwh, figures.grams(kwh), figures)
