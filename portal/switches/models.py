"""One row per dangerous door; a door without a row is open."""

from __future__ import annotations

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid
from portal.outbox import delivery
from portal.prepared import Prepared


class Switch(models.TextChoices):
    """The doors that the operator can close at once."""

    APPLY = "apply", _("applications")
    DOWNLOAD = "download", _("downloads")
    QUERY = "query", _("queries")
    PUBLISH = "publish", _("publishing")


class SwitchState(models.Model):
    """Whether a door is open, and since when."""

    switch = models.CharField(max_length=20, choices=Switch.choices, primary_key=True)
    is_on = models.BooleanField(default=True)
    reason = models.TextField(blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(name="switch_known", condition=models.Q(switch__in=Switch.values))]

    def __str__(self) -> str:
        return f"{self.switch} {'on' if self.is_on else 'off'}"


def is_on(switch: Switch) -> bool:
    """Whether the door is open."""
    return not _off.all(switch=switch)


@Prepared
def _off(switch: str) -> models.QuerySet[SwitchState]:
    return closed(switch)


def closed(switch: str) -> models.QuerySet[SwitchState]:
    """The row that keeps this door closed, if there is one."""
    return SwitchState.objects.filter(switch=switch, is_on=False)


@transaction.atomic
def flip(*, switch: Switch, on: bool, reason: str, by: models.Model | None) -> SwitchState:
    """Open or close a door, audited and announced to the gateway. Raises Invalid where one is closed without a reason."""
    if not on and not reason:
        raise Invalid("Say why it is closed: whoever finds it closed will ask.", fields={"reason": ["Say why."]})
    state, _created = SwitchState.objects.update_or_create(
        switch=switch, defaults={"is_on": on, "reason": reason, "changed_at": timezone.now()}
    )
    trail.record(Event.SWITCH_FLIPPED, by=by, target=f"switch:{switch}", on=on, reason=reason)  # type: ignore[arg-type]
    delivery.enqueue("release.changed", key=f"switch:{switch}", switch=str(switch), on=on)
    return state
