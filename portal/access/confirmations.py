"""How far an application is confirmed from outside, and what an address says about who has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.access.application_models import Application
from portal.access.referee_models import Referee, Waiver
from portal.access.referees import RefereeStatus
from portal.people.domains import FREE_MAIL, belongs, domain_of
from portal.people.models import Affiliation

EVIDENCE: Final = {
    "free": _("free mail: says nothing about where they work"),
    "same_place": _("at the applicant’s institution"),
    "same_domain": _("same mail domain as the applicant"),
    "elsewhere": _("another domain than the applicant’s"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Confirmations that are needed and in, who was asked, and the word to go on without."""

    needed: int
    referees: list[Referee]
    waiver: Waiver | None

    @property
    def given(self) -> int:
        """How many have confirmed."""
        return sum(each.status == RefereeStatus.CONFIRMED for each in self.referees)

    @property
    def missing(self) -> int:
        """How many are still needed, whatever was waived."""
        return max(0, self.needed - self.given)

    @property
    def wanted(self) -> int:
        """How many the applicant is still to bring: none once a reviewer has gone on without the rest."""
        return 0 if self.waiver else self.missing

    @property
    def complete(self) -> bool:
        """Whether reviewers may approve."""
        return self.wanted == 0

    @property
    def asked(self) -> list[Referee]:
        """Those who hold the ball."""
        return [each for each in self.referees if each.status == RefereeStatus.ASKED]


def standing(application: Application) -> Standing:
    """Two queries; none where the gate asks for nobody."""
    if not application.confirmations:
        return Standing(0, [], None)
    waiver = Waiver.objects.filter(application=application).select_related("by").first()
    return Standing(application.confirmations, list(application.referees.all()), waiver)


def with_evidence(application: Application, referees: list[Referee]) -> list[tuple[Referee, str]]:
    """(referee, what the address says) for reviewers; two queries for all."""
    place = (
        Affiliation.objects.filter(user=application.applicant_id, ends_at=None).select_related("institution").first()
    )
    domains = place.institution.mail_domains() if referees and place and place.institution else ()
    own = domain_of(application.applicant.email)
    return [(each, str(EVIDENCE[_says(domain_of(each.email), own, domains)])) for each in referees]


def _says(domain: str, own: str, domains: Iterable[str]) -> str:
    if domain in FREE_MAIL:
        return "free"
    if belongs(domain, domains):
        return "same_place"
    return "same_domain" if domain == own else "elsewhere"
