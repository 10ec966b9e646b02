"""What was used and what is left, read from the ledger and its daily sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import redis
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum

from inference import queryable
from inference.allowances import Budget
from inference.contract import Limits
from inference.gateway.counters import counters_of
from inference.models import DailyUsage, UsageRecord, last_day
from portal.access.models import Grant
from portal.counters import client
from portal.people.models import User
from portal.projects.models import Project

_TOKENS = F("prompt_tokens") + F("completion_tokens")


@dataclass(frozen=True, slots=True)
class Burn:
    """One project's allowance in its present period; every figure in tokens but `running` and `concurrency`."""

    project: Project
    limits: Limits
    since: datetime
    until: datetime | None
    used: int
    today: int
    running: int | None
    """None when the limits store does not answer."""
    top_class: str
    """The highest class that its requests may wait in."""
    own: bool
    """Whether the project has an allowance of its own."""
    by_day: dict[date, int]
    """What was used on each day of the period; the first counts from `since`."""

    @property
    def last_day(self) -> date | None:
        """Of the period, in UTC; None where it has no end."""
        return last_day(self.until) if self.until else None

    @property
    def left(self) -> int | None:
        """Of the period's tokens; None where nothing limits them."""
        return None if self.limits.tokens_per_period is None else max(0, self.limits.tokens_per_period - self.used)

    @property
    def share(self) -> int:
        """Whole percent of the period's tokens that are used; 0 where nothing limits them."""
        return self.used * 100 // self.limits.tokens_per_period if self.limits.tokens_per_period else 0


def projects_of(user: User) -> QuerySet[Project]:
    """Projects that the person belongs to: those that are open, the oldest first, then those closed last."""
    mine = Project.objects.filter(members__user=user, members__left_at=None).select_related("lab").distinct()
    return mine.order_by(F("closed_at").desc(nulls_first=True), "created_at", "pk")


def usable_by(user: User) -> QuerySet[Project]:
    """Those of them of which something can be left: open, and the person's own grant in it neither past nor revoked."""
    stands = Grant.objects.standing().filter(user=user, project=OuterRef("pk"))
    return projects_of(user).filter(Q(lab=None) | Exists(stands), closed_at=None)


def burn_of(project: Project, now: datetime) -> Burn:
    """What the project has used of its own allowance."""
    return burns_of([project], now)[0]


def burns_of(projects: Sequence[Project], now: datetime) -> list[Burn]:
    """The same of several, in their order; as many queries for ten as for one, where none is personal."""
    budgets = Budget.of_each(projects, now)
    days = _by_day({str(budget.project.pk): budget.period()[1] for budget in budgets}, now)
    return [
        _burn(budget, now, days[str(budget.project.pk)], running)
        for budget, running in zip(budgets, _running(projects), strict=True)
    ]


def _burn(budget: Budget, now: datetime, days: tuple[dict[date, int], int], running: int | None) -> Burn:
    labs = queryable.labs(budget.project, now)
    _, since, until = budget.period()
    by_day, today = days
    return Burn(
        project=budget.project,
        limits=budget.whole(labs),
        since=since,
        until=until,
        used=sum(by_day.values()),
        today=today,
        running=running,
        top_class=budget.top_class(labs),
        own=budget.own is not None,
        by_day=by_day,
    )


def tokens_since(since: datetime, **scope: Any) -> int:
    """Tokens settled from `since` on, in one scope (project_id, user_id, model__in): whole days from the sums, the first,
    partial one from the ledger itself."""
    first = since.astimezone(UTC)
    whole = DailyUsage.objects.filter(day__gt=first.date(), **scope).aggregate(n=Sum(_TOKENS))["n"] or 0
    partial = UsageRecord.objects.filter(started_day=first.date(), started_at__gte=since, **scope)
    return int(whole + (partial.aggregate(n=Sum(_TOKENS))["n"] or 0))


def _running(projects: Sequence[Project]) -> list[int | None]:
    """How many requests of each run now, as the gateway counts them."""
    try:
        return [each.running for each in counters_of(client(), "project", [str(project.pk) for project in projects])]
    except redis.RedisError:
        return [None] * len(projects)


def requests_of(user: User) -> QuerySet[UsageRecord]:
    """The person's own requests, the newest first: other members' requests are theirs to see."""
    return UsageRecord.objects.filter(user_id=str(user.pk)).order_by("-started_at", "-request_id")


def _by_day(since: Mapping[str, datetime], now: datetime) -> dict[str, tuple[dict[date, int], int]]:
    """Of each project, from its moment on: tokens by day, the first day counted from that moment, and today's. Two queries."""
    first = {project: moment.astimezone(UTC).date() for project, moment in since.items()}
    whole, partial = Q(pk__in=[]), Q(pk__in=[])
    for project, moment in since.items():
        whole |= Q(project_id=project, day__gte=first[project])
        partial |= Q(project_id=project, started_day=first[project], started_at__gte=moment)
    found: dict[str, dict[date, int]] = {project: {} for project in since}
    sums = DailyUsage.objects.filter(whole).order_by().values_list("project_id", "day").annotate(n=Sum(_TOKENS))
    for project, day, tokens in sums:
        found[project][day] = int(tokens)
    today = now.astimezone(UTC).date()
    of_today = {project: sum(n for day, n in days.items() if day >= today) for project, days in found.items()}
    begun = UsageRecord.objects.filter(partial).order_by().values_list("project_id").annotate(n=Sum(_TOKENS))
    begun_with = {project: int(tokens) for project, tokens in begun}
    return {
        project: ({**days, first[project]: begun_with.get(project, 0)}, of_today[project])
        for project, days in found.items()
    }
