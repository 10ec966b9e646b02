"""The public numbers, as a page with a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import numbers, waiting
from portal.access.numbers import Row

WIDTH: Final = 780
HEIGHT: Final = 56
"""Of one gate in the figure, in its units."""
MOST: Final = 20
"""Gates in the figure; the table has all of them."""


@dataclass(frozen=True, slots=True)
class Bars:
    """One gate in the figure: where it begins from above, and how long its two bars are."""

    row: Row
    top: int
    half: float
    nine_in_ten: float


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What was sent and decided in a year, how long it took, and what is granted today."""
    collected = numbers.recent()
    bars = _bars(collected.gates)
    context = {"numbers": collected, "bars": bars, "height": len(bars) * HEIGHT, "least": waiting.LEAST}
    return render(request, "access/numbers.html", context)


def _bars(rows: list[Row]) -> list[Bars]:
    timed = [(row, row.times) for row in rows if row.times][:MOST]
    longest = max((times.nine_in_ten for _, times in timed), default=1)
    return [
        Bars(row, n * HEIGHT, WIDTH * times.half / longest, WIDTH * times.nine_in_ten / longest)
        for n, (row, times) in enumerate(timed)
    ]
