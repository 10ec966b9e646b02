"""The review queue's filters: read from an address, applied to a QuerySet, written back into an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from portal.access import waiting
from portal.access.application_models import Application, ApplicationQuerySet
from portal.access.filters import Filters
from portal.access.gate_models import Gate
from portal.access.substitutes import standing
from portal.access.workflow import QUEUED, Status
from portal.people.models import Affiliation, User

PASSED: Final = {Status.APPROVED, Status.GRANTED, Status.WITHDRAWN, Status.LAPSED}
"""Where an application can stand that the rules approved."""

SHOWN: Final = {
    "waiting": QUEUED,
    "submitted": {Status.SUBMITTED},
    "in_review": {Status.IN_REVIEW},
    "appealed": {Status.APPEALED},
    "changes_requested": {Status.CHANGES_REQUESTED},
    "approved": {Status.APPROVED},
    "passed": PASSED,
    "spot_check": PASSED,
    "closed": {Status.GRANTED, Status.DECLINED, Status.WITHDRAWN, Status.LAPSED},
    "all": frozenset(Status),
}
"""The filter `show`; the first is the default."""

TO_SPOT_CHECK: Final = Q(spot_check__isnull=False, spot_check__checked_at=None)
_ALSO: Final = {"passed": Q(decided_rules__isnull=False), "spot_check": TO_SPOT_CHECK}
"""What some of them ask beside the status."""

FIELDS: Final = (
    *("number", "status", "lane", "version", "created_at", "submitted_at", "decided_at", "applicant__name"),
    *("applicant__email", "assignee__name", "assignee__email", "gate__title", "gate__target_days", "gate__slug"),
    *("gate__lab__slug", "appeal__made_at"),
)
"""What the queue reads: answers and forms stay in the database."""


@dataclass(frozen=True, slots=True)
class Chosen(Filters):
    """One way to look at the queue."""

    show: str = "waiting"
    lane: str = ""
    gate: str = ""
    assignee: str = ""
    """`me` (and whom I stand in for), `none`, or a colleague's id."""
    late: str = ""
    """`yes`: those over their gate's target only."""
    institution: str = ""
    q: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Chosen:
        """From an address; what is unknown or unreadable filters nothing."""
        asked = cls.told(query)
        asked["show"] = asked["show"] if asked["show"] in SHOWN else "waiting"
        return cls(**asked)

    def apply(self, rows: ApplicationQuerySet, user: User, gates: Sequence[Gate], now: datetime) -> ApplicationQuerySet:
        """The rows that fit; `user` is who `me` means, `gates` are those that the rows may belong to."""
        rows = rows.filter(_ALSO.get(self.show, Q()), status__in=SHOWN[self.show])
        if self.lane:
            rows = rows.filter(lane=self.lane)
        if self.gate:
            rows = rows.filter(gate__slug=self.gate)
        if self.assignee:
            rows = rows.filter(_assigned(self.assignee, user))
        if self.late:
            rows = rows.filter(_late(gates, now))
        if self.institution:
            rows = rows.filter(_at(self.institution))
        return rows.filter(_matching(self.q)) if self.q else rows


def rows_of(user: User) -> ApplicationQuerySet:
    """What this person's queue may show, with what a row needs."""
    rows = Application.objects.for_staff(user).select_related("gate__lab", "applicant", "assignee", "appeal")
    return rows.only(*FIELDS).order_by("submitted_at", "pk")


def _assigned(whom: str, user: User) -> Q:
    if whom == "me":
        mine = standing().filter(substitute=user, reviewer=OuterRef("assignee"), lab=OuterRef("gate__lab"))
        return Q(assignee=user) | Q(Exists(mine))
    if whom == "none":
        return Q(assignee=None)
    try:
        return Q(assignee=UUID(whom))
    except ValueError:
        return Q(pk=None)


def _late(gates: Sequence[Gate], now: datetime) -> Q:
    late = Q(pk=None)
    for days in {gate.target_days for gate in gates}:
        before = waiting.late_before(days, now)
        sent = ~Q(status=Status.APPEALED) & Q(submitted_at__lt=before)
        late |= Q(gate__target_days=days) & (sent | Q(status=Status.APPEALED, appeal__made_at__lt=before))
    return late


def _at(place: str) -> Q:
    current = Affiliation.objects.filter(user=OuterRef("applicant"), ends_at=None)
    return Q(Exists(current.filter(Q(organisation__icontains=place) | Q(institution__name__icontains=place))))


def _matching(text: str) -> Q:
    found = Q(applicant__name__icontains=text) | Q(applicant__email__icontains=text)
    tail = text.rpartition("-")[2]
    if tail.isascii() and tail.isdigit() and len(tail) < 18:
        found |= Q(number=int(tail))
    return found
