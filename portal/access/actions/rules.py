"""What a release manager does to triage rules."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import sorting, triage
from portal.access.gate_models import Gate
from portal.access.rule_models import RuleSet
from portal.agreements.actions import require_manager
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid, NotFound
from portal.people.models import Lab, User

TEXT_LIMIT = 20_000


def checked(lab: Lab, gate: Gate | None, text: str) -> list[triage.Rule]:
    """The rules of a text. Raises Invalid with one line for each fault."""
    rules, faults = triage.read(text[:TEXT_LIMIT], sorting.form_of(lab, gate))
    if faults:
        raise Invalid(_("The rules cannot be used."), fields={"text": faults})
    return rules


@transaction.atomic
def make_rules(*, by: User, lab: Lab, gate: Gate | None, text: str, reason: str = "") -> RuleSet:
    """A new version of the rules of a gate, or of the lab's gates without their own. Sent applications keep their lane.

    Raises NotFound to other labs, NotAllowed to whoever does not manage this one, Invalid with a line for each fault.
    """
    if not by.roles_in(lab) or (gate is not None and gate.lab_id != lab.pk):
        raise NotFound(_("There is no such lab or gate."))
    require_manager(by, lab)
    Lab.objects.select_for_update().get(pk=lab.pk)
    rules = checked(lab, gate, text)
    newest = RuleSet.objects.filter(lab=lab).aggregate(newest=Max("version"))["newest"] or 1
    made = RuleSet.objects.create(
        lab=lab,
        gate=gate,
        version=newest + 1,
        text=triage.write(rules),
        reason=" ".join(reason.replace("\x00", "").split())[:200],
        made_at=timezone.now(),
        made_by=by,
    )
    trail.record(Event.RULE_SET_MADE, by=by, target=made, lab=lab, version=made.version, gate=gate.slug if gate else "")
    return made
