"""A period that ends now, though by a clock that was set back since it would begin only now or later."""

from __future__ import annotations

from datetime import datetime, timedelta


def began(at: datetime | None, now: datetime) -> datetime:
    """When a period began that ends at `now`: `at`, where that is before, else the least time before `now`.

    The database keeps no period that ends when it begins. None stands for one that has not begun.
    """
    return at if at is not None and at < now else now - timedelta.resolution
