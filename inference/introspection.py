"""What a query token stands for: the answer to the gateway's question (RFC 7662), and the fill of Redis with it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from django.utils import timezone

from inference import principals
from inference.batch_lifecycle import State
from inference.batch_models import StandIn
from inference.contract import Introspection
from portal.errors import Unavailable
from portal.tokens.authentication import used
from portal.tokens.models import AccessToken
from portal.tokens.page_models import PageToken
from portal.tokens.scopes import Kind, Scope

_ATTEMPTS: Final = 5
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def introspect(digest: str, *, now: datetime | None = None) -> Introspection:
    """Whether the token with this SHA-256 hex digest may query, and as whom. Fills Redis when it may.

    A fill that the store refuses has met a change of rights: everything is read again. Raises Unavailable when the
    store does not answer, or when rights change faster than they can be read; the gateway then answers 503.
    """
    for _ in range(_ATTEMPTS):
        begun = principals.current_round()
        answer = answer_for(digest, now=now or timezone.now())
        if answer.principal is None or principals.fill(digest, answer.principal, begun=begun):
            return answer
    raise Unavailable("The rights behind this token are changing. Try again in a second.", retry_after_s=1)


def answer_for(digest: str, *, now: datetime) -> Introspection:
    """The answer from PostgreSQL alone."""
    if not _DIGEST.fullmatch(digest):
        return refused("invalid_token", "This is not one of our tokens. Make one on your tokens page.")
    token = AccessToken.objects.select_related("user", "project__lab").filter(digest=digest).first()
    if token is None:
        return _stood_in(digest, now)
    return refusal(token, now) or _stands_for(token, now)


def _stood_in(digest: str, now: datetime) -> Introspection:
    """The same where a batch's worker asks: exactly what the batch's token may do now, for as long as both last."""
    stand_in = (
        StandIn.objects.select_related("batch__token__user", "batch__token__project__lab").filter(digest=digest).first()
    )
    if stand_in is None:
        return refused("invalid_token", "We do not know this token. Make one on your tokens page.")
    token = stand_in.batch.token
    if token is None:
        return refused("token_revoked", "The token that this batch was made with is gone.")
    if stand_in.expires_at <= now or stand_in.batch.state != State.IN_PROGRESS:
        return refused("stand_in_ended", "This batch's worker must identify itself again.")
    return refusal(token, now) or _stands_for(token, now, batch=stand_in.batch.pk.hex, until=stand_in.expires_at)


def _stands_for(token: AccessToken, now: datetime, *, batch: str = "", until: datetime | None = None) -> Introspection:
    """A principal, and a use of the token: the gateway asks again each minute in which it is used."""
    used(token, now)
    return Introspection(active=True, principal=principals.build(token, now=now, batch=batch, until=until))


def refused(code: str, message: str) -> Introspection:
    """An inactive answer with its reason."""
    return Introspection(active=False, code=code, message=message)


def refusal(token: AccessToken, now: datetime) -> Introspection | None:
    """Why the token itself may not query, or None; `token` with its user and project."""
    if token.revoked_at is not None:
        return refused("token_revoked", "This token was revoked. Make a new one on your tokens page.")
    if token.expires_at <= now:
        return refused(
            "token_expired", f"This token ended on {token.expires_at:%d %b %Y}. Make a new one on your tokens page."
        )
    if Scope.QUERY not in token.scopes:
        return refused("wrong_kind", "This token cannot query. Make one of the kind “query” on your tokens page.")
    if not token.user.is_active:
        return refused("account_suspended", "This account is suspended. Write to the lab.")
    if token.kind == Kind.PAGE and not PageToken.objects.in_session(now).filter(token=token).exists():
        return refused("token_revoked", "The session of this token has ended. Sign in again.")
    return _project_refusal(token)


def _project_refusal(token: AccessToken) -> Introspection | None:
    """What is charged must be open, and the holder must still belong to it."""
    project = token.project
    if project is None or project.closed_at is not None:
        return refused("project_closed", "The project of this token is closed. Make a token for another project.")
    if not project.members.filter(user=token.user_id, left_at=None).exists():
        return refused("not_in_project", "You no longer belong to this token's project. Make a token for another one.")
    return None
