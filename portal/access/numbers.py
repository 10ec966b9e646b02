"""The public numbers: what was sent and decided in a year, how long it took, and what is granted today.

The times come from portal.access.waiting, as on the status pages. Small counts are left out (see suppression). The
number of queries does not depend on how much there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from django.core.cache import caches
from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.translation import get_language

from portal.access import waiting
from portal.access.application_models import Application, Step
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.suppression import Relation, hidden
from portal.access.waiting import Times
from portal.access.workflow import DECIDED, Status, Verb
from portal.people.models import AffiliationClass

FRESH_S: Final = 300
"""Seconds that the numbers are kept."""
COUNTS: Final = ("sent", "decided", "grants")
GATE: Final = "gate"
CLASS: Final = "class"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a gate, a class of institutions, or all. A count is None where it is left out."""

    key: str
    label: str
    note: str
    sent: int | None
    decided: int | None
    grants: int | None
    times: Times | None

    def as_json(self) -> dict[str, Any]:
        """The line for a program; times in business days."""
        days = {"half": self.times.half, "nine_in_ten": self.times.nine_in_ten} if self.times else None
        counts = {"sent": self.sent, "decided": self.decided, "grants_active": self.grants}
        return {"key": self.key, "label": self.label, **counts, "business_days": days}


@dataclass(frozen=True, slots=True)
class Numbers:
    """The whole page. `approved` and `declined` are of all that was decided."""

    since: datetime
    until: datetime
    total: Row
    approved: int | None
    declined: int | None
    appeals: int | None
    gates: list[Row]
    classes: list[Row]

    def as_json(self) -> dict[str, Any]:
        """The page for a program."""
        return {
            "since": self.since,
            "until": self.until,
            "smallest_count": waiting.LEAST,
            "total": {
                **self.total.as_json(),
                "approved": self.approved,
                "declined": self.declined,
                "appeals": self.appeals,
            },
            "gates": [row.as_json() for row in self.gates],
            "classes": [row.as_json() for row in self.classes],
        }


def recent() -> Numbers:
    """The numbers in the reader's language, at most FRESH_S old: they read every application and grant of the year."""
    key = f"access.numbers.{get_language()}"
    return cast("Numbers", caches["process"].get_or_set(key, lambda: collect(timezone.now()), FRESH_S))


def collect(now: datetime) -> Numbers:
    """The numbers of the year before `now`. Five queries."""
    since = now - waiting.WINDOW
    counts = _counts(since, now)
    gates = {str(g.pk): g for g in Gate.objects.select_related("lab") if f"{GATE}:{g.pk}:sent" in counts}
    labels = {str(code): str(label) for code, label in AffiliationClass.choices}
    shown = _without_small(counts, list(gates), list(labels))
    times = _times(since)
    return Numbers(
        since=since,
        until=now,
        total=_row("all", "", "", "all", shown, times),
        approved=shown["all:approved"],
        declined=shown["all:declined"],
        appeals=shown["all:appeals"],
        gates=[_row(g.full_name, g.title, g.lab.name, f"{GATE}:{key}", shown, times) for key, g in gates.items()],
        classes=[_row(code, label, "", f"{CLASS}:{code}", shown, times) for code, label in labels.items()],
    )


def _row(
    key: str, label: str, note: str, prefix: str, shown: dict[str, int | None], times: dict[str, Times | None]
) -> Row:
    sent, decided, grants = (shown.get(f"{prefix}:{count}", 0) for count in COUNTS)
    return Row(key, label, note, sent, decided, grants, times.get(prefix) if decided else None)


def _counts(since: datetime, now: datetime) -> dict[str, int]:
    """Every count by name: `gate:<id>:sent`, `class:<name>:grants`, `all:approved` …"""
    counts: dict[str, int] = defaultdict(int)
    applied = Application.objects.filter(Q(submitted_at__gte=since) | Q(decided_at__gte=since))
    decided = Q(decided_at__gte=since, status__in=DECIDED)
    grouped: Iterable[Any] = (
        applied.order_by()
        .values("gate", klass=KeyTextTransform("affiliation_class", "answers"))
        .annotate(
            sent=Count("pk", filter=Q(submitted_at__gte=since)),
            decided=Count("pk", filter=decided),
            declined=Count("pk", filter=decided & Q(status__in=[Status.DECLINED, Status.APPEALED])),
        )
    )
    for row in grouped:
        _add(counts, row, {"sent": row["sent"], "decided": row["decided"], "grants": 0})
        counts["all:declined"] += row["declined"]
        counts["all:approved"] += row["decided"] - row["declined"]
    counts["all:appeals"] = Step.objects.filter(verb=Verb.APPEAL, at__gte=since).count()
    held: QuerySet[Any, Any] = (
        Grant.objects.active(now)
        .order_by()
        .values("gate", klass=KeyTextTransform("affiliation_class", "application__answers"))
    )
    for one in held.annotate(n=Count("pk")):
        _add(counts, one, {"sent": 0, "decided": 0, "grants": one["n"]})
    return counts


def _add(counts: dict[str, int], row: dict[str, Any], more: dict[str, int]) -> None:
    for prefix in (f"{GATE}:{row['gate']}", f"{CLASS}:{_class(row['klass'])}", "all"):
        for name, n in more.items():
            counts[f"{prefix}:{name}"] += n


def _class(said: object) -> str:
    """The class that the applicant named; “other” for a form that does not ask."""
    return str(said) if said in AffiliationClass.values else AffiliationClass.OTHER.value


def _without_small(counts: dict[str, int], gates: list[str], classes: list[str]) -> dict[str, int | None]:
    """The counts with None for each that must be left out."""
    relations: list[Relation] = [("all:decided", ("all:approved", "all:declined")), ("all:appeals", ())]
    for name in COUNTS:
        relations.append((f"all:{name}", [f"{GATE}:{key}:{name}" for key in gates]))
        relations.append((f"all:{name}", [f"{CLASS}:{key}:{name}" for key in classes]))
    cells = {name: counts[name] for total, parts in relations for name in (total, *parts)}
    gone = hidden(cells, relations)
    return {name: None if name in gone else count for name, count in cells.items()}


def _times(since: datetime) -> dict[str, Times | None]:
    """The times of each gate and class, and of all, from people's newest decisions, as waiting.times() takes them."""
    spans: dict[str, list[int]] = defaultdict(list)
    for gate, klass, sent, decided, in_gate, in_class, in_all in _newest(since):
        days = waiting.business_days(sent, decided)
        places = ((f"{GATE}:{gate}", in_gate), (f"{CLASS}:{_class(klass)}", in_class), ("all", in_all))
        for prefix, place in places:
            if place <= waiting.SAMPLE:
                spans[prefix].append(days)
    return {prefix: waiting.summary(days) for prefix, days in spans.items()}


def _newest(since: datetime) -> QuerySet[Any, tuple[Any, ...]]:
    decided: QuerySet[Any, Any] = Application.objects.filter(
        decided_at__gte=since, status__in=DECIDED, submitted_at__isnull=False, decided_rules=None
    ).annotate(klass=KeyTextTransform("affiliation_class", "answers"))
    order = F("decided_at").desc()
    ranked: QuerySet[Any, Any] = decided.annotate(
        in_gate=Window(RowNumber(), partition_by="gate", order_by=order),
        in_class=Window(RowNumber(), partition_by="klass", order_by=order),
        in_all=Window(RowNumber(), order_by=order),
    ).filter(Q(in_gate__lte=waiting.SAMPLE) | Q(in_class__lte=waiting.SAMPLE) | Q(in_all__lte=waiting.SAMPLE))
    fields = ("gate", "klass", "submitted_at", "decided_at", "in_gate", "in_class", "in_all")
    return ranked.order_by().values_list(*fields)
