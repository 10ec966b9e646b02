"""The writers of webhooks: add, change, rotate, stop, start again, delete, send once more; and what an attempt leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.mail import sending
from portal.outbox import delivery as outbox
from portal.people.models import MANAGERS, Lab, Membership, User
from portal.webhooks import signing, wire
from portal.webhooks.models import Delivery, DeliveryState, Endpoint

TOPIC: Final = "webhook.send"
PAUSES_S: Final = (5, 30, 120, 600, 3_600, 14_400, 43_200)
"""Between one attempt and the next; after the last one a delivery has failed."""
MOST_FAILURES: Final = 20
OUTAGE: Final = timedelta(hours=24)
"""So many failed attempts on end, over so long, and the endpoint is stopped: a busy lab's are many within a minute."""
MOST_ENDPOINTS: Final = 20
STOPPED: Final = "The webhook was stopped."


@transaction.atomic
def add_endpoint(*, by: User, lab: Lab, url: str, events: Iterable[str]) -> tuple[Endpoint, str]:
    """A new address and its secret, which is never shown again. Raises Invalid field by field."""
    _require_manager(by, lab)
    Lab.objects.select_for_update().get(pk=lab.pk)
    wanted = sorted(set(events))
    fields = _faults(url, wanted)
    if Endpoint.objects.filter(lab=lab).count() >= MOST_ENDPOINTS:
        fields["url"] = [_("A lab has at most %(limit)s webhooks.") % {"limit": MOST_ENDPOINTS}]
    if fields:
        raise Invalid(_("The webhook cannot be added like this."), fields=fields)
    endpoint = Endpoint.objects.create(lab=lab, url=url, events=wanted)
    trail.record(Event.WEBHOOK_ADDED, by=by, target=endpoint, lab=lab, events=wanted)
    return endpoint, signing.secret(endpoint.pk)


def _faults(url: str, wanted: list[str]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    if problem := wire.fault(url) or (_("Use at most 500 characters.") if len(url) > 500 else ""):
        fields["url"] = [problem]
    if not wanted or not set(wanted) <= set(Event):
        fields["events"] = [_("Choose at least one event.")]
    return fields


@transaction.atomic
def change_endpoint(*, by: User, endpoint: Endpoint, url: str = "", events: Iterable[str] | None = None) -> Endpoint:
    """Another address or other events; what is left out stays. What waits goes to the new address."""
    locked = _managed(endpoint, by)
    url, wanted = url or locked.url, locked.events if events is None else sorted(set(events))
    if fields := _faults(url, wanted):
        raise Invalid(_("The webhook cannot be changed like this."), fields=fields)
    changed = [name for name, value in (("url", url), ("events", wanted)) if getattr(locked, name) != value]
    if changed:
        locked.url, locked.events = url, wanted
        locked.save(update_fields=["url", "events"])
        trail.record(Event.WEBHOOK_CHANGED, by=by, target=locked, lab=locked.lab, changed=changed, events=wanted)
    return locked


@transaction.atomic
def rotate_secret(*, by: User, endpoint: Endpoint) -> tuple[Endpoint, str]:
    """A new secret, never shown again. For a day the one before signs too; rotating once more ends it at once."""
    locked = _managed(endpoint, by)
    locked.secret_number += 1
    locked.rotated_at = timezone.now()
    locked.generation = signing.generation()
    locked.save(update_fields=["secret_number", "rotated_at", "generation"])
    trail.record(Event.WEBHOOK_SECRET_ROTATED, by=by, target=locked, lab=locked.lab)
    return locked, signing.secret(locked.pk, locked.secret_number)


@transaction.atomic
def delete_endpoint(*, by: User, endpoint: Endpoint) -> None:
    """Remove an address and the log of what was sent there. What waits is not sent."""
    locked = _managed(endpoint, by)
    trail.record(Event.WEBHOOK_DELETED, by=by, target=locked, lab=locked.lab)
    locked.delete()


@transaction.atomic
def stop_endpoint(*, by: User, endpoint: Endpoint) -> Endpoint:
    """Send nothing more there, nor what waits."""
    locked = _managed(endpoint, by)
    if locked.stopped_at:
        raise Conflict(_("This webhook is stopped already."), code="stopped")
    _stop(locked, by)
    return locked


@transaction.atomic
def start_endpoint(*, by: User, endpoint: Endpoint) -> Endpoint:
    """Send there again, from the next event on."""
    locked = _managed(endpoint, by)
    if locked.stopped_at is None:
        raise Conflict(_("This webhook is not stopped."), code="not_stopped")
    locked.stopped_at, locked.failures, locked.failing_since = None, 0, None
    locked.save(update_fields=["stopped_at", "failures", "failing_since"])
    trail.record(Event.WEBHOOK_STARTED, by=by, target=locked, lab=locked.lab)
    return locked


@transaction.atomic
def replay(*, by: User, delivery: Delivery) -> Delivery:
    """Send a message once more, with the same id."""
    endpoint = _managed(delivery.endpoint, by)  # before its message, as whoever deletes it has them
    locked = Delivery.objects.select_for_update().filter(pk=delivery.pk).first()
    if locked is None:
        raise _no_such()
    if endpoint.stopped_at:
        raise Conflict(_("This webhook is stopped. Start it first."), code="stopped")
    if locked.state == DeliveryState.WAITING:
        raise Conflict(_("This message is still on its way."), code="waiting")
    locked.state, locked.attempts = DeliveryState.WAITING, 0
    locked.save(update_fields=["state", "attempts"])
    _schedule(locked, 0)
    return locked


def announce(*, lab: str, event: str, body: dict[str, Any]) -> None:
    """Leave a message for every endpoint of the lab that wants this event, in the caller's transaction."""
    wanted = Endpoint.objects.filter(lab__slug=lab, stopped_at=None, events__contains=[event])
    for endpoint in wanted:
        _schedule(Delivery.objects.create(endpoint=endpoint, event=event, body=body), 0)


def attempt(*, delivery_id: str) -> None:
    """Send a waiting message, and note how it went; a failure is tried again after a pause, or is the last.

    No lock is held while the lab's server thinks: claim, send, record, each on its own.
    """
    delivery = _claim(delivery_id)
    if delivery is not None:
        _record(delivery, *_send(delivery))


@transaction.atomic
def _claim(delivery_id: str) -> Delivery | None:
    """The message, if it is to be sent now. Its number of attempts is what the record is held against."""
    found = Delivery.objects.select_for_update(of=("self",)).select_related("endpoint__lab").filter(pk=delivery_id)
    delivery = found.first()
    if delivery is None or delivery.state != DeliveryState.WAITING:
        return None
    if delivery.endpoint.stopped_at:  # in the moment in which the message was left
        delivery.state, delivery.problem = DeliveryState.FAILED, STOPPED
        delivery.save(update_fields=["state", "problem"])
        return None
    delivery.attempts += 1
    delivery.tried_at = timezone.now()
    delivery.save(update_fields=["attempts", "tried_at"])
    return delivery


@transaction.atomic
def _record(sent: Delivery, code: int | None, problem: str) -> None:
    """How it went; nothing when the webhook was deleted or the message sent again meanwhile. One that was stopped is
    not tried again, but what has arrived has."""
    # The webhook before its messages, as whoever deletes it has them: neither waits for the other.
    Endpoint.objects.select_for_update().filter(pk=sent.endpoint_id).first()
    rows = Delivery.objects.select_for_update(of=("self",)).select_related("endpoint__lab")
    delivery = rows.filter(pk=sent.pk, attempts=sent.attempts).exclude(state=DeliveryState.DELIVERED).first()
    if delivery is None or (problem and delivery.state == DeliveryState.FAILED):
        return
    delivery.code, delivery.problem = code, problem
    if not problem:
        delivery.state = DeliveryState.DELIVERED
        Endpoint.objects.filter(pk=delivery.endpoint_id).update(failures=0, failing_since=None)
    elif delivery.attempts > len(PAUSES_S):
        delivery.state = DeliveryState.FAILED
    else:
        _schedule(delivery, PAUSES_S[delivery.attempts - 1])
    delivery.save()
    if problem:
        _count_failure(delivery.endpoint)


def _send(delivery: Delivery) -> tuple[int | None, str]:
    """(status, what was wrong with it)."""
    body = json.dumps(delivery.body, separators=(",", ":")).encode()
    now = timezone.now()
    stamp = int(now.timestamp())
    try:
        code = wire.post(
            delivery.endpoint.url, body, signing.headers(_keys(delivery.endpoint, now), delivery.pk, stamp, body)
        )
    except wire.NotSent as error:
        return None, str(error)
    return code, "" if 200 <= code < 300 else f"The answer was {code}."


def _keys(endpoint: Endpoint, now: datetime) -> list[bytes]:
    """The present keys and, for a time after a rotation, the ones before."""
    overlaps = endpoint.rotated_at is not None and now < endpoint.rotated_at + signing.OVERLAP
    numbers = [endpoint.secret_number, endpoint.secret_number - 1] if overlaps else [endpoint.secret_number]
    return [key for number in numbers for key in signing.keys(endpoint.pk, number)]


def _schedule(delivery: Delivery, pause_s: int) -> None:
    outbox.enqueue(TOPIC, key=f"webhook:{delivery.endpoint_id}", delay_s=pause_s, delivery=str(delivery.pk))


def _count_failure(endpoint: Endpoint) -> None:
    locked = Endpoint.objects.select_for_update(of=("self",)).select_related("lab").get(pk=endpoint.pk)
    now = timezone.now()
    locked.failures += 1
    locked.failing_since = locked.failing_since or now
    locked.save(update_fields=["failures", "failing_since"])
    lasting = locked.failures >= MOST_FAILURES and now - locked.failing_since >= OUTAGE
    if lasting and locked.stopped_at is None:
        _stop(locked, None)
        _tell_managers(locked, "webhook_stopped")


@transaction.atomic
def ask_for_new_secrets() -> int:
    """Write once to those who manage a live webhook whose secret is of an exchanged SECRET_KEY; returns how many webhooks."""
    present = signing.generation()
    behind = Endpoint.objects.filter(stopped_at=None).exclude(generation=present).exclude(asked_generation=present)
    rows = list(behind.select_for_update(of=("self",)).select_related("lab"))
    for endpoint in rows:
        endpoint.asked_generation = present
        endpoint.save(update_fields=["asked_generation"])
        _tell_managers(endpoint, "webhook_secret_due")
    return len(rows)


def _tell_managers(endpoint: Endpoint, template: str) -> None:
    managers = Membership.objects.active().filter(lab=endpoint.lab, role__in=MANAGERS).select_related("user")
    for user in {row.user for row in managers}:
        context = {"name": user.get_full_name(), "lab": endpoint.lab.name, "path": endpoint.get_absolute_url()}
        key = f"webhook:{endpoint.pk}"
        sending.send(to=user.email, template=template, context=context, key=key, language=user.language)


def _stop(endpoint: Endpoint, by: User | None) -> None:
    endpoint.stopped_at = timezone.now()
    endpoint.save(update_fields=["stopped_at"])
    waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.WAITING)
    waiting.update(state=DeliveryState.FAILED, problem=STOPPED)
    trail.record(Event.WEBHOOK_STOPPED, by=by, target=endpoint, lab=endpoint.lab, failures=endpoint.failures)


def _managed(endpoint: Endpoint, by: User) -> Endpoint:
    found = Endpoint.objects.select_for_update(of=("self",)).select_related("lab").filter(pk=endpoint.pk)
    locked = found.first()
    if locked is None:  # deleted by another manager since it was looked up
        raise _no_such()
    _require_manager(by, locked.lab)
    return locked


def _require_manager(by: User, lab: Lab) -> None:
    if by.roles_in(lab).isdisjoint(MANAGERS):
        raise _no_such()


def _no_such() -> NotFound:
    return NotFound(_("There is no such webhook, or it belongs to another lab."))
