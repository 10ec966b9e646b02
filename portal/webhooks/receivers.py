"""What webhooks hear: every entry of the audit trail, and the outbox's call to send."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.dispatch import receiver

from portal.audit.models import Entry
from portal.audit.signals import recorded
from portal.outbox.delivery import handler
from portal.webhooks import actions


@receiver(recorded)
def tell(entry: Entry, **_rest: Any) -> None:
    """An event of a lab: its wording is the audit trail's, which holds no private text. People are named by id alone."""
    if not entry.lab:
        return
    data = {
        "lab": entry.lab,
        "by": entry.actor_id or None,
        "target": {"type": entry.target_type, "id": entry.target_id},
    }
    stamp = entry.at.astimezone(UTC).isoformat(timespec="milliseconds")
    body = {"type": entry.event, "timestamp": stamp, "data": {**data, "details": entry.data}}
    actions.announce(lab=entry.lab, event=entry.event, body=body)


@handler(actions.TOPIC, slow=True)
def send(payload: dict[str, Any]) -> None:
    """One attempt. It never raises for the receiver's faults: those have their own pauses."""
    actions.attempt(delivery_id=payload["delivery"])
