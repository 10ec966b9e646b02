"""The writers of affiliations and of their evidence: a place of work, and an address there that answered a link."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.mail import sending
from portal.people.domains import FREE_MAIL, belongs, domain_of, mailbox_of
from portal.people.models import (
    ADDRESS_AT,
    Affiliation,
    AffiliationClass,
    Institution,
    InstitutionStatus,
    MailedProof,
    Position,
    User,
)

LINK_LIFE: Final = timedelta(hours=24)
LINKS_A_DAY: Final = 5
"""Mails that one person can make us send to institutions in a day."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody says they work. `ror` names an institution of the register; without it name, site and country do."""

    organisation: str
    ror: str = ""
    site: str = ""
    country: str = ""
    position: str = ""
    klass: str = ""
    contested: str = ""


@transaction.atomic
def affiliate(*, by: User, place: Place) -> Affiliation:
    """Make this one's present place of work; the one before ends, and its evidence with it.

    Raises Invalid, field by field, when the place is not told well enough.
    """
    User.objects.select_for_update().get(pk=by.pk)
    institution = institution_of(place)
    wanted = _described(place, institution)
    current = Affiliation.objects.filter(user=by, ends_at=None).first()
    if current and _same_place(current, wanted):
        return _amend(current, wanted, by)
    if current:
        _end(current)
    made = Affiliation.objects.create(user=by, **wanted)
    trail.record(Event.AFFILIATION_CHANGED, by=by, target=made, ror=institution.ror if institution else "")
    return made


def institution_of(place: Place) -> Institution | None:
    """The institution of the register that is meant; a withdrawn one stands for its successor. None: not in the register.

    Raises Invalid for an id that the register does not have.
    """
    if not place.ror:
        return Institution.objects.named(place.organisation)
    found = Institution.objects.filter(ror=place.ror).select_related("successor").first()
    if found and found.status != InstitutionStatus.ACTIVE and found.successor:
        found = found.successor
    if found is None or found.status != InstitutionStatus.ACTIVE:
        message = _("The register has no open institution under this id. Search again, or say that it is not listed.")
        raise Invalid(message, fields={"organisation": [message]})
    return found


def _described(place: Place, institution: Institution | None) -> dict[str, object]:
    """The row's values. Raises Invalid where something is missing or contradicts the register."""
    problems: dict[str, list[str]] = {}
    klass = place.klass or (institution.klass if institution else "")
    if not place.organisation.strip() and institution is None:
        problems["organisation"] = [_("Write where you work.")]
    if institution is None:
        problems |= _unlisted_problems(place)
    if klass not in AffiliationClass.values:
        problems["klass"] = [_("Choose what kind of institution it is.")]
    if place.position and place.position not in Position.values:
        problems["position"] = [_("Choose one of the list.")]
    disagrees = institution is not None and klass != institution.klass
    if disagrees and not place.contested.strip():
        label = AffiliationClass(institution.klass).label if institution else ""
        problems["contested"] = [
            _("The register calls it %(klass)s. Say in a sentence why it is not.") % {"klass": label}
        ]
    if problems:
        raise Invalid(_("Some answers need another look."), fields=problems)
    return {
        "institution": institution,
        "organisation": institution.name if institution else place.organisation.strip()[:254],
        "site": "" if institution else place.site.strip(),
        "country": institution.country if institution else place.country,
        "position": place.position,
        "klass": klass,
        "contested": place.contested.strip()[:400] if disagrees else "",
    }


def _unlisted_problems(place: Place) -> dict[str, list[str]]:
    found = {}
    if not place.site.strip().startswith(("https://", "http://")):
        found["site"] = [_("It is not in the register: write the address of its site, with https://.")]
    if not place.country:
        found["country"] = [_("It is not in the register: choose its country.")]
    return found


def _same_place(current: Affiliation, wanted: dict[str, object]) -> bool:
    return (current.institution, current.organisation) == (wanted["institution"], wanted["organisation"])


def _amend(current: Affiliation, wanted: dict[str, object], by: User) -> Affiliation:
    changed = [name for name, value in wanted.items() if getattr(current, name) != value]
    for name in changed:
        setattr(current, name, wanted[name])
    if changed:
        current.save(update_fields=changed)
        trail.record(Event.AFFILIATION_CHANGED, by=by, target=current, fields=changed)
    return current


def _end(affiliation: Affiliation) -> None:
    now = timezone.now()
    affiliation.ends_at = now
    affiliation.save(update_fields=["ends_at"])
    affiliation.proofs.filter(ended_at=None).update(ended_at=now)


@transaction.atomic
def mail_proof(*, by: User, address: str) -> MailedProof:
    """Mail a link to an address at one's institution. Whoever follows it, signed in, has shown that they work there.

    Raises Invalid when the address cannot show it, Conflict when there is no institution to show it for.
    """
    User.objects.select_for_update().get(pk=by.pk)
    affiliation = Affiliation.objects.filter(user=by, ends_at=None).select_related("institution").first()
    if affiliation is None or affiliation.institution is None:
        raise Conflict(_("Choose your institution from the register first."), code="no_institution")
    wanted = address.strip()
    _check_address(wanted, affiliation.institution, by)
    since = timezone.now() - timedelta(days=1)
    if MailedProof.objects.filter(affiliation__user=by, sent_at__gt=since).count() >= LINKS_A_DAY:
        raise _refused(_("That is enough mail for a day. Look for the links that we sent, or try again tomorrow."))
    secret = secrets.token_urlsafe(32)
    proof = MailedProof.objects.create(
        affiliation=affiliation, address=wanted, mailbox=mailbox_of(wanted), digest=_digest(secret)
    )
    path = reverse("people:confirm_address", args=[secret])
    context = {"name": by.get_full_name(), "institution": affiliation.organisation, "path": path}
    sending.send(
        to=wanted, template="institution_confirm", context=context, key=f"proof:{proof.pk}", language=by.language
    )
    trail.record(Event.ADDRESS_LINK_SENT, by=by, target=affiliation, domain=domain_of(wanted))
    return proof


def _check_address(address: str, institution: Institution, by: User) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise _refused(_("Write a whole address, for example name@northfield.example.")) from None
    domain = domain_of(address)
    if domain in FREE_MAIL:
        raise _refused(
            _("%(domain)s gives an address to anyone. Use the one that your institution gave you.") % {"domain": domain}
        )
    known = institution.mail_domains()
    if not known:
        raise _refused(
            _("We know no mail domain of %(name)s yet. Apply without it: a reviewer will look by hand.")
            % {"name": institution}
        )
    if not belongs(domain, known):
        shown = ", ".join(sorted(known)[:3])
        raise _refused(
            _("%(name)s has its addresses at %(domains)s. Use one of those.") % {"name": institution, "domains": shown}
        )
    if _taken(mailbox_of(address), by):
        raise _refused(_("Another account has shown this address. Sign in to that one, or use your own."))


def _taken(mailbox: str, by: User) -> bool:
    held = MailedProof.objects.filter(mailbox=mailbox, verified_at__isnull=False, ended_at=None)
    return held.exclude(affiliation__user=by).exists()


def _refused(message: str) -> Invalid:
    return Invalid(message, fields={"address": [message]})


def proof_of(*, by: User, secret: str) -> MailedProof:
    """The proof behind a link that is still good for this person; raises NotFound with what to do."""
    rows = MailedProof.objects.select_related("affiliation__institution").filter(digest=_digest(secret))
    found = rows.filter(affiliation__user=by, affiliation__ends_at=None, ended_at=None).first()
    if found is None or (found.verified_at is None and found.sent_at < timezone.now() - LINK_LIFE):
        raise NotFound(
            _(
                "This link has run out, or belongs to another account. Sign in to the account that asked, or ask for a new one."
            )
        )
    return found


@transaction.atomic
def confirm_address(*, by: User, secret: str) -> Affiliation:
    """Count the address as evidence, for a year. Following the link twice is the same as once."""
    proof = proof_of(by=by, secret=secret)
    affiliation = Affiliation.objects.select_for_update().get(pk=proof.affiliation_id)
    if proof.verified_at:
        return affiliation
    now = timezone.now()
    affiliation.proofs.filter(verified_at__isnull=False, ended_at=None).update(ended_at=now)
    proof.verified_at = now
    try:
        with transaction.atomic():
            proof.save(update_fields=["verified_at"])
    except IntegrityError:
        raise Conflict(
            _("Another account has shown this address since the link was sent."), code="address_taken"
        ) from None
    affiliation.verified_at, affiliation.evidence = now, f"{ADDRESS_AT}{domain_of(proof.address)}"
    affiliation.save(update_fields=["verified_at", "evidence"])
    trail.record(Event.AFFILIATION_VERIFIED, by=by, target=affiliation, domain=domain_of(proof.address))
    return affiliation


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
