"""Times as people write them in logbooks, read as UTC with a word for how sure we are. No framework, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_ZONES: Final[dict[str, tzinfo]] = {
    "Z": UTC, "UTC": UTC, "GMT": UTC,
    "ET": ZoneInfo("America/New_York"), "PT": ZoneInfo("America/Los_Angeles"),
    "EST": timezone(timedelta(hours=-5)), "EDT": timezone(timedelta(hours=-4)),
    "PST": timezone(timedelta(hours=-8)), "PDT": timezone(timedelta(hours=-7)),
    "CET": timezone(timedelta(hours=1)), "CEST": timezone(timedelta(hours=2)),
}  # fmt: skip
"""ET and PT change with the season, as people use them; the others are what they say."""
_STAMP: Final = re.compile(
    r"""\s*
    (?: (?P<year>\d{4})[-/.](?P<month>\d{1,2}|XX)[-/.](?P<day>\d{1,2}|XX) | (?P<short_month>\d{1,2})[-/](?P<short_day>\d{1,2}) )
    (?![\d.])
    (?: (?:T|[\s,_@]{1,20}) (?P<hour>\d{1,2})
        (?: :(?P<minute>\d{2}) (?: :(?P<second>\d{2}(?:\.\d{1,9})?) )? \s*(?P<half>[ap]\.?m\b\.?)? | \s*(?P<bare_half>[ap]\.?m\b\.?) )
        (?: \s* \(?(?P<zone>Z|UTC|GMT|[EP][SD]?T|CES?T|[+-]\d{2}:?\d{2})\b\)? )?
    )?
    (?= \s | $ | [:,;)\]–—-] )
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time as written, what it means in UTC (the start of its minute or day), and how exactly it is known."""

    raw: str = ""
    at: datetime | None = None
    confidence: str = "unknown"


def leading(text: str, *, year: int | None = None, zone: str = "") -> tuple[Stamp, str]:
    """The stamp that a line begins with, and the rest of the line; without one, an empty stamp and the line.

    `year` completes `11-28`; `zone` is where times without one were written. What cannot be a time (`2022-04-XX`,
    month 13) is kept as written, with nothing read from it.
    """
    found = _STAMP.match(text)
    if found is None:
        return Stamp(), text.strip()
    raw = found.group().strip()
    return _read(found, raw, year, zone), text[found.end() :].strip()


def known_zone(name: str) -> bool:
    """Whether `zone` may be this: empty, one of the names, or an offset like `+01:00`."""
    return not name or _zone(name) is not None


def read(raw: str, *, zone: str = "") -> Stamp:
    """A whole text that is a time: ISO 8601, or as `leading` reads it. Unknown, with the text kept, when it is none."""
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        stamp, rest = leading(raw, zone=zone)
        return stamp if not rest and stamp.raw else Stamp(raw)
    if len(raw) <= len("2022-01-01"):
        return Stamp(raw, moment.replace(tzinfo=UTC), "day")
    clock = re.split("[+-]", raw[10:])[0]
    return _placed(raw, moment, zone, exact=clock.count(":") > 1)


def _read(found: re.Match[str], raw: str, year: int | None, zone: str) -> Stamp:
    part = found.groupdict()
    try:
        day = date(
            int(part["year"] or year or 0),
            int(part["month"] or part["short_month"]),
            int(part["day"] or part["short_day"]),
        )
        if part["hour"] is None:
            return Stamp(raw, datetime(day.year, day.month, day.day, tzinfo=UTC), "day")
        clock = timedelta(hours=_hour(part), minutes=int(part["minute"] or 0), seconds=float(part["second"] or 0))
        if clock >= timedelta(days=1):
            return Stamp(raw)
        moment = datetime.combine(day, time.min) + clock
    except ValueError:
        return Stamp(raw)
    return _placed(raw, moment, part["zone"] or zone, exact=part["second"] is not None)


def _hour(part: dict[str, str]) -> int:
    """On the 24-hour clock. Raises ValueError for 13 pm."""
    hour, half = int(part["hour"]), (part["half"] or part["bare_half"] or "").lower()[:1]
    if half and not 1 <= hour <= 12:
        raise ValueError("no such hour")
    return hour % 12 + 12 * (half == "p") if half else hour


def _placed(raw: str, moment: datetime, zone: str, *, exact: bool) -> Stamp:
    """In UTC. Where nobody says the zone, UTC is assumed, and the stamp says that it is inferred."""
    place = moment.tzinfo or _zone(zone)
    if place is None:
        return Stamp(raw, moment.replace(tzinfo=UTC), "inferred")
    try:
        return Stamp(raw, moment.replace(tzinfo=place).astimezone(UTC), "exact" if exact else "minute")
    except OverflowError:  # UTC has no such year
        return Stamp(raw)


def _zone(name: str) -> tzinfo | None:
    if name.upper() in _ZONES:
        return _ZONES[name.upper()]
    offset = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", name)
    if offset is None or int(offset[2]) > 14 or int(offset[3]) > 59:
        return None
    span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return timezone(-span if offset[1] == "-" else span)
