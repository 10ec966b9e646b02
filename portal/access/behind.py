"""What stands behind a gate, told from above: access knows no models, so whoever has some registers how to name them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from portal.access.gate_models import Gate
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class Link:
    """One thing behind a gate, and where it says what a person may do with it."""

    label: str
    url: str


Teller = Callable[[Gate, User], Iterable[Link]]
_tellers: dict[str, Teller] = {}


def teller(function: Teller) -> Teller:
    """Register a function, from AppConfig.ready, that names what stands behind a gate for a person."""
    _tellers[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def links(gate: Gate, person: User) -> list[Link]:
    """What stands behind the gate, as far as it should be shown in a line."""
    return [link for tell in _tellers.values() for link in tell(gate, person)]


Namer = Callable[[Iterable[int]], Iterable[tuple[int, str]]]
_namers: dict[str, Namer] = {}


def namer(function: Namer) -> Namer:
    """Register a function, from AppConfig.ready, that says (gate's id, path) of each published thing behind gates."""
    _namers[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def paths(gates: Iterable[int]) -> dict[int, list[str]]:
    """The paths of all that stands published behind these gates, by gate."""
    wanted, found = set(gates), defaultdict[int, list[str]](list)
    for name in _namers.values():
        for gate, path in name(wanted):
            found[gate].append(path)
    return found
