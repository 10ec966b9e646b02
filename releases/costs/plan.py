"""What one asks of a model and of which machine: the numbers that a permalink holds, as quantities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.costs.expression import Quantity, Source, exactly, given
from releases.costs.hardware import ENTERED, Accelerator

ASSUMED: Final = Source(_("an assumption that you can change"))
HOURS: Final = exactly(8760, "h")
"""Of a year."""
TO_SECONDS: Final = exactly(3600, "s/h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One machine and one way to use it. Bytes, seconds, watts, US dollars, kilograms."""

    accelerator: Accelerator
    tensor: int
    pipeline: int
    weights: str
    group: int
    cache: str
    context: int
    concurrency: int
    chunk: int = 512
    """Tokens of prompts that are read at once."""
    runtime: float = 1.25e9
    """Bytes of the engine itself on each accelerator."""
    usable: float = 0.9
    prompt: int
    answer: int
    utilisation: float = 0.5
    """Share of the accelerators' arithmetic that reading a prompt reaches."""
    slow: float = 0.3
    fast: float = 0.8
    """Shares of the floor's speed that engines reach: the ends of the range."""
    watts: float | None = None
    """Of the whole machine; none: the accelerators alone, at their limit."""
    pue: float = 1.2
    grid: float
    """kg CO₂e a kWh."""
    grid_source: Source = ENTERED
    price: float | None = None
    """US dollars an hour for all of it."""
    bought: float | None = None
    """US dollars for the machine, where it is bought."""
    years: float = 3

    @property
    def count(self) -> int:
        """Accelerators in all."""
        return self.tensor * self.pipeline

    def tensor_parts(self) -> Quantity:
        """Parts of each layer."""
        return given("tensor", _("Parts of each layer (tensor parallel)"), self.tensor, source=ENTERED)

    def pipeline_parts(self) -> Quantity:
        """Stages, each of some layers."""
        return given("pipeline", _("Stages of layers (pipeline parallel)"), self.pipeline, source=ENTERED)

    def accelerators(self) -> Quantity:
        """How many."""
        return given("accelerators", _("Accelerators"), self.count, source=ENTERED)

    def context_tokens(self) -> Quantity:
        """The longest sequence."""
        return given("context", _("Context"), self.context, "token", ENTERED)

    def sequences(self) -> Quantity:
        """At once."""
        return given("concurrency", _("Sequences at once"), self.concurrency, source=ENTERED)

    def chunk_tokens(self) -> Quantity:
        """Read at once."""
        return given("chunk", _("Tokens of prompts read at once"), self.chunk, "token", ASSUMED)

    def runtime_bytes(self) -> Quantity:
        """Of the engine."""
        return given(
            "runtime",
            _("The engine itself"),
            self.runtime,
            "B",
            ASSUMED,
            _("Its code, libraries and buffers: 1 to 1.5 GB."),
        )

    def usable_share(self) -> Quantity:
        """Of the memory."""
        return given("usable_share", _("Share of the memory that is used"), self.usable, source=ASSUMED)

    def memory(self) -> Quantity:
        """Of one accelerator."""
        return given(
            "memory", _("Memory of an accelerator"), self.accelerator.memory, "B", self.accelerator.told("memory")
        )

    def bandwidth(self) -> Quantity:
        """Of one accelerator's memory."""
        return given(
            "bandwidth",
            _("Bandwidth of its memory"),
            self.accelerator.bandwidth,
            "B/s",
            self.accelerator.told("bandwidth"),
        )

    def flops(self) -> Quantity:
        """Of one accelerator, for the plan's type of number."""
        return given(
            "flops",
            _("Arithmetic of an accelerator"),
            self.accelerator.speed(self.weights),
            "FLOP/s",
            self.accelerator.told("flops"),
        )

    def power(self) -> Quantity:
        """Of the machine."""
        if self.watts is not None:
            return given("power", _("Power of the machine"), self.watts, "W", ENTERED)
        each = given(
            "watts",
            _("Power of an accelerator at its limit"),
            self.accelerator.watts,
            "W",
            self.accelerator.told("watts"),
        )
        return (self.accelerators() * each).named(
            "power", _("Power of the accelerators"), _("The rest of the machine is not counted.")
        )

    def overhead(self) -> Quantity:
        """Power usage effectiveness."""
        return given("pue", _("What the building takes for each watt of the machine (PUE)"), self.pue, source=ENTERED)

    def emitted(self) -> Quantity:
        """By the grid."""
        return given("grid", _("Emissions of the grid"), self.grid, "kg/kWh", self.grid_source)

    def hourly(self) -> Quantity | None:
        """What an hour costs; None where no price is named."""
        if self.price is not None:
            return given("hourly", _("Price of an hour"), self.price, "USD/h", ENTERED)
        if self.bought is None:
            return None
        price = given("bought", _("Price of the machine"), self.bought, "USD", ENTERED)
        years = given("years", _("Years that it is used"), self.years, source=ENTERED)
        return (price / (years * HOURS)).named(
            "hourly", _("Price of an hour"), _("Of the machine alone: electricity, place and people come on top.")
        )
