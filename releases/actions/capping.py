"""Daily caps: how much one grant may be given in 24 hours, set for all behind a gate or for one grant."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.agreements.actions import require_manager
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid
from portal.people.models import User
from releases.download_models import DailyCap

MOST = 10**15
"""Bytes: a petabyte."""


@transaction.atomic
def cap_gate(*, gate: Gate, limit: int | None, by: User) -> None:
    """What each grant behind the gate may be given in 24 hours, from now on; None: no cap. Raises NotAllowed, Invalid."""
    require_manager(by, gate.lab)
    Gate.objects.select_for_update().get(pk=gate.pk)
    if limit is None:
        DailyCap.objects.filter(gate=gate).delete()
    else:
        DailyCap.objects.update_or_create(gate=gate, defaults={"bytes": _sane(limit), "changed_at": timezone.now()})
    trail.record(Event.DAILY_CAP_SET, by=by, target=gate, lab=gate.lab, bytes=limit)


@transaction.atomic
def cap_grant(*, grant: Grant, limit: int | None, by: User, as_gate: bool = False) -> None:
    """What this grant may be given in 24 hours in place of its gate's cap; None: no cap. `as_gate`: the gate's again.

    Raises NotAllowed, Invalid.
    """
    lab = grant.gate.lab
    require_manager(by, lab)
    Grant.objects.select_for_update(of=("self",)).get(pk=grant.pk)
    if as_gate:
        DailyCap.objects.filter(grant=grant).delete()
    else:
        kept = None if limit is None else _sane(limit)
        DailyCap.objects.update_or_create(grant=grant, defaults={"bytes": kept, "changed_at": timezone.now()})
    trail.record(Event.DAILY_CAP_SET, by=by, target=grant, lab=lab, bytes=limit, as_gate=as_gate)


def _sane(limit: int) -> int:
    if not 0 < limit <= MOST:
        wrong = _("Give a number of bytes from 1 to 10¹⁵, or none.")
        raise Invalid(wrong, fields={"bytes": [wrong]})
    return limit
