"""The burn-down figure: tokens left by day, drawn on the server as lines of an SVG of fixed size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.utils.formats import date_format, number_format

from inference.usage import Burn
from releases.curves.scales import Scale, Tick

LEFT: Final = 56.0
RIGHT: Final = 790.0
TOP: Final = 16.0
BOTTOM: Final = 228.0
_STEPS: Final = 4
_MOST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class BurnDown:
    """All that the template draws. Coordinates in pixels of a 920 × 270 view."""

    line: str
    area: str
    pace: str
    forecast: str
    end_x: float
    end_y: float
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    rows: list[tuple[date, int, int]]
    """Day, tokens used on it, tokens left after it: the table behind the figure."""
    likely: int | None
    """Tokens left at the period's end if the pace so far holds; None when the period has no end."""


def draw(burn: Burn, now: datetime) -> BurnDown | None:
    """The figure, or None when nothing limits the period or nothing was used yet."""
    limit = burn.limits.tokens_per_period
    if not limit or not burn.used or burn.until is None or (burn.until - burn.since).days > _MOST_DAYS:
        return None
    days = _days(burn, now)
    scale = _Scale(burn.since, burn.until, limit)
    rows, left = [], limit
    for day in days:
        spent = burn.by_day.get(day, 0)
        left -= spent
        rows.append((day, spent, max(0, left)))
    points = [(LEFT, scale.y(limit))] + [(scale.x(min(_end(day), now)), scale.y(after)) for day, _, after in rows]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    end_x, end_y = points[-1]
    likely = _likely(burn, now)
    return BurnDown(
        line=line,
        area=f"{line}L{end_x:.1f} {BOTTOM}L{LEFT} {BOTTOM}Z",
        pace=f"M{LEFT} {TOP}L{RIGHT} {BOTTOM}",
        forecast=f"M{end_x:.1f} {end_y:.1f}L{RIGHT} {scale.y(likely):.1f}",
        end_x=round(end_x, 1),
        end_y=round(end_y, 1),
        x_ticks=scale.x_ticks(),
        y_ticks=amounts(limit),
        rows=rows,
        likely=likely,
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    since: datetime
    until: datetime
    limit: int

    def x(self, moment: datetime) -> float:
        share = (moment - self.since) / (self.until - self.since)
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, share))

    def y(self, left: int) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(1.0, max(0.0, left / self.limit))

    def x_ticks(self) -> list[Tick]:
        length = (self.until - self.since).days or 1
        every = max(1, length // 6)
        marks = (self.since + timedelta(days=n) for n in range(0, length + 1, every))
        return [Tick(round(self.x(mark), 1), date_format(mark.astimezone(UTC), "j M")) for mark in marks]


def amounts(most: int) -> list[Tick]:
    """Round numbers of tokens on an upright axis that ends at `most`."""
    scale = Scale(0, most, BOTTOM, TOP)
    whole = (int(value) for value in scale.ticks(_STEPS) if value.is_integer())
    return [Tick(round(scale.place(value), 1), _short(value)) for value in whole]


def _short(value: int) -> str:
    """1.5 M, 500 k."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{number_format(format(value / size, '.3g'))} {unit}"
    return str(value)


def _days(burn: Burn, now: datetime) -> list[date]:
    first, last = burn.since.astimezone(UTC).date(), now.astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _end(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def _likely(burn: Burn, now: datetime) -> int:
    passed = max(now - burn.since, timedelta(hours=1))
    whole = (burn.until or now) - burn.since
    return max(0, (burn.limits.tokens_per_period or 0) - int(burn.used * (whole / passed)))
