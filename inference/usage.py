"""What was used and what is left, read from the ledger and its daily sums."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import redis
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum

from inference import queryable
from inference.allowances import Budget
from inference.contract import Limits
from inference.gateway.counters import counter_of
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
    budget = Budget.of(project, now)
    labs = queryable.labs(project, now)
    _, since, until = budget.period()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Burn(
        project=project,
        limits=budget.whole(labs),
        since=since,
        until=until,
        used=tokens_since(since, project_id=str(project.pk)),
        today=tokens_since(midnight, project_id=str(project.pk)),
        running=running(project),
        top_class=budget.top_class(labs),
        own=budget.own is not None,
    )


def tokens_since(since: datetime, **scope: Any) -> int:
    """Tokens settled from `since` on, in one scope (project_id, user_id, model__in): whole days from the sums, the first,
    partial one from the ledger itself."""
    first = since.astimezone(UTC)
    whole = DailyUsage.objects.filter(day__gt=first.date(), **scope).aggregate(n=Sum(_TOKENS))["n"] or 0
    partial = UsageRecord.objects.filter(started_day=first.date(), started_at__gte=since, **scope)
    return int(whole + (partial.aggregate(n=Sum(_TOKENS))["n"] or 0))


def running(project: Project) -> int | None:
    """How many requests of the project run now, as the gateway counts them."""
    try:
        return counter_of(client(), "project", str(project.pk)).running
    except redis.RedisError:
        return None


def requests_of(user: User) -> QuerySet[UsageRecord]:
    """The person's own requests, the newest first: other members' requests are theirs to see."""
    return UsageRecord.objects.filter(user_id=str(user.pk)).order_by("-started_at", "-request_id")


def used_by_day(project: Project, since: datetime) -> dict[date, int]:
    """Tokens by day in a period; the first day counts from `since`."""
    first = since.astimezone(UTC).date()
    rows = (
        DailyUsage.objects.filter(Q(project_id=str(project.pk)), day__gt=first)
        .values_list("day")
        .annotate(n=Sum(_TOKENS))
        .order_by("day")
    )
    partial = UsageRecord.objects.filter(project_id=str(project.pk), started_day=first, started_at__gte=since)
    return {first: int(partial.aggregate(n=Sum(_TOKENS))["n"] or 0), **{day: int(n) for day, n in rows}}
