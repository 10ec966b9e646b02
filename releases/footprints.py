"""What a release tells of its training's energy and emissions: in its card, by Hugging Face's names, and in its record.

Plain Python, so that the lint and the pages read both alike. The card counts grams of CO2 equivalent and kWh, the record
kg and kWh; a value that is no number above zero tells nothing, and the lint says so to whoever publishes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from releases import units
from releases.sentences import Sentence

CARD_KEY: Final = "co2_eq_emissions"
RECORD: Final = "records/energy.json"
RECORDED: Final = {
    "cpu_seconds": "cpu_seconds", "clock_seconds": "wall_seconds", "watts": "watts_per_core", "pue": "pue",
    "grid": "kg_co2e_per_kwh", "energy": "kwh", "carbon": "kg_co2e",
}  # fmt: skip
"""What is told of a training → its name in the record."""
CLOSE: Final = 0.05
"""By how much two figures of one training may differ and still be one: they are rounded."""
_MOST: Final = 1e18
_AROUND: Final = ("training_type", "hardware_used", "geographical_location")
_WORDS: Final = 300
"""Characters of the card's own words that are shown."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the card tells. kg, kWh; None and "" for what it does not tell."""

    kg: float | None = None
    kwh: float | None = None
    activity: str = ""
    method: str = ""
    boundary: str = ""


def of_card(card: Mapping[str, Any]) -> Footprint:
    """The card's `co2_eq_emissions`: a table, or its grams alone."""
    told = _table(card)
    grams = amount(told.get("emissions"))
    around = [words for name in _AROUND if (words := _words(told.get(name)))]
    return Footprint(
        kg=units.kg_of_grams(grams) if grams else None,
        kwh=amount(told.get("energy_consumed")),
        activity=_words(told.get("training_type")),
        method=_words(told.get("source")),
        boundary=", ".join(around),
    )


def amount(value: object) -> float | None:
    """A quantity, where the value is one that can be."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST
    return float(value) if good and isinstance(value, int | float) else None


def same(one: float, other: float) -> bool:
    """Whether two figures are one, rounded."""
    return math.isclose(one, other, rel_tol=CLOSE)


def faults(card: Mapping[str, Any], record: object) -> Iterator[Sentence]:
    """What nobody would read, or what contradicts itself, a sentence each; `record` is the record's JSON, or None."""
    told = _table(card)
    for name, unit in (("emissions", Sentence("grams of CO2 equivalent")), ("energy_consumed", "kWh")):
        if told.get(name) is not None and amount(told[name]) is None:
            yield Sentence(
                "%(key)s in the card has %(name)s: %(value)s, which is shown to nobody. Give a number above zero, in %(unit)s, with a point and no unit.",
                key=CARD_KEY, name=name, value=_shown(told[name]), unit=unit,
            )  # fmt: skip
    if record is None:
        return
    if not isinstance(record, dict):
        yield Sentence("%(record)s is no table of names and numbers, so nothing of it is shown.", record=RECORD)
        return
    for name in RECORDED.values():
        if record.get(name) is not None and amount(record[name]) is None:
            yield Sentence(
                "%(record)s has %(name)s: %(value)s, which is shown to nobody. Give a number above zero, with a point and no unit, or leave it out.",
                record=RECORD, name=name, value=_shown(record[name]),
            )  # fmt: skip
    yield from _contradictions(of_card(card), record)


def _contradictions(card: Footprint, record: Mapping[str, Any]) -> Iterator[Sentence]:
    kg, kwh, grid = (amount(record.get(name)) for name in ("kg_co2e", "kwh", "kg_co2e_per_kwh"))
    if kg and kwh and grid and not same(kwh * grid, kg):
        yield Sentence(
            "%(record)s says %(kwh)s kWh at %(grid)s kg a kWh, which makes %(made)s kg, and kg_co2e: %(kg)s. Correct the one that is in another unit.",
            record=RECORD, kwh=kwh, grid=grid, made=float(f"{kwh * grid:.4g}"), kg=kg,
        )  # fmt: skip
    if kg and card.kg and not same(card.kg, kg):
        yield Sentence(
            "The card says %(grams)s g of CO2 equivalent (%(kg)s kg), %(record)s says %(other)s kg. Readers see both: correct one, or say in the card's source: what it counts.",
            grams=units.grams(card.kg), kg=card.kg, record=RECORD, other=kg,
        )  # fmt: skip
    if kwh and card.kwh and not same(card.kwh, kwh):
        yield Sentence(
            "The card says %(kwh)s kWh, %(record)s says %(other)s kWh. Readers see both: correct one.",
            kwh=card.kwh, record=RECORD, other=kwh,
        )  # fmt: skip


def _table(card: Mapping[str, Any]) -> Mapping[str, Any]:
    said = card.get(CARD_KEY)
    return said if isinstance(said, dict) else {"emissions": said}


def _words(value: object) -> str:
    return " ".join(value.split())[:_WORDS] if isinstance(value, str) else ""


def _shown(value: object) -> str:
    return repr(value)[:60]
