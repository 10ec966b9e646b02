"""Whether the store of the settings is the one whose objects the database knows: a disk may not be mounted, a bucket another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError

from portal.errors import Unavailable
from releases.models import Blob, BlobState
from releases.storage import store

_LOOKED_FOR: Final = 5


def is_another(*, but: str = "") -> bool:
    """Whether it has none of the objects that were verified last; `but`: nor is this one looked for (a SHA-256).

    One of them may be missing, as the scrub tells. That all of them were lost is told by nobody but the operator. Raises
    Unavailable or OSError where the store does not answer.
    """
    known = Blob.objects.filter(state=BlobState.VERIFIED).exclude(pk=but).order_by("-verified_at", "pk")
    names = list(known.values_list("pk", flat=True)[:_LOOKED_FOR])
    return bool(names) and all(store().size(name) is None for name in names)


def insist(*, but: str) -> None:
    """Raise Unavailable where it is another one: of what it lacks nothing can be said. `but` as for `is_another`."""
    if is_another(but=but):
        raise Unavailable(f"{_told()} {_next()}", retry_after_s=0, code="store_is_another")


@register(Tags.database)
def present(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse to migrate and to serve over another store: what is written into it is lost with the next mount."""
    try:
        wrong = bool(databases) and is_another()
    except (
        DatabaseError,
        Unavailable,
        OSError,
    ):  # there are no tables yet, or the store is away: it is not another one
        return []
    return [Error(_told(), hint=_next(), id="weighbridge.E012")] if wrong else []


def _told() -> str:
    return f"The store ({_name()}) has none of the objects that the database knows."


def _next() -> str:
    return "Mount its disk, or set STORE and its address to where they are. Nothing was changed."


def _name() -> str:
    return f"bucket {settings.S3_BUCKET}" if settings.STORE == "s3" else str(settings.STORE_PATH)
