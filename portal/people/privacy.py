"""What the portal holds about people: each app names its models here, with purpose, retention and what erasing does.

The table is data: the export, the eraser, the purge and docs/privacy.md read it, and a test walks every field of every
model and fails for one that nobody declared. People know nothing of rights or tokens, so the apps above register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.db.models import Manager, Model, QuerySet
from django.utils.functional import Promise

from portal.people.models import User
from portal.postgres.cursors import by_cursor

CHUNK: Final = 1_000
"""Rows of a table that are held at one time while they are copied."""

Rows = Callable[[User], QuerySet[Any]]
Files = Callable[[User], Iterable[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Holding:
    """One model that holds something about people.

    `of` is the path from the model to the person, or a function that finds the rows. `erased` maps fields to what they
    become when the person is erased; `deletes` removes the rows instead. `stays` are personal fields of the record
    that is kept. `secret` fields never leave in an export; `exported` False keeps the rows of others out of it.
    `plain` are fields without anything about anybody. `purge` names a date field: rows older than `age` are deleted.
    `eraser` does what an update of fields cannot, and returns how many rows it changed.
    """

    model: str
    why: str | Promise
    kept: str | Promise
    of: str | Rows = ""
    erased: Mapping[str, Any] = field(default_factory=dict)
    stays: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    deletes: bool = False
    eraser: Callable[[User], int] | None = None
    exported: bool = True
    purge: str = ""
    age: timedelta = timedelta(0)

    def manager(self) -> Manager[Any]:
        """The model's manager."""
        model: type[Model] = apps.get_model(self.model)
        return model._default_manager

    def rows(self, user: User) -> QuerySet[Any]:
        """The rows about one person."""
        if callable(self.of):
            return self.of(user)
        rows: QuerySet[Any] = self.manager().filter(**{self.of: user}) if self.of else self.manager().none()
        return rows

    @property
    def personal(self) -> tuple[str, ...]:
        """Every field that says something about somebody."""
        return tuple(dict.fromkeys((*self.erased, *self.stays, *self.secret)))


_holdings: dict[str, Holding] = {}
_files: dict[str, Files] = {}
IMPERSONAL: Final[set[str]] = set()
"""Models that hold nothing about people."""


def hold(*holdings: Holding) -> None:
    """Register, from AppConfig.ready."""
    _holdings.update({holding.model.lower(): holding for holding in holdings})


def impersonal(*models: str) -> None:
    """Declare models that hold nothing about people."""
    IMPERSONAL.update(model.lower() for model in models)


def holdings() -> list[Holding]:
    """All of them, in the order of their names."""
    return [_holdings[name] for name in sorted(_holdings)]


def attach(files: Files) -> Files:
    """Register a maker of files for the export; decorates it."""
    _files[f"{files.__module__}.{files.__qualname__}"] = files
    return files


def files_of(user: User) -> Iterable[tuple[str, bytes]]:
    """(path, bytes) of every file that belongs to the export."""
    for files in _files.values():
        yield from files(user)


def export_of(user: User) -> Iterable[tuple[str, Iterable[dict[str, Any]]]]:
    """(model, rows as plain values) of all that is held about a person, without secrets; the rows one by one.

    Inside of the caller's transaction.
    """
    for holding in holdings():
        rows = holding.rows(user).values() if holding.exported else None
        if rows is not None and rows.exists():
            yield holding.model, _told(rows, holding.secret)


def _told(rows: QuerySet[Any, dict[str, Any]], secret: tuple[str, ...]) -> Iterable[dict[str, Any]]:
    for row in by_cursor(rows, size=CHUNK):
        yield {name: value for name, value in row.items() if name not in secret}
