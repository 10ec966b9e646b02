"""From many points to what a screen can show: the two extremes of each column of pixels."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from releases.curves.points import Points, extremes


def columns(points: Points, axis: str, low: float, high: float, pixels: int) -> Points:
    """At most two points of each of `pixels` columns between `low` and `high`: its least and its greatest value.

    The axis must not go back, and every point lies between the two. What is drawn of the result touches every pixel
    that the whole would touch. The first and the last point stay, so that a line reaches as far as its points do.
    """
    places, width = points.axis(axis), (high - low) / pixels
    if len(points) < 5 or width <= 0:
        return points
    kept: list[int] = [0]
    start = 0
    for column in range(int((places[0] - low) / width) + 1, int((places[-1] - low) / width) + 2):
        end = bisect_left(places, low + column * width, start)
        if end > start:
            kept += (start + position for position in extremes(points.value[start:end]))
        start = end
    if start < len(places):
        kept += (start + position for position in extremes(points.value[start:]))
    return points.taken(list(dict.fromkeys((*kept, len(places) - 1))))


def between(places: Sequence[float], low: float, high: float) -> tuple[int, int]:
    """Which positions lie from `low` to `high`, both included, of places that do not go back: (start, end)."""
    return bisect_left(places, low), bisect_right(places, high)
