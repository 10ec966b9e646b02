"""What a training took: operations, hours of accelerators, energy, emissions and money, by method and boundary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.utils.translation import gettext_lazy as _

from releases.costs.expression import Quantity, Source, Text, exactly, given

RULE = Source(_("six operations for a parameter and token; two more where activations are computed again"))
STATE = Source(_("weights, gradients and Adam's two moments in mixed precision"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training as somebody describes it. Base units; None where nothing is told."""

    parameters: Quantity
    tokens: Quantity
    recomputed: bool
    """Activations were thrown away and computed again."""
    achieved: Quantity | None = None
    """FLOP a second that one accelerator reached."""
    accelerators: Quantity | None = None
    hours: Quantity | None = None
    """Of all accelerators, where they were counted."""
    watts: Quantity
    pue: Quantity
    grid: Quantity
    price: Quantity | None = None
    """US dollars an hour of one accelerator."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What it came to; None where too little is told."""

    flop: Quantity
    state: Quantity
    hours: Quantity | None
    days: Quantity | None
    energy: Quantity | None
    carbon: Quantity | None
    dollars: Quantity | None

    def quantities(self) -> Iterator[Quantity]:
        """Each that there is, in the order of the page."""
        told = (getattr(self, field.name) for field in fields(self))
        return (each for each in told if each is not None)

    def as_json(self) -> dict[str, Any]:
        """All of it, in base units, each number with its arithmetic."""
        return {each.key: each.as_json() for each in self.quantities()}


def cost(run: Run) -> Cost:
    """Reckon a training."""
    factor = given("factor", _("Operations for a parameter and token"), 8 if run.recomputed else 6, "FLOP/token", RULE)
    flop = (factor * run.parameters * run.tokens).named("flop", _("Operations"))
    each = given("state_bytes", _("Bytes for each parameter"), 16, "B", STATE)
    state = (run.parameters * each).named(
        "state", _("State of the training"), _("Before activations; spread over all accelerators.")
    )
    hours = run.hours
    if hours is None and run.achieved is not None:
        hours = (flop / run.achieved / exactly(3600, "s/h")).named("hours", _("Hours of accelerators"))
    if hours is None:
        return Cost(flop, state, None, None, None, None, None)
    days = None
    if run.accelerators is not None:
        days = (hours / run.accelerators / exactly(24, "h/d")).named("days", _("Days, if nothing fails"))
    energy = energy_of(hours, run.watts, run.pue)
    dollars = (hours * run.price).named("dollars", _("Price of the accelerators")) if run.price else None
    return Cost(flop, state, hours, days, energy, carbon_of(energy, run.grid), dollars)


def energy_of(hours: Quantity, watts: Quantity, pue: Quantity) -> Quantity:
    """kWh of so many hours at so many watts each."""
    return (hours * watts * pue / exactly(1000, "W*h/kWh")).named(
        "energy", _("Energy"), _("Running the machines with the building's share; making them is not counted.")
    )


def carbon_of(energy: Quantity, grid: Quantity) -> Quantity:
    """kg of CO₂ equivalent."""
    return (energy * grid).named("carbon", _("Emissions"))


def of_clock(seconds: Quantity, key: str, run: Run) -> list[Quantity]:
    """A training on one core, from seconds that somebody counted: hours, energy, emissions."""
    hours = (seconds / exactly(3600, "s/h")).named(f"hours_{key}", _("The same in hours"))
    energy = energy_of(hours, run.watts, run.pue)
    return [hours, energy, carbon_of(energy, run.grid)]


def by_clock(facts: Mapping[str, tuple[float, Source]], run: Run) -> list[tuple[Text, list[Quantity]]]:
    """The methods by which a training on one core can be reckoned from its record, where there is one."""
    methods = (
        ("cpu_seconds", _("By processor time"), _("Processor time of all its processes")),
        ("clock_seconds", _("By the clock"), _("Time from start to end")),
    )
    return [
        (method, of_clock(given(key, label, facts[key][0], "s", facts[key][1]), key, run))
        for key, method, label in methods
        if key in facts
    ]
