"""What one row of a batch has met so far, and whether it is sent again. Pure: the caller brings the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

ENGINE_TRIES: Final = 4
"""A row on which engines break so often, while other rows are answered, is the row's fault."""
PATIENCE_S: Final = 900.0
"""How long a row is tried where no engine answers at all; what it waits for rates and full pools is none of that."""
_STAND_IN_ENDED: Final = "stand_in_ended"
"""The one 401 for which a new stand-in will do."""
_WAITING: Final = frozenset({"overloaded", "model_not_loaded", "paused"})
"""Codes of a 503 that says nothing against the row: it is waited for as long as the batch lives."""


@dataclass(slots=True)
class Tries:
    """`last` is when the last try ended, `good` how many rows had been answered when it last failed at an engine.

    `spent_s` seconds were lost on engines, which broke `broken` times, over all turns at the batch; `ill`: the last try
    ended so.
    """

    last: float
    good: int
    count: int = 0
    broken: int = 0
    spent_s: float = 0.0
    ill: bool = False

    @classmethod
    def after(cls, met: list[float] | None, *, now: float, good: int) -> Self:
        """Those of a row that met this in earlier turns: see met()."""
        spent_s, broken = met or (0.0, 0)
        return cls(now, good, broken=int(broken), spent_s=spent_s)

    def met(self, *, now: float) -> list[float]:
        """What the next turn must know: seconds lost on engines, and how often these broke."""
        return [round(self.spent_s + (now - self.last if self.ill else 0), 1), self.broken]

    def unheard(self, *, now: float) -> None:
        """A try ended without an answer: nobody listened at the gateway."""
        self.last, self.ill = now, False

    def another(self, status: int, body: dict[str, Any], *, now: float, good: int) -> bool:
        """Whether the row is to be sent again after this answer."""
        took, self.last, self.ill = now - self.last, now, False
        error = body.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if status == 429:
            return bool(code != "insufficient_quota")
        if status == 401:
            return bool(code == _STAND_IN_ENDED)
        if status == 503 and code in _WAITING:
            return True
        if status < 500:
            return status in {408, 409}
        self.spent_s, self.ill = self.spent_s + took, True
        self.broken += good > self.good or status != 503
        self.good = good
        return self.broken < ENGINE_TRIES and self.spent_s < PATIENCE_S
