"""Questions about rosters: what was pasted, whose mailbox is whose, who is on the list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.institutional import ON_ROSTER, Line
from portal.access.institutional_models import InstitutionalAgreement, RosterLine
from portal.people.domains import FREE_MAIL, belongs, domain_of, mailbox_of
from portal.people.models import Affiliation, MailedProof, User

MOST_LINES: Final = 500
"""Addresses in one paste."""
_ANGLED: Final = re.compile(r"<([^<>\s]+)>\s*$")


@dataclass(frozen=True, slots=True)
class Pasted:
    """One line of what was pasted: its text, the address in it, and what is wrong with it, if anything is."""

    text: str
    address: str
    problem: str = ""


def read_lines(text: str) -> list[Pasted]:
    """Each address of a paste, one a line or parted by commas or semicolons; `Name <address>` is read as the address."""
    pieces = [piece.strip() for piece in re.split(r"[\r\n,;]+", text.replace("\x00", ""))]
    return [Pasted(piece, _address(piece)) for piece in pieces if piece]


def _address(piece: str) -> str:
    angled = _ANGLED.search(piece)
    return (angled.group(1) if angled else piece).strip().lower()


def judged(lines: Iterable[Pasted], agreement: InstitutionalAgreement) -> list[Pasted]:
    """The same lines, each with what is wrong with it. Two queries, however many."""
    wanted = list(lines)
    domains = set[str]().union(*(each.mail_domains() for each in agreement.institution.line()))
    mailboxes = [mailbox_of(each.address) for each in wanted]
    there = dict(agreement.roster.filter(mailbox__in=mailboxes, status__in=ON_ROSTER).values_list("mailbox", "status"))
    seen: set[str] = set()
    found = []
    for line, mailbox in zip(wanted, mailboxes, strict=True):
        problem = _problem(line.address, domains, agreement) or _twice(mailbox, seen, there)
        seen.add(mailbox)
        found.append(Pasted(line.text, line.address, problem))
    return found


def _problem(address: str, domains: set[str], agreement: InstitutionalAgreement) -> str:
    try:
        validate_email(address)
    except ValidationError:
        return _("This is not a whole address, like name@northfield.example.")
    domain = domain_of(address)
    if domain in FREE_MAIL:
        return _("%(domain)s gives an address to anyone. Use the one of the institution.") % {"domain": domain}
    if domains and not belongs(domain, domains):
        shown = {"name": agreement.institution.name, "domains": ", ".join(sorted(domains)[:3])}
        return _("%(name)s has its addresses at %(domains)s.") % shown
    return ""


def _twice(mailbox: str, seen: set[str], there: dict[str, str]) -> str:
    if mailbox in seen:
        return _("This address stands above already.")
    words = {
        Line.SEATED.value: _("Holds a seat already."),
        Line.INVITED.value: _("Is invited already; the roster lets you send the invitation again."),
        Line.ASKED.value: _("Asks for a seat already; admit them on the roster."),
    }
    return words.get(there.get(mailbox, ""), "")


def mailboxes(user: User) -> set[str]:
    """Every mailbox that a person has shown to be theirs, in the one spelling. Two queries."""
    verified = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    proved = MailedProof.objects.filter(affiliation__user=user, verified_at__isnull=False, ended_at=None)
    return {mailbox_of(user.email), *(mailbox_of(each) for each in verified), *proved.values_list("mailbox", flat=True)}


def lines_of(user: User) -> QuerySet[RosterLine]:
    """Every line about a person: theirs, and those of their mailboxes."""
    return RosterLine.objects.filter(Q(user=user) | Q(mailbox__in=mailboxes(user)))


def colleague(user: User, agreement: InstitutionalAgreement) -> Affiliation | None:
    """The person's verified place at the institution of the agreement, or at the one that it was merged into; None where they
    have shown none."""
    return Affiliation.objects.verified().filter(user=user, institution__in=agreement.institution.line()).first()


def proved_address(place: Affiliation) -> str:
    """The address that answered the mailed link."""
    proof = place.proofs.filter(verified_at__isnull=False, ended_at=None).order_by("-verified_at").first()
    return proof.address if proof else ""


def on_roster(agreement: InstitutionalAgreement, *, q: str = "", gone: bool = False) -> QuerySet[RosterLine]:
    """Its lines, newest first: those who ask before those invited before those seated; `gone`: the past ones."""
    rows = agreement.roster.select_related("user", "grant")
    rows = rows.exclude(status__in=ON_ROSTER) if gone else rows.filter(status__in=ON_ROSTER)
    if q:
        rows = rows.filter(Q(address__icontains=q) | Q(user__name__icontains=q))
    return rows.order_by("status", "-since", "-pk")


def expired(agreement: InstitutionalAgreement, now: datetime | None = None) -> QuerySet[RosterLine]:
    """Invitations whose link has run out."""
    return agreement.roster.filter(status=Line.INVITED, expires_at__lte=now or timezone.now())
