"""A number that knows how it was made: one tree gives the number, the line of arithmetic and the JSON.

Quantities are put together with `+ - * /`; units follow, and adding metres to seconds raises. A quantity with a name is
a step of its own on the page; one without is written out within the line of the step that holds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from django.utils.functional import Promise

from releases.costs.units import Unit

Text = str | Promise
Writer = Callable[["Quantity"], str]
NUMBER: Final = Unit()
_ASSOCIATIVE: Final = frozenset({"×", "+"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number is from, for the reader; `url` is empty for what was entered or assumed here."""

    title: Text
    url: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in a unit, with the quantities that it was made of."""

    amount: float
    unit: Unit = NUMBER
    key: str = ""
    """For programs: it never changes. Empty for a step without a name."""
    label: Text = ""
    sign: str = ""
    """What joins the parts: × ÷ + − ^, `floor`, `min`, `max`; empty for what was given."""
    parts: tuple[Quantity, ...] = ()
    source: Source | None = None
    note: Text = ""

    def named(self, key: str, label: Text, note: Text = "") -> Quantity:
        """The same, as a step with a name."""
        if self.key:
            return Quantity(self.amount, self.unit, key, label, "=", (self,), note=note)
        return replace(self, key=key, label=label, note=note)

    def __mul__(self, other: Quantity) -> Quantity:
        return _joined("×", self.amount * other.amount, self.unit.times(other.unit), self, other)

    def __truediv__(self, other: Quantity) -> Quantity:
        return _joined("÷", self.amount / other.amount, self.unit.times(other.unit, -1), self, other)

    def __add__(self, other: Quantity) -> Quantity:
        return _joined("+", self.amount + other.amount, _same(self, other), self, other)

    def __sub__(self, other: Quantity) -> Quantity:
        return _joined("−", self.amount - other.amount, _same(self, other), self, other)

    def __pow__(self, other: Quantity) -> Quantity:
        return _joined("^", self.amount**other.amount, self.unit, self, other)

    def whole(self) -> Quantity:
        """The whole part, never below zero."""
        return Quantity(max(0, math.floor(self.amount)), self.unit, sign="floor", parts=(self,))

    def arithmetic(self, write: Writer) -> str:
        """The line that makes this number: `174,604,468,224 × 2 B`; empty for a given one."""
        words = [part.within(write) for part in self.parts]
        if self.sign in {"floor", "min", "max"}:
            return f"{self.sign}({', '.join(words)})"
        return f" {self.sign} ".join(words) if self.sign != "=" else words[0]

    def within(self, write: Writer) -> str:
        """How it stands in a longer line: by its amount, or written out where it has no name."""
        if self.key or not self.parts:
            return write(self)
        line = self.arithmetic(write)
        return line if self.sign in {"floor", "min", "max"} else f"({line})"

    def steps(self) -> Iterator[Quantity]:
        """The nearest quantities with a name that it is made of, each once, in the order of the line."""
        seen: set[str] = set()
        for part in self.parts:
            for step in [part] if part.key else part.steps():
                if step.key not in seen:
                    seen.add(step.key)
                    yield step

    def as_json(self) -> dict[str, Any]:
        """All of the tree, in base units."""
        return {
            "key": self.key,
            "label": str(self.label),
            "value": self.amount,
            "unit": str(self.unit),
            "arithmetic": self.arithmetic(plain),
            "source": {"title": str(self.source.title), "url": self.source.url} if self.source else None,
            "note": str(self.note),
            "of": [step.as_json() for step in self.steps()],
        }


def given(
    key: str, label: Text, amount: float, unit: str = "", source: Source | None = None, note: Text = ""
) -> Quantity:
    """A number that nothing here was computed for."""
    return Quantity(amount, Unit.of(unit), key, label, source=source, note=note)


def exactly(amount: float, unit: str = "") -> Quantity:
    """A constant of a formula, written where it stands."""
    return Quantity(amount, Unit.of(unit))


def least(*parts: Quantity) -> Quantity:
    """The smallest of them."""
    return Quantity(min(part.amount for part in parts), _same(*parts), sign="min", parts=parts)


def most(*parts: Quantity) -> Quantity:
    """The largest of them."""
    return Quantity(max(part.amount for part in parts), _same(*parts), sign="max", parts=parts)


def plain(quantity: Quantity) -> str:
    """An amount in its base unit, for programs and tests: digits of whole numbers, six figures of others."""
    number = f"{quantity.amount:,}" if isinstance(quantity.amount, int) else f"{quantity.amount:,.6g}"
    return f"{number} {quantity.unit}".strip()


def _joined(sign: str, amount: float, unit: Unit, left: Quantity, right: Quantity) -> Quantity:
    """One step; a sum of sums and a product of products are one line."""
    first = left.parts if sign in _ASSOCIATIVE and left.sign == sign and not left.key else (left,)
    return Quantity(amount, unit, sign=sign, parts=(*first, right))


def _same(*parts: Quantity) -> Unit:
    units = {part.unit for part in parts}
    if len(units) > 1:
        raise ValueError(f"{', '.join(sorted(str(unit) or 'a number' for unit in units))} do not add up")
    return units.pop()
