"""Machines that people keep for the calculator: saved, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from releases.hardware_models import HardwareProfile

MOST: Final = 20
"""Of one person."""


@transaction.atomic
def save_hardware(*, by: User, name: str, settings: Mapping[str, Any]) -> HardwareProfile:
    """Keep a machine under a name; one of the same name is replaced. Raises Invalid, Conflict at MOST."""
    name = " ".join(name.split())
    if not 0 < len(name) <= 60:
        raise Invalid(
            _("Give it a name of at most 60 characters."),
            fields={"name": [_("Give it a name of at most 60 characters.")]},
        )
    held = HardwareProfile.objects.select_for_update().filter(user=User.objects.select_for_update().get(pk=by.pk))
    found = held.filter(name__iexact=name).first()
    if found is None and held.count() >= MOST:
        raise Conflict(_("You keep %(most)s machines already. Remove one first.") % {"most": MOST})
    saved = found or HardwareProfile(user=by, name=name)
    saved.settings, saved.changed_at = dict(settings), timezone.now()
    saved.save()
    trail.record(Event.HARDWARE_SAVED, by=by, target=saved)
    return saved


@transaction.atomic
def remove_hardware(*, by: User, pk: int) -> None:
    """Forget one of one's own machines. Raises NotFound."""
    found = HardwareProfile.objects.select_for_update().filter(pk=pk, user=by).first()
    if found is None:
        raise NotFound(_("There is no such machine among yours."))
    trail.record(Event.HARDWARE_REMOVED, by=by, target=found)
    found.delete()
