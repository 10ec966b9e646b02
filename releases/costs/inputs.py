"""The numbers that a calculator asks for: one table from which the form, the API's parameters and the permalink come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

_NUMBER: Final = _("Give a number from %(least)s to %(most)s.")


@dataclass(frozen=True, slots=True)
class Number:
    """One number: its name in the address, its words, its bounds, and what it is where nothing is said."""

    name: str
    label: str | Promise
    least: float
    most: float
    begin: float | None = None
    hint: str | Promise = ""
    whole: bool = False

    def allows(self, amount: float | None) -> bool:
        """Whether it may begin with this: what somebody published may be out of all bounds."""
        return amount is None or self.least <= amount <= self.most

    def field(self) -> forms.Field:
        """The same in a form; it may be left empty where it begins empty."""
        wrong = _NUMBER % {"least": number_format(f"{self.least:g}"), "most": _most(self.most)}
        kind: type[Any] = forms.IntegerField if self.whole else forms.FloatField
        told = dict.fromkeys(("invalid", "min_value", "max_value", "required"), wrong)
        made: forms.Field = kind(
            label=self.label, help_text=self.hint, min_value=self.least, max_value=self.most,
            required=self.begin is not None, error_messages=told,
        )  # fmt: skip
        made.widget.attrs.setdefault("step", "1" if self.whole else "any")
        return made

    def parameter(self) -> serializers.Field[Any, Any, Any, Any]:
        """The same in the API."""
        words = f"{self.label}. {self.hint}".strip() if self.hint else f"{self.label}."
        kind: type[Any] = serializers.IntegerField if self.whole else serializers.FloatField
        made: serializers.Field[Any, Any, Any, Any] = kind(
            required=False, min_value=self.least, max_value=self.most, help_text=words
        )
        return made


def _most(amount: float) -> str:
    return number_format(round(amount), force_grouping=True) if amount >= 10_000 else number_format(f"{amount:g}")


MACHINE: Final = (
    Number("gpus", _("Accelerators"), 1, 4096, 1, whole=True),
    Number(
        "tensor",
        _("Parts of each layer"),
        1,
        4096,
        hint=_("Tensor parallel. Empty: all accelerators that the stages leave."),
        whole=True,
    ),
    Number("pipeline", _("Stages of layers"), 1, 4096, 1, _("Pipeline parallel."), whole=True),
)
USE: Final = (
    Number(
        "context",
        _("Context, tokens"),
        1,
        10_000_000,
        hint=_("The longest sequence, prompt and answer."),
        whole=True,
        begin=2048,
    ),
    Number("concurrency", _("Sequences at once"), 1, 100_000, 1, whole=True),
    Number("prompt", _("Prompt of a query, tokens"), 1, 10_000_000, 512, whole=True),
    Number("answer", _("Answer of a query, tokens"), 1, 10_000_000, 128, whole=True),
)
MONEY: Final = (
    Number(
        "price",
        _("Price of an hour, US dollars"),
        0,
        1e6,
        hint=_("Of all accelerators together. Empty: no price is told, or it follows from a purchase."),
    ),
    Number("bought", _("Price of the machine, US dollars"), 0, 1e9, hint=_("Where it is bought.")),
    Number("years", _("Years that it is used"), 0.1, 20, 3),
    Number(
        "machine_watts",
        _("Power of the whole machine, W"),
        1,
        1e8,
        hint=_("Empty: the accelerators alone, at their limit."),
    ),
    Number("pue", _("PUE"), 1, 5, 1.2, _("What the building takes for each watt of the machine.")),
    Number("grid", _("Emissions of the grid, g CO₂e per kWh"), 0, 2000, 481, _("481 was the world's mean in 2023.")),
)
OWN_CARD: Final = (
    Number("memory_gb", _("Memory, GB"), 1, 10_000),
    Number("bandwidth_gb", _("Bandwidth of the memory, GB/s"), 1, 1_000_000),
    Number("tflops", _("Arithmetic, 10¹² operations a second"), 0.1, 1_000_000),
    Number("watts", _("Power at the limit, W"), 1, 10_000),
)
ASSUMPTIONS: Final = (
    Number(
        "group",
        _("Numbers that share a scale"),
        0,
        4096,
        128,
        _("Of 4-bit weights; 0: no scales are counted."),
        whole=True,
    ),
    Number("usable", _("Share of the memory that is used"), 0.1, 1, 0.9),
    Number("runtime_gb", _("The engine itself, GB on each"), 0, 64, 1.25),
    Number("chunk", _("Tokens of prompts read at once"), 1, 1_000_000, 512, whole=True),
    Number("utilisation", _("Share of the arithmetic that reading a prompt reaches"), 0.01, 1, 0.5),
    Number("slow", _("Share of the floor's speed, slow end"), 0.01, 1, 0.3),
    Number("fast", _("Share of the floor's speed, fast end"), 0.01, 1, 0.8),
)
RUNNING: Final = (*MACHINE, *USE, *MONEY, *OWN_CARD, *ASSUMPTIONS)
HARDWARE: Final = ("accelerator", *(each.name for each in (*MACHINE, *MONEY, *OWN_CARD)))
"""What a saved profile holds."""
TRAINING: Final = (
    Number("tokens", _("Tokens seen"), 1, 1e17, 1e9),
    Number(
        "achieved_tflops",
        _("Arithmetic that an accelerator reached, 10¹² operations a second"),
        1e-6,
        1e6,
        hint=_("Empty: the hours below are taken."),
    ),
    Number("accelerators", _("Accelerators"), 1, 10_000_000, whole=True),
    Number(
        "hours",
        _("Hours of accelerators"),
        1e-6,
        1e12,
        hint=_("Where they were counted. Empty: they follow from the operations."),
    ),
    Number("watts", _("Power of an accelerator, W"), 0.1, 100_000, 400),
    Number("pue", _("PUE"), 1, 5, 1.1, _("What the building takes for each watt of the machine.")),
    Number("grid", _("Emissions of the grid, g CO₂e per kWh"), 0, 2000, 481, _("481 was the world's mean in 2023.")),
    Number("price", _("Price of an accelerator's hour, US dollars"), 0, 1e6),
)
