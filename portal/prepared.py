"""A question to the database that is written in the ORM once, put together once, and asked again with other values.

Django builds a QuerySet and turns it into SQL at each use. For the access rule that takes longer than PostgreSQL takes
to answer. The question is a function from named values to a QuerySet; it is called once, with a Given in the place of
each value, and its SQL is kept. So it must not decide anything by a value: NULL is compared as SQL compares it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, QuerySet

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

R = TypeVar("R")


class Given(Expression):
    """Stands in a QuerySet for a value that is known when the question is asked."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name: Final = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """A place, and itself as what is to be put there."""
        return "%s", [self]


class Prepared(Generic[R]):
    """The question; a decorator of the function that builds its QuerySet from keyword arguments.

    Rows come as the QuerySet would give them: models with what was selected beside them, or the values of one field.
    What is given goes to the driver as it is: keys rather than models.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, R]]) -> None:
        self._build = build
        self._names: Final = tuple(inspect.signature(build).parameters)
        self._ready: _Ready | None = None
        self.__doc__ = build.__doc__

    def all(self, **values: object) -> list[R]:
        """The rows, in one query. Raises TypeError where a value is missing or not asked for."""
        if values.keys() != set(self._names):
            raise TypeError(f"This question takes {', '.join(self._names)}, not {', '.join(values)}.")
        ready = self._ready or self._compile()
        asked: Any = copy.copy(ready.compiler)
        asked.connection = connections[ready.queryset.db]  # another thread's may have compiled it
        params = tuple(values[place.name] if isinstance(place, Given) else place for place in ready.places)
        asked.as_sql = lambda *_args, **_options: (ready.sql, params)
        asked.get_converters = lambda _columns: ready.converters
        rows: Any = ready.queryset._iterable_class
        return [*rows(_Asked(ready.queryset, asked))]

    def first(self, **values: object) -> R | None:
        """The first row of all(), for questions that ask for one."""
        return next(iter(self.all(**values)), None)

    def _compile(self) -> _Ready:
        queryset = self._build(**{name: Given(name) for name in self._names})
        compiler: Any = queryset.query.get_compiler(using=queryset.db)
        sql, places = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])
        self._ready = _Ready(queryset, compiler, sql, tuple(places), converters)
        return self._ready


@dataclass(frozen=True, slots=True)
class _Ready:
    """What was put together. Read by every thread, changed by none."""

    queryset: Any
    compiler: Any
    sql: str
    places: tuple[Any, ...]
    converters: dict[int, Any]


class _Asked:
    """What Django's row iterators want to know of a QuerySet, with a compiler that has its SQL already."""

    def __init__(self, queryset: QuerySet[Any, Any], compiler: SQLCompiler) -> None:
        self.db, self.model, self.query = queryset.db, queryset.model, self
        self._known_related_objects: dict[Any, Any] = {}
        self._compiler = compiler

    def get_compiler(self, using: str) -> SQLCompiler:
        """The one that is ready."""
        return self._compiler
