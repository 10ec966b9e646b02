"""Sums of use over a period, by day, hour, model, person or project: asked alike by the pages, the files and the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Self
from uuid import UUID

from django.db.models import CharField, F, Q, QuerySet, Sum
from django.db.models.functions import Cast

from inference.hourly_models import HourlyUsage
from inference.models import DailyUsage
from portal.people.models import Lab, User
from portal.projects.models import Project

WAYS: Final = ("day", "hour", "model", "person", "project")
"""By what the sums can be asked."""
WAYS_OF_LABS: Final = ("day", "hour", "model", "project")
"""A lab sees what projects use; who of a project did, its lead sees."""
_TIMES: Final = frozenset({"day", "hour"})
MOST_DAYS: Final = 400
SUMS: Final = ("requests", "prompt_tokens", "completion_tokens", "cached_tokens")
_KEYS: Final = {"day": "day", "hour": "hour", "model": "model", "person": "user_id", "project": "project_id"}
_TOKENS: Final = F("prompt_tokens") + F("completion_tokens")


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC, both ends included."""

    first: date
    last: date

    @classmethod
    def of_days(cls, days: int, today: date) -> Self:
        """So many days, the last of them today."""
        return cls(today - timedelta(days=days - 1), today)

    @property
    def days(self) -> list[date]:
        """Each of them, the first first."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def starts_at(self) -> datetime:
        """The first moment of it."""
        return datetime.combine(self.first, time(), tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The last moment of it: after the last day that there is comes none."""
        return datetime.combine(self.last, time.max, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One sum. Tokens are those of prompt and completion; the cached ones are part of the prompt's."""

    key: str
    """The day or hour in ISO, the model's name, the person's or project's id; empty for the sum of all."""
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    name: str = ""
    """What people call it."""

    @property
    def tokens(self) -> int:
        """Prompt and completion together: what counts against an allowance."""
        return self.prompt_tokens + self.completion_tokens


def of_person(user: User) -> Q:
    """What somebody sees: their own use, and all use of the projects that they lead."""
    led = [str(pk) for pk in Project.objects.filter(owner=user).values_list("pk", flat=True)]
    return Q(user_id=str(user.pk)) | Q(project_id__in=led)


def of_project(project: Project) -> Q:
    """All use of one project."""
    return Q(project_id=str(project.pk))


def of_labs(labs: Iterable[Lab]) -> Q:
    """All use of the projects that these labs granted."""
    granted = Project.objects.filter(lab__in=list(labs)).annotate(key=Cast("pk", CharField())).values("key")
    return Q(project_id__in=granted)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sums: whose, and of which period."""

    whose: Q
    period: Period

    @property
    def daily(self) -> QuerySet[DailyUsage]:
        """The rows by day."""
        return DailyUsage.objects.filter(self.whose, day__gte=self.period.first, day__lte=self.period.last)

    @property
    def hourly(self) -> QuerySet[HourlyUsage]:
        """The rows by hour, which know revision, pool and engine too."""
        return HourlyUsage.objects.filter(self.whose, hour__gte=self.period.starts_at, hour__lte=self.period.ends_at)

    def by(self, way: str) -> QuerySet[Any, Any]:
        """Sums by one of WAYS, each as `key` and SUMS: times newest first, all else by tokens, the most first."""
        rows: QuerySet[Any] = self.hourly if way == "hour" else self.daily
        summed = rows.order_by().values(key=F(_KEYS[way])).annotate(**{name: Sum(name) for name in SUMS})
        ordered: QuerySet[Any, Any] = (
            summed.order_by("-key") if way in _TIMES else summed.order_by(_TOKENS.desc(), "key")
        )
        return ordered

    def total(self) -> Line:
        """All of it in one line."""
        return line({"key": "", **self.daily.aggregate(**{name: Sum(name) for name in SUMS})})

    def lines(self, way: str) -> Iterator[Line]:
        """Every sum, for a file."""
        return (line(row) for row in self.by(way).iterator(chunk_size=2_000))


def line(row: dict[str, Any], names: dict[str, str] | None = None) -> Line:
    """A row of `by`, with the name that its key has."""
    key = row["key"]
    if isinstance(key, datetime):
        key = key.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
    key = key.isoformat() if isinstance(key, date) else key
    sums = {name: int(row[name] or 0) for name in SUMS}
    return Line(key, name=(names or {}).get(key, key), **sums)


def names_of(way: str, keys: Iterable[Any]) -> dict[str, str]:
    """What people call the keys of these sums: a project's title, a person's name now. One query at most."""
    if way not in {"project", "person"}:
        return {}
    known = [key for key in keys if is_id(key)]
    if way == "project":
        return {str(project.pk): project.title for project in Project.objects.filter(pk__in=known)}
    return {str(user.pk): user.get_full_name() for user in User.objects.filter(pk__in=known)}


def is_id(key: str) -> bool:
    """Whether it can be the id of a person or project: a ledger may hold other words."""
    try:
        UUID(key)
    except ValueError:
        return False
    return True
