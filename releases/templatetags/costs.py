"""How costs are drawn: a number in the reader's digits, and the line that made it."""

from __future__ import annotations

from django import template

from releases.costs import writing
from releases.costs.expression import Quantity
from releases.costs.units import Unit

register = template.Library()


@register.filter
def amount(quantity: Quantity) -> str:
    """349.2 GB (325.2 GiB), 24.3 ms."""
    return writing.both(quantity)


@register.filter
def brief(quantity: Quantity) -> str:
    """The same, without the second count of bytes."""
    return writing.written(quantity)


@register.filter
def in_unit(value: float, unit: str) -> str:
    """A bare amount in a base unit: 75,000 kg as 75 t."""
    return writing.written(Quantity(value, Unit.of(unit)))
