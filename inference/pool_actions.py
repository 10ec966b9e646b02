"""Brings pools and backends to what a file says, or tells what that would change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inference.actions import announce
from inference.models import Backend, Pool
from inference.pool_file import FLAGS, NOTES, NUMBERS, WantedBackend, WantedPool
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Lab, User
from releases import lookup
from releases.models import Model

_FACTS: Final = ("model_id", "commit", "engine_model", *NOTES, *NUMBERS, *FLAGS)
_OF_A_BACKEND: Final = ("url", "engine", "draining")


@transaction.atomic
def apply(*, by: User | None, wanted: list[WantedPool], dry_run: bool = False) -> list[str]:
    """Make these pools, and the backends under each, as the file has them; returns the changes, a line each.

    Pools that the file does not name stay as they are. Applied twice it changes nothing the second time. Raises
    NotFound, Invalid or Conflict, and then nothing is changed.
    """
    changes = []
    for pool in wanted:
        try:
            changes += _pool(by, pool)
        except ValidationError as error:
            raise Invalid(f"{pool.lab}/{pool.name}: {'; '.join(error.messages)}") from error
    if dry_run:
        transaction.set_rollback(True)
    return changes


def _pool(by: User | None, wanted: WantedPool) -> list[str]:
    lab, model = _owner(wanted)
    name = f"{wanted.lab}/{wanted.name}"
    commit = _commit(model, wanted)
    fresh = Pool(lab=lab, name=wanted.name, model=model, commit=commit, **wanted.facts)
    pool = Pool.objects.select_for_update().filter(lab=lab, name=wanted.name).first()
    if pool is not None and pool.retired_at is not None:
        raise Conflict(f"{name} is retired for good. Give the new pool another name.")
    if pool is not None and pool.model_id != model.pk:
        raise Conflict(f"{name} serves {pool.model.full_name}. A pool keeps its model; give the new one another name.")
    if pool is None:
        fresh.full_clean()
        fresh.save()
        pool, changes = fresh, [f"new pool {name} for {model.full_name} at {commit[:8]}"]
    else:
        changes = [f"{name}: {change}" for change in _update(pool, fresh, _FACTS)]
    changes += list(_backends(pool, wanted.backends))
    if changes:
        announce(pool, by=by, change="applied", changes="; ".join(changes)[:2000])
    return changes


def _backends(pool: Pool, wanted: tuple[WantedBackend, ...]) -> Iterator[str]:
    present = {backend.name: backend for backend in pool.backends.select_for_update()}
    for one in wanted:
        fresh = Backend(pool=pool, name=one.name, url=one.url, engine=one.engine, draining=one.draining)
        known = present.pop(one.name, None)
        if known is None:
            fresh.full_clean()
            fresh.save()
            yield f"new backend {fresh} at {one.url}"
        else:
            moved = known.url != one.url
            for change in _update(known, fresh, _OF_A_BACKEND):
                yield f"{known}: {change}"
            if moved:  # another server: its counters begin anew
                known.started_at = timezone.now()
                known.save(update_fields=["started_at"])
    for gone in present.values():
        yield f"backend {gone} removed"
        gone.delete()


def _update(row: Any, fresh: Any, fields: tuple[str, ...]) -> list[str]:  # noqa: ANN401 a pool or a backend
    """Take over what differs; returns it in words."""
    differing = [name for name in fields if getattr(row, name) != getattr(fresh, name)]
    changes = [f"{name} {_shown(getattr(row, name))} → {_shown(getattr(fresh, name))}" for name in differing]
    for name in differing:
        setattr(row, name, getattr(fresh, name))
    if differing:
        row.full_clean()
        row.save(update_fields=differing)
    return changes


def _shown(value: object) -> str:
    return "none" if value in {None, ""} else str(value)


def _owner(wanted: WantedPool) -> tuple[Lab, Model]:
    lab = Lab.objects.filter(slug=wanted.lab).first()
    namespace, _, name = wanted.model.partition("/")
    model = lookup.by_any_name(namespace, name)
    if lab is None or model is None or model.lab_id != lab.pk:
        raise NotFound(f"{wanted.lab}/{wanted.name}: {wanted.lab} has no model {wanted.model}.")
    return lab, model


def _commit(model: Model, wanted: WantedPool) -> str:
    found = list(model.revisions.filter(commit__startswith=wanted.revision).values_list("commit", flat=True)[:2])
    if len(found) != 1 or len(wanted.revision) < 7:
        raise NotFound(
            f"{wanted.lab}/{wanted.name}: {model.full_name} has no one revision {wanted.revision}. "
            "Give at least seven digits of its commit id."
        )
    return str(found[0])
