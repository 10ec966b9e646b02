"""What a reader asks for in an address, made sense of; nothing in it is an error, since addresses are passed around."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest

from releases.curves.picture import MOST_PANELS, Wish
from releases.curves.points import AXES


@dataclass(frozen=True, slots=True)
class Asked:
    """The picture that is wished for, and the entry that is picked (its number; 0 for none)."""

    wish: Wish
    pick: int


def of(request: HttpRequest) -> Asked:
    """From `axis`, `from`, `to`, `series` (repeated, or with commas), `width` in pixels, and `pick`."""
    given = request.GET
    axis = given.get("axis", "")
    series = [name.strip() for text in given.getlist("series")[:MOST_PANELS] for name in text.split(",")]
    return Asked(
        Wish(
            axis=axis if axis in AXES else "",
            low=_place(given.get("from", "")),
            high=_place(given.get("to", "")),
            series=series[:MOST_PANELS],
            pixels=_whole(given.get("width", ""), 800),
        ),
        pick=_whole(given.get("pick", ""), 0),
    )


def _place(text: str) -> float | None:
    """A number, or a moment in ISO 8601; None for anything else."""
    try:
        found = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
            found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return found if math.isfinite(found) else None


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
