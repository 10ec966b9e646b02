"""What access hears from below."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from portal.access.actions.covering import call_officials
from portal.access.actions.gates import bump_gate
from portal.access.gate_models import Gate
from portal.agreements.models import Version
from portal.agreements.signals import version_published


@receiver(version_published)
def reconsider_grants(version: Version, **_rest: Any) -> None:
    """A new text may end what earlier signatures opened: the gateway asks again about every gate of the agreement.

    Who signed for an institution is asked to sign it.
    """
    for gate in Gate.objects.filter(agreement=version.agreement_id).select_related("lab"):
        bump_gate(gate)
    call_officials(version)
