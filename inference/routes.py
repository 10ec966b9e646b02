"""Routes: what the gateway serves under which name, pushed whole into Redis on every change and at start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db.models import Q

from inference import contract
from inference.models import Backend, Pool, published
from portal.counters import reachable
from portal.switches.models import Switch, is_on
from releases.models import FormerName, Model


def current() -> dict[str, contract.Route]:
    """Public model name → route, of every pool whose pinned revision is published and not withdrawn, with its canary.

    Empty while queries are switched off.
    """
    if not is_on(Switch.QUERY):
        return {}
    pools = list(Pool.objects.serving().offered())
    canaries = {pool.model_id: pool for pool in pools if pool.canary_percent is not None}
    own = [pool for pool in pools if pool.canary_percent is None]
    return {pool.model.full_name: _with_canary(_route(pool), canaries.get(pool.model_id)) for pool in own}


def met_by(project_id: str) -> list[Pool]:
    """One pool for each served model: its own, or the canary where this project meets that one."""
    pools = {}
    rows = Pool.objects.serving().filter(Q(canary_percent=None) | published())
    for pool in sorted(rows, key=lambda pool: pool.canary_percent is not None):
        percent = pool.canary_percent
        if percent is None or (pool.model_id in pools and contract.meets_canary(project_id, pool.model_id, percent)):
            pools[pool.model_id] = pool
    return list(pools.values())


def renamed() -> dict[str, str]:
    """Every name that a served model once had → the one that it has."""
    served = Pool.objects.serving().values("model")
    former = FormerName.objects.filter(model__in=served).select_related("lab", "model__lab")
    return {f"{one.lab.slug}/{one.name}": one.model.full_name for one in former}


def present(name: str) -> str:
    """The name of the served model that has this one or had it, in any spelling; a name of none is as it was."""
    now = {pool.model.full_name: pool.model.full_name for pool in Pool.objects.serving()}
    known = {contract.spelt_once(one): called for one, called in (renamed() | now).items()}
    return known.get(contract.spelt_once(name), name)


def push() -> int:
    """Make the gateway's routes equal to current(), in one step; returns how many there are. Raises Unavailable.

    A model is found under its former names too, as it is for downloads: scripts and the rows of batches hold the old one.
    """
    now = current()
    every = {old: now[name] for old, name in renamed().items() if name in now} | now
    routes: dict[Any, Any] = {name: route.to_json() for name, route in every.items()}
    with reachable() as store, store.pipeline(transaction=True) as pipe:
        pipe.delete(contract.ROUTES)
        if routes:
            pipe.hset(contract.ROUTES, mapping=routes)
        pipe.execute()
    return len(routes)


def _with_canary(route: contract.Route, canary: Pool | None) -> contract.Route:
    if canary is None:
        return route
    return replace(route, canary=_route(canary), canary_percent=canary.canary_percent or 0)


def _route(pool: Pool) -> contract.Route:
    backends = list(pool.backends.all())
    return contract.Route(
        model=pool.model.full_name,
        owner=pool.lab.slug,
        revision=pool.commit,
        pool=str(pool),
        engine_model=pool.engine_model,
        context=pool.context,
        backends=tuple(_backend(backend) for backend in backends),
        created=int(pool.model.created_at.timestamp()),
        number=pool.model_id,
        generates=pool.generates,
        chat=pool.chat,
        embeds=pool.embeds,
        tools=pool.tools,
        tokenizer_info=pool.tokenizer_info,
        template_overhead=pool.template_overhead,
        gated=pool.model.gate_id is not None,
        apply_url=_apply_url(pool.model),
        engine=next((backend.engine for backend in backends if backend.engine), ""),
        limits=pool.limits(),
    )


def _backend(backend: Backend) -> contract.Backend:
    return contract.Backend(name=str(backend), url=backend.url, draining=backend.draining)


def _apply_url(model: Model) -> str:
    return f"{settings.BASE_URL}{model.gate.get_absolute_url()}" if model.gate else ""
