"""How fast, for how much, with how much energy and emissions: what follows from memory bandwidth and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.costs import memory
from releases.costs.architecture import Architecture, Counted
from releases.costs.expression import Quantity, exactly, given, most
from releases.costs.hardware import ENTERED, Grid
from releases.costs.plan import ASSUMED, TO_SECONDS, Plan

MILLION: Final = exactly(1_000_000, "token")
TO_KWH: Final = exactly(3_600_000, "W*s/kWh")


@dataclass(frozen=True, slots=True)
class Costs:
    """At one speed of the range. Money is None where no price is named."""

    rate: Quantity
    """Tokens a second, of all sequences."""
    each: Quantity
    """Tokens a second, of one sequence."""
    seconds: Quantity
    """Of one query."""
    dollars_per_million: Quantity | None
    dollars_per_query: Quantity | None
    energy_per_million: Quantity
    energy_per_query: Quantity
    carbon_per_million: Quantity
    carbon_per_query: Quantity

    def quantities(self) -> Iterator[Quantity]:
        """Each of them that there is, in the order of the page."""
        told = (getattr(self, field.name) for field in fields(self))
        return (each for each in told if each is not None)


@dataclass(frozen=True, slots=True)
class Speed:
    """What bounds it, and the range that real engines lie in."""

    floor: Quantity
    """Seconds a token of one sequence alone: the weights are read once."""
    step: Quantity
    """Seconds in which each of the plan's sequences gets one token, at the least."""
    prefill: Quantity
    """Seconds until a prompt is read."""
    slow: Costs
    fast: Costs


def of(shape: Architecture, counted: Counted, known: Quantity | None, plan: Plan) -> Speed:
    """The speed of a plan, and what follows from it."""
    whole = memory.weights(counted, known, plan.weights, plan.group)
    together = (plan.tensor_parts() * plan.bandwidth()).named(
        "bandwidth_together", _("Bandwidth of the parts of a layer")
    )
    alone = (_read(shape, counted, whole, plan, exactly(1)) / together).named(
        "floor",
        _("Least time for a token"),
        _("All weights that it needs are read once. The stages of a pipeline take turns."),
    )
    work = (exactly(2, "FLOP/token") * _active(shape, counted, known)).named(
        "work", _("Arithmetic for a token"), _("A multiplication and an addition for each parameter.")
    )
    step = _step(shape, counted, whole, work, together, plan)
    prefill = _prefill(work, plan)
    slow = given("slow", _("Share of the floor's speed, slow end"), plan.slow, source=ASSUMED)
    fast = given("fast", _("Share of the floor's speed, fast end"), plan.fast, source=ASSUMED)
    return Speed(alone, step, prefill, costs(plan, step, prefill, slow), costs(plan, step, prefill, fast))


def _active(shape: Architecture, counted: Counted, known: Quantity | None) -> Quantity:
    """Parameters that one token needs."""
    total = memory.parameters(counted, known)
    if counted.routed is None:
        return total
    return (total - counted.routed * _untaken(shape)).named("active_parameters", _("Parameters that a token needs"))


def _untaken(shape: Architecture) -> Quantity:
    used = given("experts_used", _("Experts that a token takes"), shape.experts_used, source=shape.source)
    return exactly(1) - used / given("experts", _("Experts of a layer"), shape.experts, source=shape.source)


def _read(shape: Architecture, counted: Counted, whole: Quantity, plan: Plan, sequences: Quantity) -> Quantity:
    """Bytes of weights that a step reads: of experts, those that some sequence takes."""
    if counted.routed is None:
        return whole
    left = (_untaken(shape) ** sequences).named(
        "experts_left", _("Share of the experts that no sequence takes"), _("Where each takes them as by chance.")
    )
    idle = counted.routed * left * memory.bytes_of(plan.weights, plan.group)
    return (whole - idle).named("weights_read", _("Weights that a step reads"))


def _step(
    shape: Architecture, counted: Counted, whole: Quantity, work: Quantity, together: Quantity, plan: Plan
) -> Quantity:
    mean = (_prompt(plan) + _answer(plan) / exactly(2)).named(
        "mean_length", _("Length of a sequence, as a mean over its answer")
    )
    cache = memory.cache_of(shape, plan.cache, mean, "cache_read")
    in_stage = (plan.sequences() / plan.pipeline_parts()).named("in_stage", _("Sequences in each stage at once"))
    reading = ((_read(shape, counted, whole, plan, in_stage) + in_stage * cache) / together).named(
        "reading", _("Time to read weights and cache")
    )
    sum_flops = (plan.accelerators() * plan.flops()).named("flops_together", _("Arithmetic of all accelerators"))
    computing = (plan.sequences() * work * exactly(1, "token") / sum_flops).named("computing", _("Time to compute"))
    return most(reading, computing).named(
        "step", _("Least time in which each sequence gets a token"), _("Reading or arithmetic, whichever takes longer.")
    )


def _prompt(plan: Plan) -> Quantity:
    return given("prompt", _("Prompt"), plan.prompt, "token", ENTERED)


def _answer(plan: Plan) -> Quantity:
    return given("answer", _("Answer"), plan.answer, "token", ENTERED)


def _prefill(work: Quantity, plan: Plan) -> Quantity:
    share = given("utilisation", _("Share of the arithmetic that reading reaches"), plan.utilisation, source=ASSUMED)
    return (work * _prompt(plan) / (plan.accelerators() * plan.flops() * share)).named(
        "prefill", _("Time to read the prompt")
    )


def costs(plan: Plan, step: Quantity, prefill: Quantity, share: Quantity) -> Costs:
    """Everything that follows from one share of the floor's speed."""
    each = (exactly(1, "token") * share / step).named("each", _("Speed of one sequence"))
    rate = (plan.sequences() * each).named("rate", _("Speed of all sequences"))
    seconds = (prefill + _answer(plan) / each).named("seconds", _("Time of one query"))
    power = (plan.power() * plan.overhead()).named("power_all", _("Power with the building's share"))
    million = (power * (MILLION / rate) / TO_KWH).named("energy_per_million", _("Energy of a million tokens"))
    query = (power * seconds / plan.sequences() / TO_KWH).named(
        "energy_per_query",
        _("Energy of a query"),
        _("Its share of the machine, which other sequences use at the same time."),
    )
    hourly = plan.hourly()
    return Costs(
        rate, each, seconds,
        (hourly / TO_SECONDS * (MILLION / rate)).named("dollars_per_million", _("Price of a million tokens")) if hourly else None,
        (hourly / TO_SECONDS * seconds / plan.sequences()).named("dollars_per_query", _("Price of a query")) if hourly else None,
        million, query,
        (million * plan.emitted()).named("carbon_per_million", _("Emissions of a million tokens")),
        (query * plan.emitted()).named("carbon_per_query", _("Emissions of a query")),
    )  # fmt: skip


def on_grid(query: Quantity, grid: Grid) -> Quantity:
    """What the same query emits elsewhere."""
    emitted = given(f"grid_{grid.key}", _("Emissions of the grid"), grid.kg_per_kwh, "kg/kWh", grid.source)
    return (query * emitted).named(f"carbon_{grid.key}", grid.name)
