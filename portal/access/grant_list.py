"""The list of grants: its filters, read from an address, applied to a QuerySet, written back into an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef, Q

from portal.access.filters import Filters
from portal.access.lifetime import RenewalStatus, State
from portal.access.lifetime_models import Renewal
from portal.access.models import Grant, GrantQuerySet
from portal.people.models import User

SHOWN: Final = (*State, "all")
"""The filter `show`; the first is the default."""
MOST_DAYS: Final = 3_650


@dataclass(frozen=True, slots=True)
class Chosen(Filters):
    """One way to look at the grants."""

    show: str = State.ACTIVE.value
    gate: str = ""
    within: str = ""
    """Days in which the grant ends."""
    waits: str = ""
    """`renewal`: those whose renewal waits for the lab; `deletion`: those whose attestation is overdue."""
    q: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Chosen:
        """From an address; what is unknown or unreadable filters nothing. What waits is looked for in every state."""
        asked = cls.told(query)
        if asked["waits"] not in {"renewal", "deletion"}:
            asked["waits"] = ""
        if asked["show"] not in SHOWN:
            asked["show"] = "all" if asked["waits"] else State.ACTIVE.value
        if not (asked["within"].isascii() and asked["within"].isdigit() and int(asked["within"]) <= MOST_DAYS):
            asked["within"] = ""
        return cls(**asked)

    def apply(self, rows: GrantQuerySet, now: datetime) -> GrantQuerySet:
        """The rows that fit."""
        if self.show != "all":
            rows = rows.in_state(State(self.show), now)
        if self.gate:
            rows = rows.filter(gate__slug=self.gate)
        if self.within:
            rows = rows.filter(ends_at__gt=now, ends_at__lte=now + timedelta(days=int(self.within)))
        if self.waits == "renewal":
            rows = rows.filter(Exists(Renewal.objects.filter(grant=OuterRef("pk"), status=RenewalStatus.SUBMITTED)))
        if self.waits == "deletion":
            rows = rows.deletion_overdue(now)
        return rows.filter(_matching(self.q)) if self.q else rows


def rows_of(user: User) -> GrantQuerySet:
    """The grants of a person's labs, newest first, with what a row needs."""
    rows = Grant.objects.for_staff(user).select_related("gate__lab", "user", "project")
    return rows.defer("gate__form_spec", "gate__summary").order_by("-starts_at", "pk")


def _matching(text: str) -> Q:
    found = Q(user__name__icontains=text) | Q(user__email__icontains=text) | Q(project__title__icontains=text)
    tail = text.rpartition("-")[2].lower()
    if len(tail) == 8 and all(each in "0123456789abcdef" for each in tail):
        found |= Q(id__gte=f"{tail}-0000-0000-0000-000000000000", id__lte=f"{tail}-ffff-ffff-ffff-ffffffffffff")
    return found
