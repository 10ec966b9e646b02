"""The writers of pools, backends and allowances. The ledger has its own writer: ledger.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inference.contract import CLASSES, Limits
from inference.models import Allowance, Backend, Pool
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox import delivery
from portal.people.models import Lab, User
from portal.periods import began
from portal.projects import actions as projects
from portal.projects.models import Project
from releases.models import Model


@dataclass(frozen=True, slots=True)
class Serving:
    """What a running engine server says of itself; `context` and `template_overhead` in tokens."""

    url: str
    engine: str
    engine_model: str
    context: int
    chat: bool
    template_overhead: int
    generates: bool = True
    embeds: bool = False
    tools: bool = False
    tokenizer_info: bool = False
    places: int | None = None
    """Requests at once: the limit of a pool that is made for this server, and the operator's to change from then on."""


@transaction.atomic
def serve(*, by: User | None, model: Model, commit: str, serving: Serving, name: str = "") -> Backend:
    """A server is ready: put it into the model's pool, which is made at first need and follows the served commit.

    A server of the same name is replaced. `name` defaults to the model's own, for a pool of one. A retired pool stays so:
    the model gets a new one beside it.
    Raises NotFound when the model has no revision with this commit.
    """
    if not model.revisions.filter(commit=commit).exists():
        raise NotFound(f"{model.full_name} has no revision {commit}. Ingest it first.")
    facts = {
        "commit": commit,
        "engine_model": serving.engine_model,
        "context": serving.context,
        "generates": serving.generates,
        "chat": serving.chat,
        "embeds": serving.embeds,
        "tools": serving.tools,
        "tokenizer_info": serving.tokenizer_info,
        "template_overhead": serving.template_overhead,
    }
    pool, _ = Pool.objects.update_or_create(
        model=model,
        retired_at=None,
        canary_percent=None,
        defaults=facts,
        create_defaults={**facts, "lab": model.lab, "name": _free_name(model), "concurrency": serving.places},
    )
    backend, _ = Backend.objects.update_or_create(
        pool=pool,
        name=name or _slug(model),
        defaults={"url": serving.url, "engine": serving.engine, "draining": False, "started_at": timezone.now()},
    )
    announce(pool, by=by, change="ready", backend=backend.name, commit=commit, engine=serving.engine)
    return backend


@transaction.atomic
def withdraw(*, by: User | None, backend: Backend, reason: str) -> None:
    """A server is gone: no request goes to it any more."""
    pool, name = backend.pool, backend.name
    if Backend.objects.filter(pk=backend.pk).delete()[0]:
        announce(pool, by=by, change="gone", backend=name, reason=reason)


@transaction.atomic
def drain(*, by: User | None, backend: Backend) -> Backend:
    """Send no new request to a server; the ones under way end by themselves. Raises Conflict where that was said."""
    return _turn(backend, by=by, draining=True)


@transaction.atomic
def resume(*, by: User | None, backend: Backend) -> Backend:
    """Send requests to a drained server again. Raises Conflict where it gets them."""
    return _turn(backend, by=by, draining=False)


def _turn(backend: Backend, *, by: User | None, draining: bool) -> Backend:
    locked = Backend.objects.select_for_update().select_related("pool__lab", "pool__model__lab").get(pk=backend.pk)
    if locked.draining == draining:
        raise Conflict("This server is being drained already." if draining else "This server is in use already.")
    locked.draining = draining
    locked.save(update_fields=["draining"])
    announce(locked.pool, by=by, change="draining" if draining else "in use", backend=locked.name)
    return locked


@transaction.atomic
def retire(*, by: User | None, pool: Pool) -> Pool:
    """Close a pool for good; its model is no longer served. Raises Conflict where it is closed."""
    locked = Pool.objects.select_for_update().select_related("lab", "model__lab").get(pk=pool.pk)
    if locked.retired_at is not None:
        raise Conflict("This pool is retired already.")
    locked.retired_at = timezone.now()
    locked.save(update_fields=["retired_at"])
    locked.backends.all().delete()
    announce(locked, by=by, change="retired")
    return locked


@transaction.atomic
def set_allowance(
    *,
    by: User | None,
    limits: Limits,
    project: Project | None = None,
    lab: Lab | None = None,
    model: Model | None = None,
    ends_at: datetime | None = None,
    top_class: str | None = None,
    anew: bool = False,
) -> Allowance:
    """What a project (or a lab's every other project) may use from now on; the former allowance ends now.

    `top_class`: the highest class that its requests may wait in; None keeps the former allowance's. The count of a
    project's tokens goes on where the tokens in all stay the same, unless it is to begin `anew`.
    Raises Invalid unless exactly one of project and lab is named.
    """
    if (project is None) == (lab is None) or (lab is not None and model is not None):
        raise Invalid("Name a project, or a lab without a model.")
    for whose in (project, lab):  # where no allowance holds, there is no row of one to lock
        if whose is not None:
            type(whose).objects.select_for_update(no_key=True).get(pk=whose.pk)
    now = timezone.now()
    former = Allowance.objects.select_for_update().not_over(now).filter(project=project, lab=lab, model=model)
    given, since = top_class or CLASSES[0], None
    for allowance in former:
        given = top_class or allowance.top_class
        if not anew and allowance.tokens_per_period == limits.tokens_per_period:
            since = allowance.counted_from or allowance.starts_at
        allowance.starts_at, allowance.ends_at = began(allowance.starts_at, now), now
        allowance.save(update_fields=["starts_at", "ends_at"])
    figures = {name: getattr(limits, name) for name in _FIGURES} | {"top_class": given}
    allowance = Allowance.objects.create(
        project=project, lab=lab, model=model, starts_at=now, ends_at=ends_at, counted_from=since, **figures
    )
    trail.record(
        Event.ALLOWANCE_SET,
        by=by,
        target=allowance,
        lab=lab or (project.lab if project else None),
        ends_at=ends_at,
        **figures,
        **({"model": model.full_name} if model else {}),
    )
    if project is not None:
        projects.bump(project)
    else:
        delivery.enqueue("release.changed", key=f"allowance:{allowance.pk}", allowance=str(allowance.pk))
    return allowance


_FIGURES = ("requests_per_minute", "tokens_per_minute", "concurrency", "tokens_per_day", "tokens_per_period")


def _slug(model: Model) -> str:
    return model.name.lower().replace(".", "-").replace("_", "-")[:60]


def _free_name(model: Model) -> str:
    """A name for a pool of this model that none of the lab's has, be it retired or another model's."""
    slug, taken = _slug(model), set(Pool.objects.filter(lab=model.lab).values_list("name", flat=True))
    numbered = (f"{slug[:55]}-{n}" for n in range(2, len(taken) + 3))
    return slug if slug not in taken else next(name for name in numbered if name not in taken)


def announce(pool: Pool, *, by: User | None, change: str, **data: str) -> None:
    """Write a change of a pool into the trail, and have the gateways told. Part of the action's transaction."""
    trail.record(Event.POOL_CHANGED, by=by, target=pool, lab=pool.lab, change=change, **data)
    delivery.enqueue("release.changed", key=f"pool:{pool.pk}", pool=pool.pk, model=pool.model.full_name)
