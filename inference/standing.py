"""What works now, for everybody who wonders whether it is them: the portal's parts, and the models that can be queried.

It says nothing that would help an attacker: no address of a server, no version, no reason of the operator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import caches
from django.utils import timezone

from inference import metrics, overview
from inference.models import Pool
from inference.overview import UNKNOWN, PoolState
from portal.mail.sending import TOPIC
from portal.outbox.models import Message
from portal.switches.models import Switch, SwitchState

FRESH_S: Final = 5
"""The page is public: the parts are asked once in this time."""
KEPT: Final = "standing"
LATE: Final = timedelta(minutes=10)
"""A letter that waits longer is late: it is tried each second at first."""
WORKS, BEHIND, AWAY, CLOSED, BUSY, NOT_KNOWN = "works", "behind", "away", "closed", "busy", "not known"
WELL: Final = frozenset({WORKS, BUSY})
"""A model that is busy works."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the portal. `since`: from when on it is closed, or its letters wait; None where it works, or nobody knows."""

    name: str
    state: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A model that can be queried. `servers` answer of `of`; `waiting`: requests that wait for a place, None where that is not known."""

    model: str
    commit: str
    state: str
    servers: int
    of: int
    waiting: int | None

    @property
    def path(self) -> str:
        """Its page here."""
        return f"/{self.model}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands at a moment. What does not work comes first among the models."""

    at: datetime
    parts: list[Part]
    models: list[Served]

    @property
    def well(self) -> bool:
        """Whether all that is offered works."""
        return {one.state for one in self.parts} | {one.state for one in self.models} <= WELL


def now() -> Standing:
    """How it stands, a few seconds old at most."""
    found: Standing | None = caches["process"].get(KEPT)
    if found is None:
        found = _look()
        caches["process"].set(KEPT, found, FRESH_S)
    return found


def _look() -> Standing:
    closed = {row.switch: row.changed_at for row in SwitchState.objects.filter(is_on=False)}
    return Standing(timezone.now(), list(_parts(closed)), _models(closed=Switch.QUERY in closed))


def _parts(closed: dict[str, datetime]) -> Iterator[Part]:
    limits = metrics.parts()["limits"]
    for switch in Switch:
        if switch in closed:
            yield Part(switch, CLOSED, closed[switch])
        elif switch == Switch.QUERY and not limits:
            yield Part(switch, AWAY)
        else:
            yield Part(switch, WORKS)
    waiting = Message.objects.filter(topic=TOPIC, ended_at=None, created_at__lt=timezone.now() - LATE)
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    yield Part("mail", BEHIND if oldest else WORKS, oldest)


def _models(*, closed: bool) -> list[Served]:
    pools = list(Pool.objects.serving().offered().proper())
    found = [_served(pool, closed=closed) for pool in overview.states(pools)]
    return sorted(found, key=lambda one: (one.state in WELL, one.model))


def _served(pool: PoolState, *, closed: bool) -> Served:
    there = [one for one in pool.backends if not one.draining]
    answering = sum(one.state in ("well", "on trial") for one in there)
    if closed:
        state = CLOSED
    elif not answering:
        state = NOT_KNOWN if any(one.state == UNKNOWN for one in there) else AWAY
    else:
        state = BUSY if pool.queued else WORKS
    return Served(pool.model, pool.revision, state, answering, len(there), pool.queued)
