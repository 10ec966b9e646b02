"""What a pool's tokens take in energy, as its operator measured or took it from somewhere."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.db.models import Q

ENERGY: Final = (
    "millijoules_per_prompt_token", "millijoules_per_completion_token", "overhead_percent", "grams_per_kwh",
)  # fmt: skip


class EnergyFields(models.Model):
    """All of these, or none: nothing is estimated from half of them."""

    millijoules_per_prompt_token = models.PositiveIntegerField(null=True, blank=True)
    """Of the accelerators and their hosts, for a token that is read and was not in the engine's cache."""
    millijoules_per_completion_token = models.PositiveIntegerField(null=True, blank=True)
    overhead_percent = models.PositiveIntegerField(null=True, blank=True)
    """What the building takes in all per 100 of what the machines take (PUE times 100), at least 100."""
    grams_per_kwh = models.PositiveIntegerField(null=True, blank=True)
    """CO₂ equivalent that the grid emits for a kilowatt-hour."""
    energy_source = models.CharField(max_length=500, blank=True)
    """How the figures were measured, or where they are from; shown beside every estimate."""

    class Meta:
        abstract = True


def all_or_none() -> Q:
    """The constraint: every figure with its source, or nothing."""
    none = Q(energy_source="", **dict.fromkeys(ENERGY))
    return none | (~Q(energy_source="") & Q(overhead_percent__gte=100, **{f"{name}__isnull": False for name in ENERGY}))
