"""The writers of device logins: a program begins, a person answers, the program collects its token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import User
from portal.projects.models import Project
from portal.tokens import actions, devices
from portal.tokens.device_models import DeviceLogin, digest, digests
from portal.tokens.devices import State, Verb
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind

PENDING: Final = "authorization_pending"
SLOW_DOWN: Final = "slow_down"
EXPIRED: Final = "expired_token"
DENIED: Final = "access_denied"
UNKNOWN: Final = "invalid_grant"
"""Errors of the token endpoint, in the words of RFC 8628 section 3.5 and RFC 6749 section 5.2."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What the program is told; the row has only the digests of both codes."""

    login: DeviceLogin
    device_code: str
    user_code: str


@dataclass(frozen=True, slots=True)
class Polled:
    """A token and its secret, or an error with a sentence."""

    error: str = ""
    sentence: str = ""
    token: AccessToken | None = None
    secret: str = ""


@transaction.atomic
def begin(*, client_id: str, agent: str, place: str) -> Begun:
    """A login for a program at the network address `place`. Nobody acts here yet, so the trail begins at the answer."""
    now = timezone.now()
    device_code, user_code = secrets.token_urlsafe(32), devices.make_user_code()
    login = DeviceLogin.objects.create(
        device_digest=digest(device_code),
        user_digest=digest(user_code),
        client_id=client_id,
        agent=agent,
        place=place,
        interval_s=devices.INTERVAL_S,
        expires_at=now + devices.LIFE,
    )
    return Begun(login, device_code, user_code)


@transaction.atomic
def approve(
    *,
    by: User,
    user_code: str,
    kind: Kind,
    label: str,
    project: Project | None = None,
    expires_at: datetime | None = None,
) -> DeviceLogin:
    """Let the program have a token of this kind, which is made when it comes for it.

    Raises NotFound for a code that nobody waits with, Invalid and NotAllowed as the making of the token would.
    """
    login = _answered(by, user_code, Verb.APPROVE)
    token = actions.drafted(by=by, kind=kind, label=label, project=project, expires_at=expires_at)
    login.kind, login.label, login.project, login.token_ends_at = token.kind, token.label, project, token.expires_at
    login.save()
    trail.record(Event.DEVICE_LOGIN_APPROVED, by=by, target=login, client=login.client, kind=login.kind)
    return login


@transaction.atomic
def refuse(*, by: User, user_code: str) -> DeviceLogin:
    """Tell the program no. Raises NotFound for a code that nobody waits with."""
    login = _answered(by, user_code, Verb.REFUSE)
    login.save()
    trail.record(Event.DEVICE_LOGIN_REFUSED, by=by, target=login, client=login.client)
    return login


def _answered(by: User, user_code: str, verb: Verb) -> DeviceLogin:
    login = DeviceLogin.objects.waiting(user_code).select_for_update().first()
    if login is None:
        raise NotFound(
            _("No program waits with this code. It may have been answered or be older than ten minutes."),
            code="unknown_user_code",
        )
    login.state, login.user, login.decided_at = _next(login, verb), by, timezone.now()
    return login


def _next(login: DeviceLogin, verb: Verb) -> State:
    follows = devices.after(login.state, verb)
    if follows is None:
        raise Conflict(_("This login was answered already."), code="already_answered")
    return follows


@transaction.atomic
def poll(*, device_code: str, client_id: str) -> Polled:
    """The program asks for its token: made at the first poll after the approval, and given that once."""
    now = timezone.now()
    rows = DeviceLogin.objects.select_for_update(of=("self",)).select_related("user", "project")
    login = rows.filter(device_digest__in=digests(device_code), client_id=client_id).first()
    if login is None or login.state == State.COLLECTED:
        return Polled(UNKNOWN, "This device code is unknown or was used already. Begin the login again.")
    if login.state == State.REFUSED:
        return Polled(DENIED, "The person who was asked refused.")
    if login.expires_at <= now:
        return Polled(EXPIRED, "The code is older than ten minutes. Begin the login again.")
    return _collected(login) if login.state == State.APPROVED else _pending(login, now)


def _pending(login: DeviceLogin, now: datetime) -> Polled:
    early = login.polled_at is not None and now - login.polled_at < timedelta(seconds=login.interval_s)
    login.polled_at = now
    slower = login.interval_s + devices.INTERVAL_S
    login.interval_s = min(slower, devices.LONGEST_INTERVAL_S) if early else login.interval_s
    login.save(update_fields=["polled_at", "interval_s"])
    if early:
        return Polled(SLOW_DOWN, f"Wait {login.interval_s} seconds between two polls.")
    return Polled(PENDING, "Nobody has answered yet.")


def _collected(login: DeviceLogin) -> Polled:
    """The token, in the name of whoever approved; what they may no longer give is refused."""
    user = login.user
    if user is None or not user.is_active:
        return Polled(DENIED, "The account that approved is closed.")
    try:
        token, secret = actions.issue(
            by=user, kind=Kind(login.kind), label=login.label, project=login.project, expires_at=login.token_ends_at
        )
    except (Invalid, NotAllowed) as refusal:
        return Polled(DENIED, refusal.message)
    login.state, login.token = _next(login, Verb.COLLECT), token
    login.save(update_fields=["state", "token"])
    return Polled(token=token, secret=secret)
