"""What the limits store knows and a database that was restored from an earlier copy does not: whose rights were taken since.

A right that shrinks raises a generation in the database, then in the store, which keeps it for good. After `restore` the
store is ahead: rights that were taken are back, and no principal of those concerned is kept, for each is older than what
is known. This names them, and brings the database up to the store, so that the next change counts on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import redis
from django.db import models, transaction

from inference import contract
from inference.figures import is_id
from portal.access.gate_models import Gate
from portal.people.models import User
from portal.projects.models import Project
from releases.models import Model

_AT_A_TIME: Final = 1_000


@transaction.atomic
def catch_up(store: redis.Redis) -> list[str]:
    """Raise each generation of the database to what the store knows; in words, whose were behind. Raises redis.RedisError."""
    known: dict[str, dict[str, int]] = {"user": {}, "project": {}, "gate": {}}
    for kind, identity, generation in _known(store):
        known.setdefault(kind, {})[identity] = generation
    gates = {name.partition("/")[2]: n for name, n in known["gate"].items() if "/" in name}
    opened = {name.partition(":")[2]: n for name, n in known["gate"].items() if name.startswith("open:")}
    return [
        *_behind(User.objects.all(), "pk", _ids(known["user"]), lambda user: f"person {user.email}"),
        *_behind(Project.objects.all(), "pk", _ids(known["project"]), lambda project: f"project {project.title}"),
        *_behind(Gate.objects.select_related("lab"), "slug", gates, lambda gate: f"gate {gate.full_name}"),
        *_behind(Model.objects.select_related("lab"), "pk", opened, lambda model: f"model {model.full_name}"),
    ]


def _known(store: redis.Redis) -> Iterator[tuple[str, str, int]]:
    """Kind, identity and generation of all that the store knows."""
    prefix = contract.generation_key("", "").removesuffix(":")
    keys = sorted(store.scan_iter(match=f"{prefix}*", count=_AT_A_TIME))
    for start in range(0, len(keys), _AT_A_TIME):
        some = keys[start : start + _AT_A_TIME]
        for key, text in zip(some, cast("list[Any]", store.mget(some)), strict=True):
            kind, _, identity = key.removeprefix(prefix).partition(":")
            yield kind, identity, int(text or 0)


def _ids(known: Mapping[str, int]) -> dict[str, int]:
    return {identity: generation for identity, generation in known.items() if is_id(identity)}


def _behind(
    rows: models.QuerySet[Any], field: str, known: Mapping[str, int], name: Callable[[Any], str]
) -> Iterator[str]:
    wanted = sorted(known)
    for start in range(0, len(wanted), _AT_A_TIME):
        found = rows.select_for_update(of=("self",)).filter(**{f"{field}__in": wanted[start : start + _AT_A_TIME]})
        for row in found.order_by("pk"):
            newest = known[str(getattr(row, field))]
            if row.generation < newest:
                type(row).objects.filter(pk=row.pk).update(generation=newest)
                yield name(row)
