"""How numbers, sizes, days and moments are written, on pages and in what else people read, as their language has it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime


def in_bytes(size: int | None) -> str:
    """Write a size in decimal units, three figures: 12.4 MB. Under 10 kB exactly: 7,318 B."""
    if size is None:
        return "—"
    return _scaled(size, 1000, ("B", "kB", "MB", "GB", "TB", "PB"))


def bytes_both(size: int | None) -> str:
    """Write a size in both conventions: 12.4 MB (11.8 MiB)."""
    if size is None or size < 10_000:
        return in_bytes(size)
    return f"{in_bytes(size)} ({_scaled(size, 1024, ('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'))})"


def _scaled(size: int, base: int, units: Sequence[str]) -> str:
    if size < 10_000:
        return f"{number_format(size, force_grouping=True)}\u00a0B"
    power = next((n for n in range(1, len(units)) if round(size / base**n) < base), len(units) - 1)
    value = size / base**power
    places = 1 if value < 99.95 else 0
    return f"{number_format(round(value, places), decimal_pos=places)}\u00a0{units[power]}"


def thousands(value: int | None) -> str:
    """Write a whole number with separators; nothing known is a dash."""
    return "—" if value is None else number_format(value, force_grouping=True)


def stamp(when: datetime.datetime | None) -> SafeString:
    """Write a moment as 23 Nov 2026, 14:20 UTC in a <time>, the date as the language has it."""
    if when is None:
        return mark_safe("—")
    utc = localtime(when, datetime.UTC)
    return format_html('<time datetime="{}">{}</time>', utc.isoformat(timespec="seconds"), _moment(utc))


def day(when: datetime.date | datetime.datetime | None) -> SafeString:
    """Write a date as 23 Nov 2026 in a <time>, or as the language has it."""
    if when is None:
        return mark_safe("—")
    date = localtime(when, datetime.UTC).date() if isinstance(when, datetime.datetime) else when
    return format_html('<time datetime="{}">{}</time>', date.isoformat(), _date(date))


def _date(date: datetime.date) -> str:
    return date_format(date).replace(" ", "\u00a0")


def _moment(utc: datetime.datetime) -> str:
    return f"{_date(utc.date())}, {utc:%H:%M}\u00a0UTC"
