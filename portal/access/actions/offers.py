"""How an open offer to hand a project over is closed: answered, taken back, or because one of the two leaves."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.handover_models import Handover
from portal.access.handovers import HandoverStatus, HandoverVerb, Party, next_status
from portal.access.models import Grant
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.people.models import User

EVENTS = {
    HandoverStatus.ACCEPTED: Event.HANDOVER_ACCEPTED,
    HandoverStatus.DECLINED: Event.HANDOVER_DECLINED,
    HandoverStatus.WITHDRAWN: Event.HANDOVER_WITHDRAWN,
    HandoverStatus.LAPSED: Event.HANDOVER_LAPSED,
}


def lock(handover: Handover) -> Handover:
    """The offer as it is now. The caller holds the application, and whichever grants it needs, before it."""
    rows = Handover.objects.select_for_update(of=("self",)).select_related(
        "application__gate__lab",
        "application__gate__agreement",
        "application__applicant",
        "member__user",
        "grant__user",
    )
    return rows.get(pk=handover.pk)


def close(handover: Handover, verb: HandoverVerb, party: Party, by: User | None) -> None:
    """Bring a locked offer to its end. Raises Conflict where the table has no such row."""
    after = next_status(handover.status, verb, party)
    if after is None:
        raise Conflict(_("This offer was answered or taken back meanwhile. Reload the page."), code="wrong_status")
    handover.status, handover.closed_at = after, timezone.now()
    handover.save(update_fields=["status", "closed_at", "signature"])
    record(EVENTS[after], handover, by)


def record(event: Event, handover: Handover, by: User | None) -> None:
    """One audit entry, about the application whose team it is."""
    application = handover.application
    facts = {"handover": str(handover.pk), "member": handover.member_id, "gate": application.gate.slug}
    if handover.signature is not None:
        facts["receipt"] = str(handover.signature.receipt_id)
    trail.record(event, by=by, target=application, lab=application.gate.lab, **facts)


def lapse_with(grant: Grant, by: User | None) -> None:
    """Nobody takes over what a grant that is over stood for, nor by one; inside the transaction that ends it."""
    concerned = Q(grant=grant) | Q(member__grant=grant)
    for waiting in Handover.objects.filter(concerned, status=HandoverStatus.OFFERED):
        locked = lock(waiting)
        if next_status(locked.status, HandoverVerb.LAPSE, Party.CLOCK) is not None:
            close(locked, HandoverVerb.LAPSE, Party.CLOCK, by)
