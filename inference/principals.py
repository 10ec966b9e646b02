"""Principals: who a query token stands for, built from the rules, and kept in Redis so that no right can come back.

A right shrinks in PostgreSQL first: its generation rises in the same transaction. The outbox then raises the known
generation in Redis. A fill carries the generations that it read *before* it read the rights, so a fill that started
before the change always carries an older one, and the script refuses it. A change that has no generation (of a release,
a lab, a switch, a default) drops every principal and begins a new round; a fill carries the round in which its reading
began. A revoked token leaves a tombstone, which outlives every fill that could have been under way.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from inference import content, contract, queryable, routes
from inference.allowances import Budget
from inference.models import Pool
from portal.counters import reachable
from portal.projects.models import Project
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from releases import lookup, policy

_NO_MODEL: Final = 0
FILL: Final = """
-- KEYS: principal, tombstone, round, known generations…   ARGV: JSON, time to live in ms, the round and generations carried
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if tonumber(ARGV[3]) ~= tonumber(redis.call('GET', KEYS[3]) or '0') then return 0 end
for i = 4, #KEYS do
  if tonumber(ARGV[i]) < tonumber(redis.call('GET', KEYS[i]) or '0') then return 0 end
end
for i = 4, #KEYS do
  if tonumber(ARGV[i]) > tonumber(redis.call('GET', KEYS[i]) or '0') then redis.call('SET', KEYS[i], ARGV[i]) end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
BUMP: Final = f"""{contract.WHEN_FULL}-- KEYS: known generation   ARGV: new generation. Never lowers: deliveries may come twice and out of order.
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > known then redis.call('SET', KEYS[1], ARGV[1]) end
return math.max(known, tonumber(ARGV[1]))
"""
NEXT_ROUND: Final = f"""{contract.WHEN_FULL}-- KEYS: round.
return redis.call('INCR', KEYS[1])
"""
BURY: Final = f"""{contract.WHEN_FULL}-- KEYS: tombstone, principal.   ARGV: time to live of the tombstone in ms.
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
redis.call('DEL', KEYS[2])
"""


@transaction.atomic
def build(
    token: AccessToken, *, now: datetime | None = None, batch: str = "", until: datetime | None = None
) -> contract.Principal:
    """What the token's holder may query now. One transaction, generations first: see the module's head.

    `batch` and `until` are a stand-in's: whose rows it sends, and when it ends. `token` must be read inside the same transaction or earlier; its user and project are read again here.
    """
    now = now or timezone.now()
    token.user.refresh_from_db(fields=["generation", "is_active"])
    project = token.project
    if project is None:
        raise ValueError("A query token always names a project.")
    project.refresh_from_db(fields=["generation", "closed_at"])
    pools = routes.met_by(str(token.project_id))
    budget = Budget.of(project, now)
    several = len({pool.lab_id for pool in pools}) > 1
    found = [(pool, _access(token, project, pool, budget, now, several_labs=several)) for pool in pools]
    bound = _bound_to(token)
    rights = {pool: access for pool, access in found if isinstance(access, contract.Access)}
    refused = {
        pool.model.full_name: why
        for pool, why in found
        if isinstance(why, contract.Reason) and bound in (None, pool.model_id)
    }
    return contract.Principal(
        token_id=str(token.pk),
        user_id=str(token.user_id),
        project_id=str(project.pk),
        not_after=_milliseconds(min(token.expires_at, until or token.expires_at)),
        user_generation=token.user.generation,
        project_generation=project.generation,
        cache_salt=_salt(str(project.pk)),
        models={pool.model.full_name: access for pool, access in rights.items() if bound in (None, pool.model_id)},
        project_limits=budget.whole([pool.lab for pool in rights]),
        top_class=contract.CLASSES[-1] if batch else budget.top_class([pool.lab for pool in rights]),
        refused=refused,
        batch=batch,
    )


def current_round() -> int:
    """The round to be read before the rights are. Raises Unavailable."""
    with reachable() as store:
        return int(store.get(contract.ROUND) or 0)


def fill(digest: str, principal: contract.Principal, *, begun: int = 0) -> bool:
    """Keep the principal for the gateway; False when a newer generation or a tombstone is known, or another round than that
    in which its reading has `begun`. Raises Unavailable."""
    carried = _generations(principal)
    keys = [contract.principal_key(digest), contract.tombstone_key(digest), contract.ROUND]
    keys += [contract.generation_key(kind, identity) for kind, identity, _ in carried]
    values: list[str | int] = [
        principal.to_json(),
        contract.PRINCIPAL_TTL_MS,
        begun,
        *(generation for _, _, generation in carried),
    ]
    with reachable() as store:
        return bool(store.eval(FILL, len(keys), *keys, *values))


def bump(kind: str, identity: str, generation: int) -> None:
    """Make older principals of this user, project or gate worthless at once. Raises Unavailable."""
    with reachable() as store:
        store.eval(BUMP, 1, contract.generation_key(kind, identity), generation)


def bury(digest: str) -> None:
    """Refuse this token from now on, whatever is still being filled. Raises Unavailable."""
    with reachable() as store:
        store.eval(BURY, 2, contract.tombstone_key(digest), contract.principal_key(digest), contract.TOMBSTONE_TTL_MS)


def forget_all() -> int:
    """Drop every cached principal, so that each is asked for again; returns how many there were. Raises Unavailable.

    The round comes first: what is filled before it is there to be dropped, what is filled after it was read since.
    """
    with reachable() as store:
        store.eval(NEXT_ROUND, 1, contract.ROUND)
        keys = list(store.scan_iter(match=contract.principal_key("*"), count=1000))
        return sum(store.unlink(*keys[start : start + 1000]) for start in range(0, len(keys), 1000))


def _bound_to(token: AccessToken) -> int | None:
    """The one model that a page token is for, whatever it is called by now; None for any other token.

    Its limits are those of all its project may query all the same, for it counts beside the project's other tokens.
    """
    if token.kind != Kind.PAGE:
        return None
    lab, _, name = token.page.resource.partition("/")
    model = lookup.by_any_name(lab, name)
    return model.pk if model else _NO_MODEL


def _access(
    token: AccessToken, project: Project, pool: Pool, budget: Budget, now: datetime, *, several_labs: bool
) -> contract.Access | contract.Reason:
    """The right to query one pool's model, or why not."""
    verdict = queryable.right(person=token.user, project=project, scopes=token.scopes, pool=pool, now=now)
    if isinstance(verdict, policy.Deny):
        return contract.Reason(verdict.first.code, verdict.first.message, verdict.first.url)
    gate = pool.model.gate
    return contract.Access(
        not_after=_milliseconds(min(token.expires_at, verdict.until or token.expires_at)),
        gate=gate.full_name if gate else pool.model.own_gate,
        gate_generation=(gate or pool.model).generation,
        limits=budget.for_model(pool.model_id, pool.lab, several_labs=several_labs),
        content_key=content.key_of(verdict.grant),
    )


def _generations(principal: contract.Principal) -> list[tuple[str, str, int]]:
    """Kind, identity and generation of everything whose change must undo this principal."""
    gates = {access.gate: access.gate_generation for access in principal.models.values() if access.gate}
    people = [
        ("user", principal.user_id, principal.user_generation),
        ("project", principal.project_id, principal.project_generation),
    ]
    return people + [("gate", gate, generation) for gate, generation in sorted(gates.items())]


def _salt(project_id: str) -> str:
    return salted_hmac("weighbridge.inference.cache_salt", project_id, algorithm="sha256").hexdigest()[:32]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
