"""Units as products of symbols, and the few that are the same thing in another size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

SCALES: Final[Mapping[str, tuple[str, float]]] = {
    "g": ("kg", 1e-3), "kg": ("kg", 1), "t": ("kg", 1e3),
    "Wh": ("kWh", 1e-3), "kWh": ("kWh", 1), "MWh": ("kWh", 1e3),
    "B": ("B", 1), "kB": ("B", 1e3), "MB": ("B", 1e6), "GB": ("B", 1e9), "TB": ("B", 1e12),
    "KiB": ("B", 2**10), "MiB": ("B", 2**20), "GiB": ("B", 2**30), "TiB": ("B", 2**40),
    "ms": ("s", 1e-3), "s": ("s", 1), "W": ("W", 1), "kW": ("W", 1e3),
}  # fmt: skip
"""Symbol → the base unit in which it is kept, and how many of those it is."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Symbols with their powers: `B/token` is byte to the first, token to the minus first. Empty: a plain number."""

    powers: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, text: str) -> Self:
        """Read `B/token`, `1/s`, `W*s/kWh`; empty for a plain number."""
        above, _slash, below = text.partition("/")
        powers: dict[str, int] = {}
        for part, sign in ((above, 1), (below, -1)):
            for symbol in filter(None, part.split("*")):
                if symbol != "1":
                    powers[symbol] = powers.get(symbol, 0) + sign
        return cls(_sorted(powers))

    def times(self, other: Unit, sign: int = 1) -> Unit:
        """The unit of a product, or with `sign` -1 of a quotient."""
        powers = dict(self.powers)
        for symbol, power in other.powers:
            powers[symbol] = powers.get(symbol, 0) + sign * power
        return Unit(_sorted(powers))

    def __str__(self) -> str:
        above = "·".join(symbol for symbol, power in self.powers for _ in range(power))
        below = "·".join(symbol for symbol, power in self.powers for _ in range(-power))
        return f"{above or '1'}/{below}" if below else above


def _sorted(powers: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((symbol, power) for symbol, power in powers.items() if power))
