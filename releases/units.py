"""Quantities are kept in kg, kWh and bytes. Formats that count otherwise are converted here, at the edge, exactly."""

from __future__ import annotations

from decimal import Decimal


def kg_of_grams(grams: float) -> float:
    """What Hugging Face's cards count, as it is kept."""
    return _shifted(grams, -3)


def grams(kg: float) -> float:
    """What Hugging Face's cards count: grams of CO2 equivalent."""
    return _shifted(kg, 3)


def tonnes(kg: float) -> float:
    """What CycloneDX counts: tonnes of CO2 equivalent."""
    return _shifted(kg, -3)


def kg_of_tonnes(tonnes: float) -> float:
    """What CycloneDX counts, as it is kept."""
    return _shifted(tonnes, 3)


def _shifted(value: float, places: int) -> float:
    """The decimal point moved: no rounding, so that there and back is the number itself."""
    return float(Decimal(repr(float(value))).scaleb(places))
