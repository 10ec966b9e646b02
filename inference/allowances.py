"""Which allowance holds for a project, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self, cast
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from inference.contract import CLASSES, Limits
from inference.models import Allowance, last_day, month_of
from portal.errors import Invalid, NotFound
from portal.people.models import Lab, User
from portal.projects.models import Kind, Project

SITE_DEFAULT: Final = Limits(
    requests_per_minute=60,
    tokens_per_minute=60_000,
    concurrency=8,
    tokens_per_day=200_000,
    tokens_per_period=2_000_000,
)
"""Holds where a lab has set no default of its own: nothing is ever unlimited by omission."""
LONGEST: Final = timedelta(days=731)
"""How far ahead the end of an allowance may lie."""
_FIGURES: Final = ("requests_per_minute", "tokens_per_minute", "concurrency", "tokens_per_day", "tokens_per_period")


@dataclass(frozen=True, slots=True)
class Budget:
    """All that is allowed to one project at one moment; answers without further queries."""

    project: Project
    now: datetime
    own: Allowance | None
    by_model: dict[int, Allowance]
    by_lab: dict[str, Allowance]

    @classmethod
    def of(cls, project: Project, now: datetime) -> Self:
        """Read it: two queries. The newest of several current allowances holds."""
        return cls.of_each([project], now)[0]

    @classmethod
    def of_each(cls, projects: Sequence[Project], now: datetime) -> list[Self]:
        """The same of several, in their order and in as many queries."""
        current = Allowance.objects.current(now).order_by("starts_at")
        own: dict[UUID, dict[int | None, Allowance]] = {project.pk: {} for project in projects}
        for allowance in current.filter(project__in=own):
            own[cast("UUID", allowance.project_id)][allowance.model_id] = allowance
        defaults = {str(allowance.lab_id): allowance for allowance in current.filter(lab__isnull=False)}
        return [
            cls(
                project=project,
                now=now,
                own=own[project.pk].get(None),
                by_model={model: each for model, each in own[project.pk].items() if model is not None},
                by_lab=defaults,
            )
            for project in projects
        ]

    def whole(self, labs: Iterable[Lab]) -> Limits:
        """The project's own limits: its allowance, else the default of its lab.

        A personal project has no lab. It gets the widest of the defaults of the labs whose models it may query, and
        each model keeps its own lab's default (see for_model).
        """
        if self.own is not None:
            return _limits(self.own, self.now)
        givers = [self.project.lab] if self.project.lab else list(labs)
        return widest([self.default_of(lab) for lab in givers] or [self.default_of(None)])

    def top_class(self, labs: Iterable[Lab]) -> str:
        """The highest class that its requests may wait in: the allowance's own, else of the defaults the highest."""
        if self.own is not None:
            return self.own.top_class
        givers = [self.project.lab] if self.project.lab else list(labs)
        given = [self.by_lab[str(lab.pk)].top_class for lab in givers if str(lab.pk) in self.by_lab]
        return min(given, key=CLASSES.index, default=CLASSES[0])

    def for_model(self, model_id: int, lab: Lab, *, several_labs: bool) -> Limits:
        """The limits of the project for one model; none where the project's own limits say it all."""
        if model_id in self.by_model:
            return _limits(self.by_model[model_id], self.now)
        if self.own is None and self.project.kind == Kind.PERSONAL and several_labs:
            return self.default_of(lab)
        return Limits()

    def of_model(self, model_id: int) -> tuple[Limits, date | None]:
        """What was set for one model alone, and the last day of that; Limits() where nothing was, or it was lifted."""
        held = self.by_model.get(model_id)
        limits = held.limits() if held else Limits()
        ends_at = held.ends_at if held and limits != Limits() else None
        return limits, last_day(ends_at) if ends_at else None

    def default_of(self, lab: Lab | None) -> Limits:
        """The lab's default for this month, or the site's."""
        allowance = self.by_lab.get(str(lab.pk)) if lab else None
        if allowance is not None:
            return _limits(allowance, self.now)
        figures = {name: getattr(SITE_DEFAULT, name) for name in _FIGURES}
        return Limits(**figures, period=month_of(self.now)[0])

    def last_day(self) -> date | None:
        """The last on which the project's own allowance holds, in UTC; None where it has none, or one for good."""
        return last_day(self.own.ends_at) if self.own and self.own.ends_at else None

    def period(self) -> tuple[str, datetime, datetime | None]:
        """Name, start and end of the accounting period of the project's own limits."""
        return self.own.period(self.now) if self.own else month_of(self.now)


def of_project(user: User, pk: UUID) -> tuple[Project, Lab]:
    """A project of a lab where this person has a role, and that lab. Raises NotFound for every other."""
    project = Project.objects.filter(pk=pk, lab__isnull=False).select_related("lab").first()
    if project is None or project.lab is None or not user.roles_in(project.lab):
        raise NotFound(_("There is no such project, or it belongs to another lab."))
    return project, project.lab


def of_lab(user: User, slug: str) -> Lab:
    """A lab where this person has a role. Raises NotFound for every other."""
    lab = Lab.objects.filter(slug=slug).first()
    if lab is None or not user.roles_in(lab):
        raise NotFound(_("There is no such lab."))
    return lab


def default(lab: Lab, now: datetime) -> tuple[Limits, str]:
    """What holds where a project of the lab has no allowance of its own, and the highest class of its requests."""
    allowance = Allowance.objects.current(now).filter(lab=lab).order_by("starts_at").last()
    return (allowance.limits(), allowance.top_class) if allowance else (SITE_DEFAULT, CLASSES[0])


def end_of(day: date) -> datetime:
    """The first moment after the last day of an allowance, in UTC. Raises Invalid where it is past or too far ahead."""
    today = timezone.now().astimezone(UTC).date()
    if not today <= day <= today + LONGEST:
        wrong = _("Name a day from today on, at most two years ahead.")
        raise Invalid(wrong, fields={"until": [wrong]})
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=1)


def widest(limits: Iterable[Limits]) -> Limits:
    """The most generous figure of each kind; None, which does not limit, is the most generous of all."""
    several = list(limits)
    figures = {}
    for name in _FIGURES:
        values = [getattr(one, name) for one in several]
        figures[name] = None if None in values else max(values)
    return Limits(**figures, period=several[0].period if figures["tokens_per_period"] is not None else "")


def _limits(allowance: Allowance, now: datetime) -> Limits:
    return allowance.limits(allowance.period(now)[0])
