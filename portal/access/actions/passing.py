"""What the rules do by themselves, where a gate lets them: approve what is green. And what people do about it."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import passes
from portal.access.actions import judging, moves
from portal.access.actions.gates import switch_passing_off
from portal.access.application_models import Application, Lane
from portal.access.desk_models import Found, SpotCheck
from portal.access.gate_models import Gate
from portal.access.workflow import Party, Verb
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.people.models import User


def pass_by_rules(application: Application) -> bool:
    """Approve what was just sent, if it is green, its gate allows it and nothing asks for a person; whether it was.

    Inside the caller's transaction, under the application's lock. The gate is locked too: once a switch-off is
    committed, nothing passes any more.
    """
    if application.lane != Lane.GREEN:
        return False
    gate = Gate.objects.select_for_update(no_key=True).get(pk=application.gate_id)
    if not gate.auto_approve_green:
        return False
    held = passes.held_back(application)
    if held:
        application.triage["held"] = held
        application.save(update_fields=["triage", "updated_at"])
        return False
    version, rules = application.triage["version"], application.triage["rules"]
    application.decided_at, application.decided_rules = timezone.now(), version
    drawn = secrets.randbelow(100) < gate.spot_check_percent
    moves.advance(application, Verb.PASS, None, rule_set=version, rules=rules, spot_check=drawn, round=1)
    if drawn:
        SpotCheck.objects.create(application=application, drawn_at=application.decided_at)
    path = reverse("access:sign", args=[application.pk])
    until = sending.moment(application.closes_at)
    moves.write(application.applicant, "application_passed", application, path, rule_set=version, until=until)
    return True


@transaction.atomic
def make_spot_check(*, by: User, application: Application, found: Found, note: str = "") -> SpotCheck:
    """Say what a look at an approval by rules found. A wrong one takes the rules of that gate out of force at once.

    The approval stands: a manager suspends or revokes the grant. Raises NotFound to other labs and the applicant,
    NotAllowed to who may not judge it, Conflict where no spot check waits, Invalid about `found` or `finding`.
    """
    locked = moves.lock(application)
    if not by.roles_in(locked.gate.lab) or by.pk == locked.applicant_id:
        raise NotFound(_("There is no such application."))
    if Party.REVIEWER not in moves.parties(locked, by):
        raise NotAllowed(_("Only reviewers of the lab make spot checks."), code="wrong_party")
    judging.require_unbiased(locked, by)
    check = SpotCheck.objects.select_for_update().filter(application=locked, checked_at=None).first()
    if check is None:
        raise Conflict(_("No spot check waits here. Reload the page."), code="nothing_waits")
    if found not in Found.values:
        raise Invalid(_("Say what you found."), fields={"found": [_("Choose one of the two.")]})
    check.found, check.note = found, _note(found, note)
    check.checked_at, check.checked_by = timezone.now(), by
    check.save()
    trail.record(Event.SPOT_CHECK_MADE, by=by, target=locked, lab=locked.gate.lab, found=str(found))
    if found == Found.WRONG:
        switch_passing_off(by=by, gate=locked.gate, because=locked.reference)
    return check


def _note(found: Found, note: str) -> str:
    if found == Found.WRONG or note.strip():
        return judging.said(note, "finding", _("Say what the rules missed, in a sentence or two."))
    return ""
