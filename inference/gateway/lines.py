"""GET /v1/queue: how long the lines are, and where one's own requests stand; and the class in which a request waits."""

from __future__ import annotations

from typing import Any, Final

from inference.contract import CLASSES, Principal, Route
from inference.gateway.call import Call
from inference.gateway.errors import bad_request
from inference.gateway.limits import Standing
from inference.gateway.plane import Plane
from inference.gateway.queue import estimate
from inference.gateway.rights import Identity

_HEADER: Final = b"weighbridge-class"
_NORMAL: Final = CLASSES.index("normal")


def rank_of(call: Call, principal: Principal) -> int:
    """The class that the request asks for, or the highest that its principal may have, counted from 1.

    Raises a 400 refusal for a class that does not exist.
    """
    asked, highest = call.header(_HEADER), CLASSES.index(principal.top_class)
    if asked is None:
        wanted = _NORMAL
    else:
        name = asked.decode("ascii", "replace")
        if name not in CLASSES:
            raise bad_request(f"Weighbridge-Class must be one of {', '.join(CLASSES)}.", code="unknown_class")
        wanted = CLASSES.index(name)
        call.headers.append((_HEADER, CLASSES[max(wanted, highest)].encode()))
    return max(wanted, highest) + 1


async def show(plane: Plane, call: Call, identity: Identity) -> None:
    """The queue of every pool that this token may query, if it has one."""
    principal = identity.principal
    lines = []
    for model in sorted(principal.models.keys() & plane.pool.routes.keys()):
        route = plane.admission.right(identity, model).route
        if route.limits.concurrency is not None:
            lines.append(_line(route, await plane.limiter.look(route, principal.project_id)))
    await call.answer({"object": "list", "data": lines})


def _line(route: Route, standing: Standing) -> dict[str, Any]:
    return {
        "object": "queue",
        "model": route.model,
        "places": route.limits.concurrency,
        "running": standing.running,
        "waiting": standing.waiting,
        "estimate_ms": estimate(standing.gap, sum(standing.waiting.values()) + 1),
        "yours": [
            {
                "request_id": name,
                "class": kind,
                "place": place,
                "waited_ms": waited,
                "estimate_ms": estimate(standing.gap, place),
            }
            for name, kind, place, waited in standing.own
        ],
    }
