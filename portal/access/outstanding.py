"""Who has yet to sign: what the versions of an agreement demand, of whom, and until when.

A published version demands a new signature of everybody who signed an earlier one: a blocking version from the moment
of its publication, one of the class notice from its date of grace on, an editorial one never. A signature under any
later version satisfies it. `Signature.objects.binding()` is the same rule seen from the signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.access.models import Grant, GrantQuerySet
from portal.agreements.models import Agreement, ChangeClass, Signature, Version
from portal.people.models import User

DUE: Final = Coalesce("grace_ends_at", "published_at")
"""When access pauses without a signature under a version that demands one."""
SHOWN: Final = ("outstanding", "paused", "grace", "signed", "all")


@dataclass(frozen=True, slots=True)
class Demand:
    """Version `number` asks for a signature, and `due` is when access pauses without it."""

    number: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """One holder: the newest version that they signed (0: none) and when; `due` is None where nothing is asked."""

    user: User
    grant: UUID
    signed: int
    signed_at: datetime | None
    due: datetime | None
    state: str
    """signed, grace (still has access) or paused."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one holder is asked: to sign the present text of an agreement, under one of their grants."""

    agreement: int
    title: str
    lab: str
    grant: UUID
    due: datetime
    paused: bool
    days_left: int


def demands(agreement: Agreement, now: datetime) -> tuple[Demand, ...]:
    """What the agreement asks for, newest version first."""
    rows = _demanding(now).filter(agreement=agreement).order_by("-number")
    return tuple(Demand(number, due) for number, due in rows.values_list("number", DUE))


def due_after(asked: tuple[Demand, ...], signed: int) -> datetime | None:
    """When access pauses for somebody who signed version `signed` last; None where nothing is asked."""
    return min((demand.due for demand in asked if demand.number > signed), default=None)


def holders(agreement: Agreement) -> QuerySet[User]:
    """Everybody with a grant under the agreement that would be in force if it were signed."""
    held = _held().filter(gate__agreement=agreement, user=OuterRef("pk"))
    return User.objects.filter(Exists(held), is_active=True).order_by("name", "pk")


def missing(people: QuerySet[User], agreement: Agreement, number: int) -> QuerySet[User]:
    """Those who have signed neither version `number` nor a later one."""
    return people.filter(_unsigned(agreement, number))


def chosen(agreement: Agreement, *, show: str, now: datetime) -> QuerySet[User]:
    """The holders in one of the states SHOWN."""
    return holders(agreement).filter(_states(agreement, now)[show])


def counts(agreement: Agreement, now: datetime) -> dict[str, int]:
    """How many holders are in each of the states SHOWN. Two queries; the second reads every signature once."""
    latest, overdue = _asked_up_to(agreement, now)
    last = Max("signatures__version__number", filter=Q(signatures__version__agreement=agreement))
    conditions = (
        Q(last__lt=latest),
        Q(last__lt=overdue),
        Q(last__lt=latest, last__gte=overdue),
        Q(last__gte=latest),
        Q(pk__isnull=False),
    )
    states = {state: Count("pk", filter=q) for state, q in zip(SHOWN, conditions, strict=True)}
    return dict(holders(agreement).order_by().annotate(last=Coalesce(last, 0)).aggregate(**states))


def _states(agreement: Agreement, now: datetime) -> dict[str, Q]:
    latest, overdue = _asked_up_to(agreement, now)
    asking, paused = _unsigned(agreement, latest), _unsigned(agreement, overdue)
    conditions = (asking, paused, asking & ~paused, ~asking, Q(pk__isnull=False))
    return dict(zip(SHOWN, conditions, strict=True))


def _asked_up_to(agreement: Agreement, now: datetime) -> tuple[int, int]:
    """(the newest version that asks for a signature, the newest that pauses access without one); 0 for none. One query."""
    asked = demands(agreement, now)
    overdue = (demand.number for demand in asked if demand.due <= now)
    return max((demand.number for demand in asked), default=0), max(overdue, default=0)


def _unsigned(agreement: Agreement, number: int) -> Q:
    return Q(~Exists(_signatures(agreement).filter(version__number__gte=number)))


def matching(people: QuerySet[User], text: str) -> QuerySet[User]:
    """Those whose name or address holds the text."""
    text = text.strip().replace("\x00", "")
    return people.filter(Q(name__icontains=text) | Q(email__icontains=text)) if text else people


def with_standing(people: QuerySet[User], agreement: Agreement) -> QuerySet[User]:
    """Annotate what `standing_of` reads."""
    newest = _signatures(agreement).order_by("-version__number")
    held = _held().filter(gate__agreement=agreement, user=OuterRef("pk")).order_by("-ends_at")
    return people.annotate(
        signed=Coalesce(Subquery(newest.values("version__number")[:1]), 0),
        signed_at=Subquery(newest.values("signed_at")[:1]),
        held=Subquery(held.values("pk")[:1]),
    )


def standing_of(user: User, asked: tuple[Demand, ...], now: datetime) -> Standing:
    """Where one row of `with_standing` stands."""
    row = vars(user)
    due = due_after(asked, row["signed"])
    state = "signed" if due is None else "paused" if due <= now else "grace"
    return Standing(user, row["held"], row["signed"], row["signed_at"], due, state)


def asked_of(user: User, now: datetime | None = None) -> list[Asked]:
    """What this person must sign, first due first; one line an agreement, one query for all."""
    now = now or timezone.now()
    held = _held().filter(user=user, gate__agreement=OuterRef("agreement")).order_by("-ends_at")
    signed = Signature.objects.filter(user=user, version__agreement=OuterRef("agreement")).order_by("-version__number")
    rows = (
        _demanding(now)
        .filter(Exists(held), number__gt=Coalesce(Subquery(signed.values("version__number")[:1]), 0))
        .annotate(held=Subquery(held.values("pk")[:1]))
        .order_by(DUE)
        .values_list("agreement_id", "agreement__title", "agreement__lab__name", "held", DUE)
    )
    first: dict[int, Asked] = {}
    for agreement, title, lab, grant, due in rows:
        days = max(0, (due - now).days)
        first.setdefault(agreement, Asked(agreement, title, lab, grant, due, paused=due <= now, days_left=days))
    return list(first.values())


def _demanding(now: datetime) -> QuerySet[Version]:
    return Version.objects.filter(published_at__lte=now).exclude(change_class=ChangeClass.EDITORIAL)


def _signatures(agreement: Agreement) -> QuerySet[Signature]:
    return Signature.objects.filter(user=OuterRef("pk"), version__agreement=agreement)


def _held() -> GrantQuerySet:
    return Grant.objects.standing().filter(suspended_at=None, gate__lab__is_active=True, project__closed_at=None)
