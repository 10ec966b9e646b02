"""What one token may do with one model, prepared once as the keys and arguments of the scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Final

from inference import contract
from inference.contract import Limits, Principal, Route
from inference.gateway.asgi import Headers
from inference.gateway.counters import counter_key
from inference.gateway.wire import Packed, packed

_MINUTE_MS: Final = 60_000
_NO_RATE: Final = (-1.0, -1.0, -1.0)
_NO_QUOTA: Final = -1.0
_SCOPE: Final = Struct("<9d")
Arguments = tuple[str | int | float, ...]


def queue_key(pool: str) -> str:
    """Base of the keys of one pool's queue: see scripts/queue.lua."""
    return f"wb:queue:{pool}"


def burst_of(limit: int, largest: int) -> int:
    """What a per-minute limit admits at once: the largest single request, or a sixth of it, whichever is more.

    Never more than half (but at least one), so that what refills over a minute and the burst together make the limit:
    no minute, wherever it begins, sees more than `limit`.
    """
    return max(min(largest, limit // 2), limit // 6, 1)


def rate_of(limit: int | None, largest: int) -> tuple[float, float, float]:
    """Limit, ms per unit and burst in ms of a per-minute limit; negative where there is none."""
    if limit is None:
        return _NO_RATE
    if limit == 0:
        return (0, _MINUTE_MS, -1)
    burst = burst_of(limit, largest)
    step = _MINUTE_MS / (limit - burst) if limit > burst else _MINUTE_MS + 1
    return (limit, step, burst * step)


@lru_cache(maxsize=1024)
def scope_terms(limits: Limits, largest: int) -> bytes:
    """One scope's limits, packed as admit.lua names them."""
    quotas = (limits.concurrency, limits.tokens_per_day, limits.tokens_per_period)
    numbers = (
        *rate_of(limits.requests_per_minute, 1),
        *rate_of(limits.tokens_per_minute, largest),
        *(_NO_QUOTA if quota is None else quota for quota in quotas),
    )
    return _SCOPE.pack(*numbers) + limits.period.encode() + b"\0"


@dataclass(frozen=True, slots=True)
class Scope:
    """One counter that a request goes through; `kind` is token, user, project, model or pool."""

    kind: str
    limits: Limits
    key: str


@dataclass(slots=True)
class Identity:
    """A token that was recognised, with the rights prepared so far."""

    digest: str
    principal: Principal
    proof: str = ""
    """SHA-1 of the principal's text in Redis, where it was read there."""
    rights: dict[str, Right] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Right:
    """Token × model × route. `guards` are the keys whose values can end it.

    `keys` and `terms` are parts of the call of admit.lua, in its order: the keys before that of the lease; and what must
    hold, the limits of each scope and the lease's constant fields.
    """

    identity: Identity
    route: Route
    scopes: tuple[Scope, ...]
    guards: tuple[str, str, str, str]
    generations: tuple[int, int, int]
    not_after: int
    keys: Packed
    terms: Packed
    headers: Headers
    """On every answer: what exactly answers."""
    content_key: str = ""
    """Where prompt and answer are kept: the public key that seals them."""


def right_for(identity: Identity, route: Route, *, largest: int) -> Right | None:
    """The right, or None when the principal has none for this model. Prepared once per identity and route."""
    known = identity.rights.get(route.model)
    if known is not None and known.route is route:
        return known
    principal, access = identity.principal, identity.principal.models.get(route.model)
    if access is None:
        return None
    scopes, guards = _scopes(principal, access, route), _guards(identity, access)
    generations = (principal.user_generation, principal.project_generation, access.gate_generation)
    not_after = min(principal.not_after, access.not_after)
    pool = 1 if scopes and scopes[-1].kind == "pool" else 0
    keys = (*guards, contract.principal_key(identity.digest), *(scope.key for scope in scopes), queue_key(route.pool))
    limits = b"".join(scope_terms(scope.limits, largest) for scope in scopes)
    terms = (principal.project_id, not_after, *generations, identity.proof, len(scopes), pool, limits)
    right = Right(
        identity=identity,
        route=route,
        scopes=scopes,
        guards=guards,
        generations=generations,
        not_after=not_after,
        keys=packed(contract.LEASES, *keys),
        terms=packed(*terms, *_facts(principal, route)),
        headers=_headers(route),
        content_key=access.content_key,
    )
    identity.rights[route.model] = right
    return right


def _scopes(principal: Principal, access: contract.Access, route: Route) -> tuple[Scope, ...]:
    project = principal.project_id
    every = (
        ("token", principal.token_id, principal.token_limits),
        ("user", principal.user_id, principal.user_limits),
        ("project", project, principal.project_limits),
        ("model", f"{project}:{route.number}", access.limits),
        ("pool", route.pool, route.limits),
    )
    return tuple(Scope(kind, limits, counter_key(kind, name)) for kind, name, limits in every if _limits(limits))


def _limits(limits: Limits) -> bool:
    return any(getattr(limits, name) is not None for name in Limits.__slots__ if name != "period")


def _guards(identity: Identity, access: contract.Access) -> tuple[str, str, str, str]:
    principal = identity.principal
    return (
        contract.tombstone_key(identity.digest),
        contract.generation_key("user", principal.user_id),
        contract.generation_key("project", principal.project_id),
        contract.generation_key("gate", access.gate),
    )


def _facts(principal: Principal, route: Route) -> Arguments:
    """Fields of the lease that do not change from request to request."""
    facts = (
        "token_id", principal.token_id, "user_id", principal.user_id, "project_id", principal.project_id,
        "model", route.model, "revision", route.revision, "pool", route.pool, "engine", route.engine,
    )  # fmt: skip
    return (*facts, "status", "refused") if principal.batch else facts  # a row is billed whole or not at all: rows.py


def _headers(route: Route) -> Headers:
    named = ((b"weighbridge-model-revision", route.revision), (b"weighbridge-engine", route.engine))
    return [(name, value.encode("ascii", "replace")) for name, value in named if value]
