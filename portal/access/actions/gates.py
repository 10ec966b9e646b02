"""What a release manager does to gates."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import form_spec
from portal.access.form_models import FormVersion
from portal.access.gate_models import Gate
from portal.agreements.actions import require_manager
from portal.agreements.models import Agreement
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox import delivery
from portal.people.models import Lab, User

COPIED: Final = (
    *("summary", "form_spec", "quorum", "target_days", "capabilities", "grant_days", "renew_unchanged"),
    *("deletion_days", "spot_check_percent", "contact", "duo", "team_limit", "confirmations", "confirmer"),
)
"""What a gate made like another takes over: not its title, and not that rules may approve."""
CHANGEABLE: Final = frozenset({"title", "auto_approve_green", *COPIED})


def bump_gate(gate: Gate) -> int:
    """Raise the gate's generation and announce it: rights behind it may have shrunk. Inside the transaction."""
    Gate.objects.filter(pk=gate.pk).update(generation=F("generation") + 1)
    gate.refresh_from_db(fields=["generation"])
    name = gate.full_name
    delivery.enqueue("rights.changed", key=f"gate:{name}", kind="gate", id=name, generation=gate.generation)
    return gate.generation


@transaction.atomic
def create_gate(
    *, by: User, lab: Lab, slug: str, title: str, agreement: Agreement, like: Gate | None = None, **settings: Any
) -> Gate:
    """A new gate of the lab, with the settings of `like` where one is given. `settings` are any of CHANGEABLE.

    The form defaults to research access. Raises NotFound to other labs, NotAllowed to whoever does not manage this one,
    Invalid field by field.
    """
    if not by.roles_in(lab):
        raise NotFound(_("There is no such lab."))
    require_manager(by, lab)
    if agreement.lab_id != lab.pk:
        raise Invalid(_("The agreement belongs to another lab."), fields={"agreement": [_("Choose one of this lab.")]})
    if like is not None and like.lab_id != lab.pk:
        raise Invalid(_("The gate to copy belongs to another lab."), fields={"like": [_("Choose one of this lab.")]})
    if slug == "new":
        raise Invalid(_("This name is an address of ours."), fields={"slug": [_("Taken.")]})
    copied = {name: getattr(like, name) for name in COPIED} if like else {}
    gate = Gate(lab=lab, slug=slug, title=title, agreement=agreement, **_known(copied | settings))
    _validate(gate)
    gate.save(force_insert=True)
    _keep_form(gate, by)
    made = {"slug": slug, "quorum": gate.quorum} | ({"like": like.slug} if like else {})
    trail.record(Event.GATE_CREATED, by=by, target=gate, lab=lab, **made)
    return gate


@transaction.atomic
def change_gate(*, by: User, gate: Gate, expected: int | None = None, **settings: Any) -> Gate:
    """Change any of CHANGEABLE. A changed form is a new form version; sent applications keep the one they answered.

    Rules were tried on the form as it was, so a changed form switches automatic approval off, unless told otherwise.
    `expected` is the gate's `edits` when it was read: raises Conflict (`stale`) when it changed since.
    """
    locked = _locked(gate, by, expected)
    if "form_spec" in settings and not _asks_alike(_known(settings)["form_spec"], locked.form_spec):
        settings.setdefault("auto_approve_green", False)
    elif "form_spec" in settings:
        del settings["form_spec"]
    changes = {name: value for name, value in _known(settings).items() if getattr(locked, name) != value}
    for name, value in changes.items():
        setattr(locked, name, value)
    if "form_spec" in changes:
        locked.form_version += 1
    _validate(locked)
    if changes:
        _save(locked, by, Event.GATE_CHANGED, changed=sorted(changes), form=locked.form_version)
    if "form_spec" in changes:
        _keep_form(locked, by)
    return locked


@transaction.atomic
def close_gate(*, by: User, gate: Gate, reason: str) -> Gate:
    """Take no new applications until it is opened again. What was sent goes on; `reason` is shown to everybody.

    Raises Invalid about `closed_reason`: none, or more than 500 characters.
    """
    locked = _locked(gate, by)
    words = " ".join(reason.replace("\x00", "").split())
    if not 0 < len(words) <= 500:
        wrong = _("Say why, and when it may open again, in at most 500 characters. Everybody reads it.")
        raise Invalid(wrong, fields={"closed_reason": [wrong]})
    locked.closed_at, locked.closed_reason = locked.closed_at or timezone.now(), words
    _save(locked, by, Event.GATE_CLOSED, reason=words)
    return locked


@transaction.atomic
def open_gate(*, by: User, gate: Gate) -> Gate:
    """Take applications again. Raises Conflict where it is open."""
    locked = _locked(gate, by)
    if locked.closed_at is None:
        raise Conflict(_("This gate is open already."), code="already_open")
    locked.closed_at, locked.closed_reason = None, ""
    _save(locked, by, Event.GATE_OPENED)
    return locked


def switch_passing_off(*, by: User, gate: Gate, because: str) -> None:
    """Let nothing pass by rules at this gate from now on, as any reviewer may. Inside the caller's transaction."""
    locked = _row(gate)
    if locked.auto_approve_green:
        locked.auto_approve_green = False
        _save(locked, by, Event.GATE_CHANGED, changed=["auto_approve_green"], because=because)


def _row(gate: Gate) -> Gate:
    return Gate.objects.select_for_update(of=("self",)).select_related("lab").get(pk=gate.pk)


def _locked(gate: Gate, by: User, expected: int | None = None) -> Gate:
    locked = _row(gate)
    if not by.roles_in(locked.lab):
        raise NotFound(_("There is no such gate."))
    require_manager(by, locked.lab)
    if expected is not None and locked.edits != expected:
        raise Conflict(_("Somebody changed this gate since you opened it. Compare, then save again."), code="stale")
    return locked


def _save(gate: Gate, by: User, event: Event, **data: Any) -> None:
    gate.edits += 1
    gate.save()
    trail.record(event, by=by, target=gate, lab=gate.lab, **data)


def _keep_form(gate: Gate, by: User) -> None:
    FormVersion.objects.create(
        gate=gate, version=gate.form_version, form_spec=gate.form_spec, made_at=timezone.now(), made_by=by
    )


def _asks_alike(one: form_spec.Spec, other: form_spec.Spec) -> bool:
    return form_spec.tidy(one) == form_spec.tidy(other)


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(settings.keys() - CHANGEABLE)
    if unknown:
        raise Invalid(
            _("A gate has no setting %(unknown)s.") % {"unknown": unknown[0]}, fields={unknown[0]: [_("Unknown.")]}
        )
    faults = form_spec.faults(settings["form_spec"]) if "form_spec" in settings else []
    if faults:
        raise Invalid(_("The form cannot be used."), fields={"form_spec": faults})
    return settings


def _validate(gate: Gate) -> None:
    try:
        gate.full_clean()
    except ValidationError as error:
        raise Invalid(_("The gate cannot be saved like this."), fields=error.message_dict) from error
