"""The calculators' forms: what an address says, over what holds for a model where it says nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.errors import Invalid
from releases.costs import architecture, hardware, inputs, memory, running, training
from releases.costs.architecture import Architecture
from releases.costs.expression import Quantity, Source, Text, given
from releases.costs.hardware import ENTERED, Accelerator
from releases.costs.inputs import Number
from releases.costs.plan import Plan
from releases.costs.subjects import Subject

FIRST: Final = "a100-80"
KINDS: Final = tuple((kind, kind) for kind in memory.KINDS)
_UNKNOWN: Final = {"invalid_choice": gettext_lazy("Choose one of these.")}
_KEPT: Final = {"fp32": "fp32", "bf16": "bf16"}
"""How the cache is stored where nothing is said, by the kind of the weights; else fp16."""


class CostForm(forms.Form):
    """Numbers of one table, each with a value to begin with, so that an empty address is a whole question."""

    numbers: tuple[Number, ...] = ()

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.begin = self.beginning(said)
        told = {name: value for name, value in said.items() if value not in {"", None}}
        blank = {name: "" for name in said if said[name] == "" and self.begin.get(name) is None}
        begin = {name: _written(value) for name, value in self.begin.items()}
        super().__init__({**begin, **told, **blank}, auto_id="cost_%s")
        self.fields.update({number.name: number.field() for number in self.numbers})

    def beginning(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What holds where the address says nothing."""
        return {number.name: number.begin for number in self.numbers}

    def group(self, numbers: Iterable[Number]) -> list[forms.BoundField]:
        """The fields of some numbers, for a page."""
        return [self[number.name] for number in numbers]

    def query(self, **changes: Any) -> str:
        """All of the question as the query of an address, with some of it changed."""
        said = {name: value for name, value in self.cleaned_data.items() if value not in {"", None}}
        return urlencode({name: _written(value) for name, value in (said | changes).items() if name in self.fields})

    def checked(self) -> None:
        """Raise Invalid, field by field, unless it can be answered."""
        if not self.is_valid():
            fields = {name: [str(each) for each in errors] for name, errors in self.errors.items()}
            raise Invalid(_("Some of this needs another look."), fields=fields)


def _written(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(f"{value:.9g}")
    return value


class MachineForm(CostForm):
    """A machine, without a model: what a saved profile holds."""

    numbers: tuple[Number, ...] = (*inputs.MACHINE, *inputs.MONEY, *inputs.OWN_CARD)
    accelerator = forms.ChoiceField(label=gettext_lazy("Kind of accelerator"), error_messages=_UNKNOWN)

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(said)
        cards = self.fields["accelerator"]
        assert isinstance(cards, forms.ChoiceField)  # noqa: S101 for the type checker
        cards.choices = [(key, card.name) for key, card in hardware.accelerators().items()]

    def beginning(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """One card of the first kind."""
        return super().beginning(said) | {"accelerator": FIRST}

    def clean(self) -> dict[str, Any]:
        """Parts times stages are the accelerators."""
        said = super().clean() or {}
        gpus, stages, parts = said.get("gpus"), said.get("pipeline"), said.get("tensor")
        if not gpus or not stages or "tensor" in self.errors:
            return said
        if parts is None and gpus % stages == 0:
            said["tensor"] = gpus // stages
        elif parts is None:
            told = _("%(gpus)s accelerators make no %(stages)s equal stages.")
            self.add_error("pipeline", told % {"gpus": gpus, "stages": stages})
        elif parts * stages != gpus:
            told = _("%(parts)s parts in %(stages)s stages need %(need)s accelerators, not %(gpus)s.")
            self.add_error("tensor", told % {"parts": parts, "stages": stages, "need": parts * stages, "gpus": gpus})
        return said


class RunningForm(MachineForm):
    """What one asks of a model and of which machine."""

    numbers = inputs.RUNNING
    weights = forms.ChoiceField(label=gettext_lazy("Weights as"), choices=KINDS, error_messages=_UNKNOWN)
    cache = forms.ChoiceField(label=gettext_lazy("Cache as"), choices=KINDS, error_messages=_UNKNOWN)

    def __init__(self, subject: Subject, said: Mapping[str, Any]) -> None:
        self.subject = subject
        super().__init__(said)

    def beginning(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A context that the model can read, weights as it stores them, and as many cards as hold it."""
        begin, shape = super().beginning(said), self.subject.shape
        context = min(2048, shape.context)
        begin |= {"context": context, "prompt": max(1, context // 4), "answer": max(1, context // 16)}
        begin |= {"weights": shape.weights, "group": shape.group or begin["group"]}
        begin["cache"] = _KEPT.get(str(said.get("weights") or shape.weights), "fp16")
        if "gpus" not in said:
            begin["gpus"] = _enough(self.subject, begin)
        return begin

    def clean(self) -> dict[str, Any]:
        """Prompt and answer are within the context, and that within the model's."""
        said = super().clean()
        context = said.get("context")
        if context and context > self.subject.shape.context:
            told = _("This model reads at most %(most)s tokens.") % {
                "most": number_format(self.subject.shape.context, force_grouping=True)
            }
            self.add_error("context", told)
        elif context and (said.get("prompt") or 0) + (said.get("answer") or 0) > context:
            self.add_error("answer", _("Prompt and answer together are longer than the context."))
        if (said.get("slow") or 0) > (said.get("fast") or 1):
            self.add_error("fast", _("The fast end lies above the slow one."))
        return said

    def plan(self) -> Plan:
        """The question, once it is valid."""
        said = self.cleaned_data
        same = ("tensor", "pipeline", "weights", "group", "cache", "context", "concurrency", "chunk", "usable", "prompt",
                "answer", "utilisation", "slow", "fast", "pue", "price", "bought", "years")  # fmt: skip
        return Plan(
            accelerator=_card(said),
            watts=said["machine_watts"],
            runtime=said["runtime_gb"] * 1e9,
            grid=said["grid"] / 1000,
            grid_source=grid_source(said["grid"]),
            **{name: said[name] for name in same},
        )


def _card(said: Mapping[str, Any]) -> Accelerator:
    card = hardware.accelerators()[said["accelerator"]]
    own = {"memory": ("memory_gb", 1e9), "bandwidth": ("bandwidth_gb", 1e9), "watts": ("watts", 1)}
    changes: dict[str, Any] = {
        name: said[field] * size for name, (field, size) in own.items() if said[field] is not None
    }
    if said["tflops"] is not None:
        changes["flops"] = {"fp16": said["tflops"] * 1e12}
    return replace(card, **changes, entered=frozenset(changes))


def grid_source(grams: float) -> Source:
    """The data file's, where it has a grid of just this; else it was entered."""
    return next((grid.source for grid in hardware.grids().values() if grid.kg_per_kwh * 1000 == grams), ENTERED)


def _enough(subject: Subject, begin: Mapping[str, Any]) -> int:
    """The least power of two of the first kind of card that holds the model; 16 where not even those do."""
    shape: Architecture = subject.shape
    for count in (1, 2, 4, 8, 16):
        plan = Plan(
            accelerator=hardware.accelerators()[FIRST], tensor=count, pipeline=1, weights=begin["weights"],
            group=begin["group"], cache=begin["cache"], context=begin["context"], concurrency=1, prompt=1, answer=1, grid=0,
        )  # fmt: skip
        if running.estimate(shape, subject.parameters, plan).fits:
            return count
    return 16


class TrainingForm(CostForm):
    """What is known of a training, or assumed."""

    numbers = inputs.TRAINING
    recomputed = forms.ChoiceField(
        label=gettext_lazy("Activations computed again"),
        choices=[("yes", gettext_lazy("yes: 8 operations")), ("no", gettext_lazy("no: 6 operations"))],
        error_messages=_UNKNOWN,
    )

    def __init__(self, subject: Subject, said: Mapping[str, Any]) -> None:
        self.subject = subject
        super().__init__(said)

    def beginning(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What is told of the model's own training."""
        begin = super().beginning(said)
        told = {name: value for name, (value, _source) in self.subject.facts.items()}
        begin["recomputed"] = bool(told.get("recomputed"))
        if "achieved" in told:
            begin["achieved_tflops"] = told["achieved"] / 1e12
        if "grid" in told:
            begin["grid"] = round(told["grid"] * 1000, 6)
        begin |= {name: told[name] for name in ("tokens", "accelerators", "hours", "watts", "pue") if name in told}
        return begin | {each.name: each.begin for each in self.numbers if not each.allows(begin[each.name])}

    def grid(self) -> Quantity | None:
        """Emissions of the reader's grid; None where what they said is none."""
        grams = self.cleaned_data.get("grid")
        return (
            None if grams is None else self._of("grid", gettext_lazy("Emissions of the grid"), grams / 1000, "kg/kWh")
        )

    def _of(self, name: str, label: Text, amount: float, unit: str = "") -> Quantity:
        """A number of the form, with the source that the facts have for just this; else it was entered."""
        value, source = self.subject.facts.get(name, (0, ENTERED))
        known = math.isclose(value, amount, rel_tol=1e-5)
        return given(name, label, amount, unit, source if known else ENTERED)

    def run(self) -> training.Run:
        """The question, once it is valid; a number that the facts have keeps their source."""
        said = self.cleaned_data
        parameters = self.subject.parameters or architecture.count(self.subject.shape).total
        achieved, accelerators, of = said["achieved_tflops"], said["accelerators"], self._of
        return training.Run(
            parameters=parameters,
            tokens=of("tokens", gettext_lazy("Tokens seen"), said["tokens"], "token"),
            recomputed=said["recomputed"] == "yes",
            achieved=of("achieved", gettext_lazy("Arithmetic that one reached"), achieved * 1e12, "FLOP/s")
            if achieved
            else None,
            accelerators=of("accelerators", gettext_lazy("Accelerators"), accelerators) if accelerators else None,
            hours=of("hours", gettext_lazy("Hours of accelerators"), said["hours"], "h") if said["hours"] else None,
            watts=of("watts", gettext_lazy("Power of an accelerator"), said["watts"], "W"),
            pue=of("pue", gettext_lazy("What the building takes for each watt of the machine (PUE)"), said["pue"]),
            grid=of("grid", gettext_lazy("Emissions of the grid"), said["grid"] / 1000, "kg/kWh"),
            price=of("price", gettext_lazy("Price of an hour"), said["price"], "USD/h") if said["price"] else None,
        )
