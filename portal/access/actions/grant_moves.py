"""What every move of a grant shares: lock it, ask the table, write the step, tell the people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import texts
from portal.access.gate_models import Gate
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.lifetime import GRANTS, GrantVerb, Party, RenewalStatus, State, next_state
from portal.access.lifetime_models import GrantStep, Renewal
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import MANAGERS, Membership, Role, User
from portal.periods import began

TEXT_LIMIT: Final = 4_000
"""Characters of a reason or statement."""
_WORDS: Final = {
    Party.HOLDER: gettext_lazy("its holder"),
    Party.MEMBER: gettext_lazy("a member of the team"),
    Party.MANAGER: gettext_lazy("a release manager or administrator of the lab"),
    Party.REVIEWER: gettext_lazy("a reviewer of the lab"),
    Party.CLOCK: gettext_lazy("the schedule"),
}


def lock(grant: Grant) -> Grant:
    """The grant as it is now, locked until the transaction ends; its institution's agreement before it. Raises NotFound."""
    if grant.institutional_id:
        InstitutionalAgreement.objects.select_for_update(of=("self",)).get(pk=grant.institutional_id)
    locked = (
        Grant.objects.select_for_update(of=("self",))
        .select_related("gate__lab", "gate__agreement", "user", "application", "institutional__institution")
        .filter(pk=grant.pk)
        .first()
    )
    if locked is None:
        raise NotFound(_("There is no such grant."))
    return locked


def end(held: Grant | InstitutionalAgreement, now: datetime) -> list[str]:
    """Let it end now; the fields that this changes, for the caller to save."""
    held.starts_at, held.ends_at = began(held.starts_at, now), now
    return ["starts_at", "ends_at"]


def hold_for_new(user: User, gate: Gate) -> None:
    """What every way to a new grant waits for: the person's grants at this gate first, then the text that they sign.

    A renewal holds a grant, and who signs again holds a grant and then the text: in this order nobody waits in a ring.
    """
    list(Grant.objects.select_for_update().filter(user=user, gate=gate).order_by("pk").values_list("pk"))
    agreements.hold(gate.agreement_id)


def require_not_taken(user: User, gate: Gate, *, decided: datetime | None = None) -> None:
    """Raises Conflict where the lab took the person's newest access at this gate away or paused it: an official, or a lead,
    gives back nothing, nor does an approval that was `decided` before. A later decision of the lab on the person does."""
    if taken_away(user, gate, decided=decided):
        raise Conflict(
            _("The lab has taken your access here away, or paused it. Apply for yourself; its reviewers decide."),
            code="taken_away",
        )


def taken_away(user: User, gate: Gate, *, decided: datetime | None = None) -> bool:
    """The same as an answer."""
    newest = Grant.objects.filter(user=user, gate=gate).order_by("-starts_at", "-created_at").first()
    taken = (newest.revoked_at or newest.suspended_at) if newest else None
    return taken is not None and (decided is None or taken > decided)


def parties(grant: Grant, by: User | None) -> frozenset[Party]:
    """As what somebody may act on this grant today. The holder is nothing else, whatever roles they hold."""
    if by is None:
        return frozenset({Party.CLOCK})
    if by.pk == grant.user_id:
        return frozenset({Party.MEMBER if grant.lead_id else Party.HOLDER})
    roles = by.roles_in(grant.gate.lab)
    manages = {Party.MANAGER} if roles & set(MANAGERS) else set()
    return frozenset(manages | ({Party.REVIEWER} if Role.REVIEWER in roles else set()))


def check(grant: Grant, verb: GrantVerb, by: User | None) -> State:
    """The state that follows. Raises NotFound to strangers, NotAllowed to the wrong party, Conflict in the wrong state."""
    acting = parties(grant, by)
    if not acting:
        raise NotFound(_("There is no such grant."))
    state = next_state(grant.state(), verb, acting)
    if state is not None:
        return state
    may = frozenset().union(*(who for (_, does), (_, who) in GRANTS.items() if does == verb))
    if acting.isdisjoint(may):
        raise NotAllowed(
            _("Only %(who)s may do this.") % {"who": get_text_list([_WORDS[each] for each in sorted(may)], _("or"))},
            code="wrong_party",
        )
    raise Conflict(_("This cannot be done as the grant stands now. Reload the page."), code="wrong_state")


def said(text: str, field: str, missing: str) -> str:
    """The text without what surrounds it. Raises Invalid where it is missing or too long."""
    return texts.needed(TEXT_LIMIT, field, text, missing=missing, wrong=_("The text is too long."))


def record(grant: Grant, event: Event, verb: str, by: User | None, *, message: str = "", **data: Any) -> None:
    """One line of the history and one audit entry; `data` is for the entry and free of private text."""
    GrantStep.objects.create(grant=grant, verb=verb, by=by, at=timezone.now(), message=message)
    facts = {"gate": grant.gate.slug, "holder": str(grant.user_id), **data}
    trail.record(event, by=by, target=grant, lab=grant.gate.lab, **facts)


def tell(grant: Grant, template: str, path: str, *, to: User | None = None, **more: Any) -> None:
    """Leave a mail about a grant, to its holder or to somebody of the lab. It never carries a reason or a report."""
    reader = to or grant.user
    context = {
        "name": reader.get_full_name(),
        "holder": grant.user.get_full_name(),
        "reference": grant.reference,
        "gate": grant.gate.title,
        "lab": grant.gate.lab.name,
        "path": path,
        **more,
    }
    key = f"grant:{grant.pk}"
    sending.send(to=reader.email, template=template, context=context, key=key, language=reader.language)


def staff(grant: Grant, roles: Iterable[Role]) -> list[User]:
    """Everybody of the lab who holds one of the roles today, but the holder."""
    held = Membership.objects.active().filter(lab=grant.gate.lab, role__in=list(roles)).exclude(user=grant.user_id)
    return list({row.user_id: row.user for row in held.select_related("user")}.values())


def ask_for_deletion(grant: Grant, now: datetime) -> None:
    """Set the date by which the holder attests deletion, once: where weights could be had, and no later grant holds.

    The caller holds the lock and saves `deletion_due_at`.
    """
    goes_on = Grant.objects.standing().filter(user=grant.user_id, gate=grant.gate_id).exclude(pk=grant.pk).exists()
    if "download" in grant.capabilities and grant.deletion_due_at is None and not goes_on:
        grant.deletion_due_at = now + timedelta(days=grant.gate.deletion_days)


def open_renewal(grant: Grant) -> Renewal | None:
    """The renewal that waits for the lab, if one does; locked."""
    return Renewal.objects.select_for_update().filter(grant=grant, status=RenewalStatus.SUBMITTED).first()
