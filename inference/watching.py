"""What the rules of misuse.py ask about a day: the ledger, its sums, and the gateways' tallies. Counts and times, never
any content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Final, cast

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncMinute

from inference import contract
from inference.misuse import RULES
from inference.models import DailyUsage, UsageRecord
from portal.counters import reachable
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind

BEFORE: Final = timedelta(days=28)
"""How far back a project's own median looks."""


@dataclass(frozen=True, slots=True)
class Found:
    """One project's queries of one model on one day, and the figures that a rule stands on."""

    project_id: str
    model: str
    figures: dict[str, int]


Question = Callable[[date, Mapping[str, int]], Iterator[Found]]


def found_on(day: date, rule: str) -> Iterator[Found]:
    """What the rule of this name finds on a day (UTC) that is over."""
    return QUESTIONS[rule](day, RULES[rule].bounds)


def _burst(day: date, bounds: Mapping[str, int]) -> Iterator[Found]:
    """Far over the own median: of the days with use before, or of nothing at all where they are too few."""
    tokens = Sum(F("prompt_tokens") + F("completion_tokens"))
    by_day = DailyUsage.objects.order_by().values("project_id", "model", "day").annotate(tokens=tokens)
    for row in by_day.filter(day=day, tokens__gte=bounds["least"]):
        whose = {"project_id": row["project_id"], "model": row["model"]}
        before = by_day.filter(day__lt=day, day__gte=day - BEFORE, **whose).values_list("tokens", flat=True)
        usual = int(median(before)) if len(before) >= bounds["days"] else 0
        if usual and row["tokens"] >= bounds["times"] * usual:
            yield Found(**whose, figures={"tokens": row["tokens"], "usual": usual})


def _saturation(day: date, bounds: Mapping[str, int]) -> Iterator[Found]:
    """Queries in nearly every minute of a day: no person sleeps, and no pause falls in between."""
    minutes = Count(TruncMinute("started_at"), distinct=True)
    rows = _records(day).values("project_id", "model").annotate(minutes=minutes).filter(minutes__gte=bounds["minutes"])
    for row in rows:
        yield Found(row["project_id"], row["model"], {"minutes": row["minutes"]})


def _same_length(day: date, bounds: Mapping[str, int]) -> Iterator[Found]:
    """Prompts of one length, over and over."""
    requests = Sum("requests")
    totals = {
        (row["project_id"], row["model"]): row["n"]
        for row in DailyUsage.objects.filter(day=day).order_by().values("project_id", "model").annotate(n=requests)
        if row["n"] >= bounds["least"]
    }
    rows = _records(day).values("project_id", "model", "prompt_tokens").annotate(n=Count("request_id"))
    for row in rows.filter(n__gte=bounds["least"] * bounds["percent"] // 100):
        whole = totals.get((row["project_id"], row["model"]), 0)
        if whole and row["n"] * 100 >= whole * bounds["percent"]:
            figures = {"requests": row["n"], "all": whole, "length": row["prompt_tokens"]}
            yield Found(row["project_id"], row["model"], figures)


def _many_tokens(day: date, bounds: Mapping[str, int]) -> Iterator[Found]:
    """One person's queries by many tokens: the tokens of our own pages apart, which live a quarter of an hour."""
    rows = _records(day).values("project_id", "model", "user_id").annotate(n=Count("token_id", distinct=True))
    for row in rows.filter(n__gte=bounds["tokens"]):
        whose = {name: row[name] for name in ("project_id", "model", "user_id")}
        ids = _records(day).filter(**whose).values_list("token_id", flat=True).distinct()
        of_pages = AccessToken.objects.filter(user__pk=row["user_id"], kind=Kind.PAGE).values_list("pk", flat=True)
        pages = {str(key) for key in of_pages}
        named = len(set(ids) - pages)
        if named >= bounds["tokens"]:
            yield Found(row["project_id"], row["model"], {"tokens": named})


def _refusals(day: date, bounds: Mapping[str, int]) -> Iterator[Found]:
    """One person's queries, refused by the gateways over and over."""
    by_person: Counter[tuple[str, str, str]] = Counter()
    with reachable() as store:
        tallied = cast("dict[str, str]", store.hgetall(contract.refusals_key(day.isoformat())))
    for name, refused in tallied.items():
        project, user, _token, model = contract.tally_of(name)
        by_person[project, model, user] += int(refused)
    for (project, model), n in _highest(by_person).items():
        if n >= bounds["least"]:
            yield Found(project, model, {"refusals": n})


def _many_networks(day: date, bounds: Mapping[str, int]) -> Iterator[Found]:
    """One token, used from many places."""
    by_token: Counter[tuple[str, str, str]] = Counter()
    head = contract.networks_key(day.isoformat(), "")
    with reachable() as store:
        for key in store.scan_iter(match=f"{head}*", count=1000):
            project, _user, token, model = contract.tally_of(key.removeprefix(head))
            by_token[project, model, token] = store.pfcount(key)
    for (project, model), n in _highest(by_token).items():
        if n >= bounds["networks"]:
            yield Found(project, model, {"networks": n})


def _highest(counts: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str], int]:
    """Of each project and model the one that stands out most."""
    found: dict[tuple[str, str], int] = {}
    for (project, model, _whose), n in counts.items():
        found[project, model] = max(n, found.get((project, model), 0))
    return found


def _records(day: date) -> QuerySet[UsageRecord]:
    return UsageRecord.objects.filter(started_day=day).order_by()


QUESTIONS: Final[Mapping[str, Question]] = {
    "burst": _burst,
    "saturation": _saturation,
    "same_length": _same_length,
    "many_tokens": _many_tokens,
    "refusals": _refusals,
    "many_networks": _many_networks,
}
