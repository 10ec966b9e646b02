"""A question to the database that is written in the ORM once, put together once, and asked again with other values.

Django builds a QuerySet and turns it into SQL at each use. For the access rule that takes longer than PostgreSQL takes
to answer. The question is a function from named values to a QuerySet; it is called once, with a Given in the place of
each value, and its SQL is kept. So it must not decide anything by a value: NULL is compared as SQL compares it.

What is written for every file is kept likewise: Rows.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from django.db import connections, router
from django.db.models import Expression, Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import FlatValuesListIterable, ModelIterable
from django.db.models.sql import InsertQuery

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

R = TypeVar("R")
_MARKS: Final = re.compile(r"(%%|%s)")


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
        with connections[ready.db].cursor() as cursor:
            said = {name: _quoted(cursor, value) for name, value in values.items()}
            cursor.execute("".join(said[piece.name] if isinstance(piece, Given) else piece for piece in ready.pieces))
            rows = cursor.fetchall()
        if ready.converters:
            rows = [_converted(row, ready.converters, connections[ready.db]) for row in rows]
        return [ready.read(row) for row in rows]

    def first(self, **values: object) -> R | None:
        """The first row of all(), for questions that ask for one."""
        return next(iter(self.all(**values)), None)

    def _compile(self) -> _Ready:
        queryset = self._build(**{name: Given(name) for name in self._names})
        compiler: Any = queryset.query.get_compiler(using=queryset.db)
        sql, places = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])
        pieces = _pieces(sql, places, queryset.db)
        self._ready = _Ready(queryset.db, pieces, converters, _reader(queryset, compiler))
        return self._ready


class Rows:
    """How rows of one table are written, its SQL put together once. Values go to the driver as they are; no signals are sent."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._sql = ""

    def insert(self, **values: object) -> None:
        """Write one; what is not given is as the model has it. Outside a transaction it is committed when this returns.

        Raises IntegrityError.
        """
        db, fields = router.db_for_write(self._model), self._model._meta.local_concrete_fields
        if not self._sql:
            query: Any = InsertQuery(self._model)
            query.insert_values(fields, [self._model(**values)])
            ((self._sql, _params),) = query.get_compiler(using=db).as_sql()
        row: list[Any] = [values[field.attname] if field.attname in values else field.get_default() for field in fields]
        with connections[db].cursor() as cursor:
            cursor.execute(self._sql, row)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What was put together. Read by every thread, changed by none, and without a hold on the connection of the first."""

    db: str
    pieces: tuple[str | Given, ...]
    converters: dict[int, Any]
    read: Callable[[Any], Any]


def _converted(row: Any, converters: dict[int, Any], connection: Any) -> list[Any]:  # noqa: ANN401 Django's own
    """The row as Django's compiler would give it (SQLCompiler.apply_converters)."""
    found = list(row)
    for at, (convert, expression) in converters.items():
        for each in convert:
            found[at] = each(found[at], expression, connection)
    return found


def _pieces(sql: str, places: Any, db: str) -> tuple[str | Given, ...]:  # noqa: ANN401 Django's own
    """The statement between what is given; what never changes is put in by the driver once, and not at each use."""
    found: list[str | Given] = []
    values = iter(places)
    with connections[db].cursor() as cursor:
        for part in _MARKS.split(sql):
            place = next(values) if part == "%s" else part.replace("%%", "%")
            text: str | Given = place if part != "%s" or isinstance(place, Given) else _quoted(cursor, place)
            if found and isinstance(text, str) and isinstance(before := found[-1], str):
                found[-1] = before + text
            else:
                found.append(text)
    return tuple(found)


def _quoted(cursor: Any, value: object) -> str:  # noqa: ANN401 psycopg2's, under Django's
    """The value as the driver writes it into a statement."""
    return str(cursor.mogrify("%s", (value,)).decode())


def _reader(queryset: QuerySet[Any, Any], compiler: Any) -> Callable[[Any], Any]:  # noqa: ANN401 Django's own
    """From a row to what the QuerySet would give: what its iterators find out at each use, found out once."""
    rows: Any = queryset._iterable_class
    if rows is FlatValuesListIterable:
        return lambda row: row[0]
    if rows is not ModelIterable:
        raise TypeError("A prepared question gives models, or the values of one field.")
    make = _Maker(compiler.klass_info, compiler.select, queryset.db)
    annotated = tuple(compiler.annotation_col_map.items())

    def read(row: Any) -> Any:  # noqa: ANN401 one row of the driver's, one model
        found = make(row)
        found.__dict__.update({name: row[at] for name, at in annotated})
        return found

    return read


class _Maker:
    """Instances of one model from a row's columns, and of those that were selected beside it.

    Columns become attributes as they are, as Model.from_db leaves them but without its signals, which nobody here hears; a
    field that was not selected is asked for where it is read.
    """

    def __init__(self, info: Any, select: Any, db: str) -> None:  # noqa: ANN401 Django's own
        if info.get("from_parent"):
            raise TypeError("A prepared question gives no models that are parts of another.")
        self._model, self._db = info["model"], db
        self._columns = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
        self._names = tuple(column[0].target.attname for column in select[self._columns])
        self._key = self._columns.start + self._names.index(self._model._meta.pk.attname)
        beside = info.get("related_klass_infos", ())
        self._beside = [(_Maker(each, select, db), each["local_setter"], each["remote_setter"]) for each in beside]

    def __call__(self, row: Any) -> Any:  # noqa: ANN401 one row of the driver's, one model
        if row[self._key] is None:
            return None
        found = self._model.__new__(self._model)
        found.__dict__.update(zip(self._names, row[self._columns], strict=True))
        found._state = state = ModelState()
        state.adding, state.db = False, self._db
        for make, keep, keep_back in self._beside:
            related = make(row)
            keep(found, related)
            if related is not None:
                keep_back(related, found)
        return found
