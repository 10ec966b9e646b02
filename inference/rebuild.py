"""Quota counters restored from the ledger, for a limits store that was lost or is doubted.

The stream is posted first, so that the ledger holds everything that was settled. One script then sets the counters,
and only if nothing was settled in the meantime: otherwise everything is read again. Requests under way are added from
their leases, inside the script. Rates per minute are not restored: they would have refilled by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

import redis

from inference import contract, routes
from inference.allowances import Budget
from inference.contract import Limits
from inference.gateway.counters import counter_key
from inference.gateway.limits import COUNTER
from inference.models import Pool, month_of
from inference.posting import BATCH, Entry, Poster
from inference.usage import tokens_since
from portal.errors import Conflict
from portal.projects.models import Project

SET: Final = (
    COUNTER
    + """
-- KEYS: stream, leases, then counters.  ARGV: id of the last posted entry, prefix of leases, today,
--   then per counter: tokens today, period, tokens in the period. Returns 0 when something was settled meanwhile.
local today = tonumber(ARGV[3])
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if #newest > 0 and newest[1][1] ~= ARGV[1] then return 0 end
local held = {}
for _, rid in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local lease = redis.call('HMGET', ARGV[2] .. rid, 'scopes', 'reserved_tokens')
  if lease[1] then
    for _, scope in ipairs(cmsgpack.unpack(lease[1])) do
      local sum = held[scope[1]] or {day = 0, running = 0, periods = {}}
      if tonumber(scope[3]) == today then sum.day = sum.day + lease[2] end
      sum.periods[scope[4]] = (sum.periods[scope[4]] or 0) + lease[2]
      sum.running = sum.running + scope[5]
      held[scope[1]] = sum
    end
  end
end
for i = 3, #KEYS do
  local a = 3 + (i - 3) * 3
  local sum = held[KEYS[i]] or {day = 0, running = 0, periods = {}}
  local r, t, b, _, _, _, pn, p = read(KEYS[i])
  if ARGV[a + 2] ~= '' then pn, p = ARGV[a + 3] + (sum.periods[ARGV[a + 2]] or 0), ARGV[a + 2] end
  keep(KEYS[i], FOR_EVER, r, t, b, sum.running, today, ARGV[a + 1] + sum.day, pn, p)
end
return 1
"""
)
_ATTEMPTS: Final = 20
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Counter:
    """One scope's counter as the ledger has it."""

    key: str
    today: int
    period: str
    in_period: int


def rebuild(store: redis.Redis, now: datetime) -> int:
    """Set every quota counter and push the routes; returns how many counters. Raises Conflict when requests keep ending
    faster than they can be read."""
    routes.push()
    for _ in range(_ATTEMPTS):
        last = post_everything(store)
        counters = list(current(now))
        if _set(store, last, counters, now):
            return len(counters)
    raise Conflict("Requests keep ending while the counters are read. Stop the gateways for a moment and try again.")


def post_everything(store: redis.Redis) -> str:
    """Post what is still in the stream, acknowledged or not (twice is once); returns the id of its newest entry."""
    last, poster = "-", Poster(store, "rebuild")
    while entries := _after(store, last):
        poster.take(entries)
        last = entries[-1][0]
    return last


def _after(store: redis.Redis, last: str) -> list[Entry]:
    start = last if last == "-" else f"({last}"
    return cast("list[Entry]", store.xrange(contract.USAGE_STREAM, min=start, count=BATCH))


def current(now: datetime) -> Iterator[Counter]:
    """Every counter that has something to count today or in its period."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    pools = list(Pool.objects.serving().proper())
    names = _names(pools)
    for project in Project.objects.open().select_related("lab"):
        yield from _counters(project, pools, names, midnight, now)


def _counters(
    project: Project, pools: list[Pool], names: dict[int, list[str]], midnight: datetime, now: datetime
) -> Iterator[Counter]:
    """The project's own counter has its period whether or not anything limits it now: rights alone know that."""
    budget = Budget.of(project, now)
    identity = str(project.pk)
    period, since, _until = budget.period()
    yield _counter(counter_key("project", identity), period, since, midnight, project_id=identity)
    several = len({pool.lab_id for pool in pools}) > 1
    for pool in pools:
        limits = budget.for_model(pool.model_id, pool.lab, several_labs=several)
        if limits == Limits():
            continue
        own = budget.by_model.get(pool.model_id)
        since = own.period(now)[1] if own else month_of(now)[1]
        key = counter_key("model", f"{identity}:{pool.model_id}")
        yield _counter(key, limits.period, since, midnight, project_id=identity, model__in=names[pool.model_id])


def _names(pools: list[Pool]) -> dict[int, list[str]]:
    """Model → the name under which the ledger has its requests, and those under which it has earlier ones."""
    former = routes.renamed()
    present = {pool.model_id: pool.model.full_name for pool in pools}
    return {pk: [name, *(old for old, now in former.items() if now == name)] for pk, name in present.items()}


def _counter(key: str, period: str, since: datetime, midnight: datetime, **scope: Any) -> Counter:
    return Counter(key, tokens_since(midnight, **scope), period, tokens_since(since, **scope) if period else 0)


def _set(store: redis.Redis, last: str, counters: list[Counter], now: datetime) -> bool:
    today = str(int(now.timestamp() * 1000) // _DAY_MS)
    keys = [contract.USAGE_STREAM, contract.LEASES, *(counter.key for counter in counters)]
    figures = [figure for counter in counters for figure in (counter.today, counter.period, counter.in_period)]
    return bool(store.eval(SET, len(keys), *keys, last, contract.lease_key(""), today, *figures))
