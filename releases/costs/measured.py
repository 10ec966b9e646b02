"""What was measured of a model in use, told from above: releases know no pools, so whoever has some registers how to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from releases.models import Model


@dataclass(frozen=True, slots=True)
class Measured:
    """The newest requests of one pool."""

    pool: str
    engine: str
    requests: int
    since: datetime
    each: float
    """Tokens a second of one answer."""
    rate: float
    """Tokens a second of all answers together, while there were any."""
    at_once: float
    """Answers under way at the same time, as a mean over that time."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"since": self.since.isoformat()}


Meter = Callable[[Model], Measured | None]
_meters: dict[str, Meter] = {}


def meter(function: Meter) -> Meter:
    """Register a function, from AppConfig.ready, that says what was measured of a model; None: nothing."""
    _meters[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def of(model: Model) -> Measured | None:
    """The first that has something to say."""
    return next((told for tell in _meters.values() if (told := tell(model)) is not None), None)
