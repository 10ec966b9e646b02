"""Who signs for an institution once its official has left or cannot sign in: the agreement is the institution's, and stays."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import roster
from portal.access.actions import covering, institutional_moves
from portal.access.institutional import STANDING, Status, Verb
from portal.access.institutional_models import InstitutionalAgreement
from portal.audit.events import Event
from portal.errors import Invalid
from portal.people.models import User


@transaction.atomic
def name_official(*, by: User, agreement: InstitutionalAgreement, address: str, office: str) -> InstitutionalAgreement:
    """A manager writes down who speaks for the institution from now on. What was signed for it binds it as before.

    Raises Invalid, field by field, unless the person has shown to work at that institution, and is not its official.
    """
    locked = institutional_moves.lock(agreement)
    institutional_moves.check(locked, Verb.NAME, by)
    before, heir = locked.official, covering.official_at(address, by)
    if heir == before or roster.colleague(heir, locked) is None:
        wrong = _("Name somebody else, who has shown that they work at %(name)s.") % {"name": locked.institution.name}
        raise Invalid(wrong, fields={"address": [wrong]})
    covering.require_independence(by, heir)
    locked.official, locked.office = heir, covering.office_said(office)
    locked.save(update_fields=["official", "office"])
    institutional_moves.record(
        Event.INSTITUTIONAL_OFFICIAL_NAMED, locked, by, official=str(heir.pk), before=str(before.pk)
    )
    for reader in (heir, before):
        if reader.is_active:
            institutional_moves.tell(locked, "institutional_named", reader, reverse("access:institutional_mine"))
    return locked


def tell_unattended(official: User) -> None:
    """Write to the managers of each lab whose agreement this person, who cannot sign in any more, signs for."""
    theirs = InstitutionalAgreement.objects.filter(official=official, status__in=STANDING, ends_at__gt=timezone.now())
    for agreement in theirs.select_related(*institutional_moves.RELATED).order_by("pk"):
        institutional_moves.tell_managers(agreement, "institutional_unattended")


def withdraw_unsigned(official: User) -> None:
    """Take back what the person asked for or was offered: somebody else of the institution may ask then."""
    waits = InstitutionalAgreement.objects.filter(official=official, status__in=[Status.ASKED, Status.OFFERED])
    for agreement in waits.order_by("pk"):
        covering.withdraw_institutional(by=official, agreement=agreement)
