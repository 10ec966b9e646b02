"""The whole estimate of one plan: what fits, how fast, for how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from releases.costs import hardware, memory, speed
from releases.costs.architecture import Architecture, count
from releases.costs.expression import Quantity
from releases.costs.memory import Condition, Memory
from releases.costs.plan import Plan
from releases.costs.speed import Speed


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan comes to."""

    memory: Memory
    speed: Speed
    conditions: list[Condition]
    grids: list[Quantity]
    """Emissions of one query at the fast end of the range, by grid."""

    @property
    def splits(self) -> bool:
        """Whether the model can be cut as the plan says."""
        return all(condition.met for condition in self.conditions)

    @property
    def fits(self) -> bool:
        """Whether it runs: it can be cut, and the plan's sequences have room."""
        return self.splits and self.memory.fits

    def quantities(self) -> Iterator[Quantity]:
        """Every number of the estimate that has a line of its own, in the order of the page."""
        held, fast = self.memory, self.speed
        yield from (held.weights, held.cache_per_token, held.cache_per_sequence, held.needed, held.usable, held.spare)
        yield from (fast.floor, fast.step, fast.prefill)

    def as_json(self) -> dict[str, Any]:
        """All of it, in base units, each number with its arithmetic."""
        ends = {"slow": self.speed.slow, "fast": self.speed.fast}
        return {
            "fits": self.fits,
            "splits": self.splits,
            "conditions": [
                {"label": str(each.label), "arithmetic": each.line, "met": each.met, "note": str(each.note)}
                for each in self.conditions
            ],
            **{each.key: each.as_json() for each in self.quantities()},
            "range": {name: {each.key: each.as_json() for each in end.quantities()} for name, end in ends.items()},
            "carbon_per_query_by_grid": [each.as_json() for each in self.grids],
        }


def estimate(shape: Architecture, known: Quantity | None, plan: Plan) -> Estimate:
    """Reckon a plan for a model; `known` is its number of parameters, where somebody counted them."""
    counted = count(shape)
    reached = speed.of(shape, counted, known, plan)
    return Estimate(
        memory.of(shape, counted, known, plan),
        reached,
        memory.conditions(shape, plan),
        [speed.on_grid(reached.fast.energy_per_query, grid) for grid in hardware.grids().values()],
    )
