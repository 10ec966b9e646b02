"""THE rule of the releases: may this person do this with this model, and if not, why not.

It is the only caller of the portal's rule on grants, and adds what the portal does not know: open models, release
states, kill switches, stops, the scopes of a token. decide() answers for one model, from the list of conditions that weigh()
judges, and says why; open_to() is the same rule over a whole QuerySet. tests/releases/test_policy.py holds the three
against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from portal.access.models import Grant
from portal.errors import NotAllowed, NotSignedIn, Reason
from portal.people.models import Membership, User
from portal.switches.models import is_on
from releases.conditions import DOWNLOAD, QUERY, SWITCHES, VIEW, Facts, Question, roles_of, weigh
from releases.lifecycle import STAFF
from releases.stop_models import stopped

if TYPE_CHECKING:
    from releases.models import Model, Revision

__all__ = [
    "DOWNLOAD",
    "QUERY",
    "VIEW",
    "Allow",
    "Deny",
    "Facts",
    "decide",
    "member",
    "open_to",
    "require",
    "roles_of",
    "standing",
]


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes. `until` is when the right ends by itself, None for an open model; `grant` is what it rests on."""

    until: datetime | None = None
    grant: str = ""


@dataclass(frozen=True, slots=True)
class Deny:
    """No, with every condition that is not met, the most useful first."""

    reasons: tuple[Reason, ...]

    @property
    def first(self) -> Reason:
        """The reason to show where there is room for one."""
        return self.reasons[0]


def decide(
    *,
    person: User | None,
    scopes: frozenset[str] | None,
    model: Model,
    revision: Revision | None,
    capability: str,
    now: datetime,
    facts: Facts | None = None,
) -> Allow | Deny:
    """May `person` use `capability` ("view", "download", "query") on `model`?

    `scopes` are the token's, or None in a browser session. `revision` None means what `main` names. `facts` came with the
    revision in one question, for this person and this moment.
    """
    weighed = weigh(Question(person, scopes, model, revision, capability, now, facts))
    if not weighed.allows:
        return Deny(weighed.unmet)
    grant = weighed.grant
    return Allow(until=grant.not_after, grant=str(grant.pk)) if grant else Allow()


def require(
    *,
    person: User | None,
    scopes: frozenset[str] | None,
    model: Model,
    revision: Revision | None,
    capability: str,
    now: datetime,
    facts: Facts | None = None,
) -> Allow:
    """decide(), raising NotSignedIn or NotAllowed with the reasons and the address where all conditions are listed."""
    verdict = decide(
        person=person, scopes=scopes, model=model, revision=revision, capability=capability, now=now, facts=facts
    )
    if isinstance(verdict, Allow):
        return verdict
    if person is None and verdict.first.code == "sign_in":
        raise NotSignedIn(verdict.first.message)
    why = why_url(model, capability) if person else ""
    raise NotAllowed(verdict.first.message, reasons=verdict.reasons, code=verdict.first.code, why=why)


def why_url(model: Model, capability: str) -> str:
    """Where every condition is listed with its state, absolute."""
    return f"{settings.BASE_URL}{reverse('releases:why', args=[model.lab.slug, model.name])}?action={capability}"


def open_to(person: User | None, capability: str, now: datetime) -> Q:
    """The condition on Model that selects exactly what decide() allows in a browser session, for `main`."""
    labs = Membership.objects.active(now).filter(user=person) if person else Membership.objects.none()
    if capability == VIEW:
        return Q(opened_at__isnull=False) | Q(Exists(labs.filter(lab=OuterRef("lab"))))
    if not is_on(SWITCHES[capability]) or (person is None and capability == QUERY) or (person and not person.is_active):
        return Q(pk__in=[])
    right = Q(gate=None)
    if person:
        grants = Grant.objects.active(now).filter(
            user=person, gate=OuterRef("gate"), capabilities__contains=[capability]
        )
        right |= Q(Exists(grants))
    if person and capability == DOWNLOAD:
        right |= Q(Exists(labs.filter(lab=OuterRef("lab"), role__in=STAFF)))
    return right & Q(main__isnull=False, lab__is_active=True, withdrawn_at=None) & ~Q(stopped())


def member(person: User | None, model: Model, now: datetime) -> bool:
    """Whether the person holds any role in the model's lab, and so sees its drafts."""
    return bool(roles_of(person, model, now))


def standing(person: User | None, model: Model, now: datetime) -> Allow | Deny:
    """Where this reader stands with a model's gate: for the notice on its page."""
    return decide(person=person, scopes=None, model=model, revision=None, capability=DOWNLOAD, now=now)
