"""The one authentication for all doors: an Authorization header → who asks, and within which scopes.

A wrong checksum is refused before any I/O; everything else costs one query by digest. Rights are never copied into a
token: what its holder may do is asked again at every use.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from portal.errors import BadToken
from portal.people.models import User
from portal.prepared import Prepared
from portal.tokens import secrets
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind, Scope

LAST_USED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Credential:
    """Who asks, by which token, within which scopes."""

    user: User
    token: AccessToken
    scopes: frozenset[Scope]


def identify(header: str | None) -> Credential | None:
    """Who an Authorization header stands for; None where there is no header.

    Raises BadToken (code `invalid_token`) for anything else than a live token of an active person.
    """
    if header is None:
        return None
    scheme, _, secret = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise BadToken("Show a token as “Authorization: Bearer wb_…”.")
    return by_secret(secret.strip())


def by_secret(secret: str) -> Credential:
    """The same for a bare secret, in either spelling."""
    secret = secrets.plain(secret)
    if not secrets.checksum(secret):
        raise BadToken("This is not a token of ours: check that it was copied whole.")
    return by_digest(secrets.digest(secret))


def is_basic(header: str | None) -> bool:
    """Whether an Authorization header is of HTTP's Basic scheme (RFC 7617)."""
    return (header or "").strip().partition(" ")[0].lower() == "basic"


def by_password(header: str) -> Credential:
    """Who a header of the Basic scheme stands for: the token is the password, or the name where no password is given."""
    try:
        name, _, password = base64.b64decode(header.strip().partition(" ")[2], validate=True).decode().partition(":")
    except ValueError as fault:
        raise BadToken("This is no name and password. Give any name, and as password an access token.") from fault
    return by_secret(password.strip() or name.strip())


def by_digest(digest: str) -> Credential:
    """The same for a digest (hex), for callers that were handed only that."""
    token = _token.first(digest=digest)
    now = timezone.now()
    if token is not None and token.kind == Kind.PAGE:
        raise BadToken("This token is for the queries of one page. Make one of your own on your tokens page.")
    if token is None or token.revoked_at is not None or not token.user.is_active:
        raise BadToken("This token is unknown or revoked. Make a new one on your tokens page.")
    if token.expires_at <= now:
        raise BadToken("This token has expired. Make a new one on your tokens page.")
    used(token, now)
    return Credential(user=token.user, token=token, scopes=frozenset(Scope(name) for name in token.scopes))


def used(token: AccessToken, now: datetime) -> None:
    """Have the use remembered: after the transaction that is under way, at most once a minute."""
    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_EVERY:
        transaction.on_commit(partial(_touch, token.pk), robust=True)


@Prepared
def _token(digest: str) -> QuerySet[AccessToken]:
    unread = ("password", "last_login", "page", "joined_at", "unreachable_since")  # asked for where one is
    return AccessToken.objects.select_related("user").defer(*(f"user__{name}" for name in unread)).filter(digest=digest)


def _touch(pk: UUID) -> None:
    """At most once a minute whatever the number of workers."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_EVERY)
    AccessToken.objects.filter(stale, pk=pk).update(last_used_at=now)


class TokenAuthentication(BaseAuthentication):
    """The same for our REST API: `request.user` and `request.auth` (a Credential)."""

    def authenticate(self, request: Request) -> tuple[User, Credential] | None:
        """None without a header, so that a session may speak."""
        credential = identify(request.headers.get("Authorization"))
        return (credential.user, credential) if credential else None

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="weighbridge"'
