"""The one foreign thing here: anymail. Its services' events become reports, and its refusals become bounces."""

from __future__ import annotations

from typing import Any, Final

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking
from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from django.dispatch import receiver
from django.utils import timezone

from portal.mail import reach
from portal.mail.models import State

WEBHOOKS: Final = {
    "amazon_ses": AmazonSESTrackingWebhookView,
    "brevo": BrevoTrackingWebhookView,
    "mailgun": MailgunTrackingWebhookView,
    "postmark": PostmarkTrackingWebhookView,
    "sendgrid": SendGridTrackingWebhookView,
}
"""The mail services that may tell how a mail fared, by their names in MAIL_EVENTS."""

_STATES: Final = {
    EventType.DELIVERED: State.DELIVERED,
    EventType.DEFERRED: State.DELAYED,
    EventType.BOUNCED: State.BOUNCED,
    EventType.COMPLAINED: State.COMPLAINED,
    EventType.REJECTED: State.REFUSED,
    EventType.FAILED: State.REFUSED,
}
_REFUSED_FOR: Final = {
    RejectReason.BOUNCED: State.BOUNCED,
    RejectReason.INVALID: State.BOUNCED,
    RejectReason.SPAM: State.COMPLAINED,
}
"""Why a service did not even try, where that says something about the address."""


@receiver(tracking)
def told(sender: object, event: AnymailTrackingEvent, esp_name: str, **kwargs: Any) -> None:
    """Take in one event; opened and clicked mail is nobody's business here."""
    state = _state(event)
    if state is None or not event.recipient:
        return
    at = event.timestamp or timezone.now()
    message_id = str(event.message_id or "")
    # A service that sends one notification about several people numbers it once; some number bounces alone.
    parts = (esp_name, event.event_id or f"{message_id} {event.timestamp}", event.event_type, event.recipient.lower())
    reach.note(reach.Report(" ".join(parts), state, event.recipient, message_id, at))


def _state(event: AnymailTrackingEvent) -> State | None:
    state = _STATES.get(event.event_type)
    if state is State.BOUNCED and _is_soft(event):
        return State.DELAYED
    if state is State.REFUSED:
        return _REFUSED_FOR.get(event.reject_reason, state)
    return state


def _is_soft(event: AnymailTrackingEvent) -> bool:
    """Whether a later try may arrive: anymail has one word for both, the services have two (Postmark's, Amazon's)."""
    raw = event.esp_event if isinstance(event.esp_event, dict) else {}
    bounce = raw.get("bounce")
    kind = raw.get("Type") or (bounce.get("bounceType") if isinstance(bounce, dict) else "")
    return str(kind) in {"SoftBounce", "Transient", "Undetermined"}
