"""Quantities for readers: in the unit that suits their size, in the reader's own digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.formats import number_format

from releases.costs.expression import Quantity
from releases.costs.units import SCALES

_LADDERS: Final = {
    "B": ("B", "kB", "MB", "GB", "TB"),
    "s": ("ms", "s"),
    "W": ("W", "kW"),
    "kg": ("g", "kg", "t"),
    "kWh": ("Wh", "kWh", "MWh"),
}
"""Base unit → the units that people read it in, the smallest first."""
_BINARY: Final = ("KiB", "MiB", "GiB", "TiB")
_THOUSANDS: Final = ("", "k", "M", "G", "T", "P")
_RATES: Final = {"B/s": "B/s", "FLOP/s": "FLOP/s"}
_PLAIN: Final = frozenset({"kg/kWh", "W·h/kWh", "W·s/kWh", "s/h", "h/d"})
"""Constants of conversion, and what is always told in this unit."""


def written(quantity: Quantity) -> str:
    """An amount as people read it: 349.2 GB, 24.3 ms, 4,719 kB/token, 4.3 × 10²³ FLOP."""
    unit = str(quantity.unit)
    first, slash, rest = unit.partition("/")
    if unit == "kg/kWh":
        return f"{digits(quantity.amount * 1000)}\u00a0g/kWh"
    if unit in _RATES:
        return _thousands(quantity.amount, unit)
    if first in _LADDERS and unit not in _PLAIN:
        amount, name = _scaled(quantity.amount, first)
        return f"{digits(amount)}\u00a0{name}{slash}{rest}"
    if first == "1" and slash:
        return f"{digits(quantity.amount)}/{rest}"
    return f"{digits(quantity.amount)}\u00a0{unit}".strip("\u00a0")


def both(quantity: Quantity) -> str:
    """Bytes by 1,000 and by 1,024: 349.2 GB (325.2 GiB); everything else as it is written."""
    if str(quantity.unit) != "B" or quantity.amount < 10_000:
        return written(quantity)
    name = next((each for each in _BINARY if quantity.amount / SCALES[each][1] < 1024), _BINARY[-1])
    return f"{written(quantity)} ({digits(quantity.amount / SCALES[name][1])}\u00a0{name})"


def digits(amount: float) -> str:
    """Whole numbers in full, others with four figures, very large and very small ones as a power of ten."""
    if amount and not 1e-3 <= abs(amount) < 1e15:
        mantissa, _e, exponent = f"{amount:.3e}".partition("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{number_format(float(mantissa), decimal_pos=2)}\u00a0×\u00a010{raised}"
    if float(amount).is_integer():
        return number_format(int(amount), force_grouping=True)
    places = max(0, 3 - len(str(int(abs(amount))))) + (1 if abs(amount) < 1 else 0)
    places += 2 if abs(amount) < 0.01 else 0
    return number_format(round(amount, places), decimal_pos=places, force_grouping=True)


def _scaled(amount: float, base: str) -> tuple[float, str]:
    ladder = _LADDERS[base]
    name = next((each for each in reversed(ladder) if abs(amount) >= SCALES[each][1]), ladder[0])
    return amount / SCALES[name][1], name


def _thousands(amount: float, unit: str) -> str:
    power = next(n for n in reversed(range(len(_THOUSANDS))) if abs(amount) >= 1000**n or n == 0)
    return f"{digits(amount / 1000**power)}\u00a0{_THOUSANDS[power]}{unit}"


@dataclass(frozen=True, slots=True)
class Step:
    """One number on a page with the steps below it; `again` where the page has shown it before, under the same id."""

    quantity: Quantity
    id: str
    again: bool
    steps: list[Step]

    @property
    def line(self) -> str:
        """Its arithmetic."""
        return self.quantity.arithmetic(written)


class Page:
    """Gives each number of a page one place, to which every other mention leads."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, float], str] = {}

    def step(self, quantity: Quantity) -> Step:
        """The number with what it was made of, as far as that has not been shown."""
        mark = (quantity.key, quantity.amount)
        if mark in self.seen:
            return Step(quantity, self.seen[mark], again=True, steps=[])
        number = sum(key == quantity.key for key, _amount in self.seen)
        self.seen[mark] = f"step-{quantity.key}" + (f"-{number + 1}" if number else "")
        return Step(quantity, self.seen[mark], again=False, steps=[self.step(each) for each in quantity.steps()])

    def all(self, quantities: Iterable[Quantity]) -> list[Step]:
        """Several, in order."""
        return [self.step(each) for each in quantities]
