"""What every move of an institutional agreement shares: lock it, ask the table, write the entry, tell the people."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import roster
from portal.access.institutional import STANDING, TABLE, Line, LineVerb, Party, Status, Verb, next_line, next_status
from portal.access.institutional_models import InstitutionalAgreement, RosterLine
from portal.access.models import Grant
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import MANAGERS, Affiliation, Membership, User

RELATED: Final = ("gate__lab", "gate__agreement", "institution", "official", "signature__version__agreement")
"""What pages and moves read beside the row."""


def lock(agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    """The agreement as it is now, locked until the transaction ends. Raises NotFound.

    Every move on it, its roster and its grants takes this lock first, so that no two of them wait for one another.
    """
    rows = InstitutionalAgreement.objects.select_for_update(of=("self",)).select_related(*RELATED)
    locked = rows.filter(pk=agreement.pk).first()
    if locked is None:
        raise NotFound(_("There is no such agreement."))
    return locked


def lock_line(line: RosterLine) -> tuple[InstitutionalAgreement, RosterLine]:
    """The agreement and one line of its roster, as they are now."""
    locked = lock(InstitutionalAgreement(pk=line.agreement_id))
    return locked, RosterLine.objects.select_related("user", "grant").get(pk=line.pk)


def parties(agreement: InstitutionalAgreement, by: User) -> frozenset[Party]:
    """As what somebody may act on it today. The official is nothing else, whatever roles they hold."""
    if by.pk == agreement.official_id:
        return frozenset({Party.OFFICIAL})
    manages = by.roles_in(agreement.gate.lab) & set(MANAGERS)
    return frozenset({Party.MANAGER}) if manages else frozenset()


def check(agreement: InstitutionalAgreement, verb: Verb, by: User) -> Status:
    """The status that follows. Raises NotFound to strangers, NotAllowed to the wrong party, Conflict in the wrong state."""
    acting = parties(agreement, by)
    if not acting:
        raise NotFound(_("There is no such agreement."))
    status = next_status(agreement.state(), verb, acting)
    if status is not None:
        return status
    if acting.isdisjoint(frozenset().union(*(who for (_, does), (_, who) in TABLE.items() if does == verb))):
        raise NotAllowed(_("This is not yours to do."), code="wrong_party")
    raise Conflict(_("This cannot be done as the agreement stands now. Reload the page."), code="wrong_state")


def check_line(line: RosterLine, verb: LineVerb, party: Party) -> Line:
    """The state of the line that follows. Raises Conflict where the table has no such row."""
    after = next_line(line.status, verb, {party})
    if after is None:
        raise Conflict(_("This cannot be done as the roster stands now. Reload the page."), code="wrong_state")
    return after


def move_line(line: RosterLine, verb: LineVerb, party: Party) -> None:
    """Bring a line to its next state, without a link; the caller saves what else it changed before."""
    line.status, line.since = check_line(line, verb, party), timezone.now()
    line.digest = line.expires_at = None
    line.save()


def roster_changed(agreement: InstitutionalAgreement) -> None:
    """Raise the version, so that nobody attests a roster that they have not seen."""
    agreement.version += 1
    agreement.save(update_fields=["version"])


def vacate(grant: Grant) -> None:
    """Free the seat of a grant that is over for good; inside the caller's transaction, under the agreement's lock."""
    line = RosterLine.objects.select_related("agreement").filter(grant=grant, status=Line.SEATED).first()
    if line is not None:
        move_line(line, LineVerb.LEAVE, Party.CLOCK)
        roster_changed(line.agreement)


def evidence(user: User, agreement: InstitutionalAgreement) -> Affiliation:
    """The person's verified place at the institution. Raises Conflict with what to do where there is none."""
    place = roster.colleague(user, agreement)
    if place is None:
        text = _("Show first, by an address there that answers our link, that you work at the institution.")
        raise Conflict(text, code="no_evidence")
    return place


def record(event: Event, agreement: InstitutionalAgreement, by: User | None, **facts: Any) -> None:
    """One audit entry, free of private text."""
    data = {"gate": agreement.gate.slug, "ror": agreement.institution.ror, **facts}
    trail.record(event, by=by, target=agreement, lab=agreement.gate.lab, **data)


def tell(agreement: InstitutionalAgreement, template: str, to: User | str, path: str, **more: Any) -> None:
    """Leave a mail about it to a person, or to an address that no account is known of. It never carries a reason."""
    reader = to if isinstance(to, User) else None
    context = {
        "name": reader.get_full_name() if reader else "",
        "institution": agreement.institution.name,
        "reference": agreement.reference,
        "gate": agreement.gate.title,
        "lab": agreement.gate.lab.name,
        "official": agreement.official.get_full_name(),
        "path": path,
        **more,
    }
    address, language = (reader.email, reader.language) if reader else (str(to), "")
    sending.send(to=address, template=template, context=context, key=f"institutional:{agreement.pk}", language=language)


def tell_official(agreement: InstitutionalAgreement, template: str, path: str = "", **more: Any) -> None:
    """The same to the official; where they cannot sign in any more, the managers are told so, who can name another."""
    if agreement.official.is_active:
        tell(agreement, template, agreement.official, path or agreement.get_absolute_url(), **more)
    elif agreement.state() in STANDING:
        tell_managers(agreement, "institutional_unattended")


def tell_managers(agreement: InstitutionalAgreement, template: str, **more: Any) -> None:
    """The same to everybody who manages the lab today, but the official."""
    held = (
        Membership.objects.active()
        .filter(lab=agreement.gate.lab, role__in=MANAGERS)
        .exclude(user=agreement.official_id)
    )
    path = reverse("access:institutional_lab_one", args=[agreement.pk])
    for reader in {row.user_id: row.user for row in held.select_related("user")}.values():
        tell(agreement, template, reader, path, **more)


def digest(secret: str) -> str:
    """What is kept of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
