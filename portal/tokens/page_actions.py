"""The writers of page tokens: a page asks under its session, and the session's end takes them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import TooMany
from portal.people.models import User
from portal.projects.models import Project
from portal.tokens import actions, secrets
from portal.tokens.models import AccessToken
from portal.tokens.page_models import PageToken
from portal.tokens.scopes import KIND_SCOPES, LIFETIMES, Kind, Scope

LIVE_LIMIT: Final = 20
"""Page tokens of one person that open something at the same time: tabs, and a little more."""
KEPT: Final = timedelta(days=30)
"""How long the row of one that has ended is kept: the usage page names it until then."""


@transaction.atomic
def issue(*, by: User, session: str, resource: str, project: Project | None = None) -> tuple[AccessToken, str]:
    """A query token for one page: bound to the session (its key), the thing it is about, and what it is charged to.

    Nobody is mailed: it lives a quarter of an hour, in the page's memory. Raises Invalid for a project that is not
    one's own, TooMany past LIVE_LIMIT.
    """
    now = timezone.now()
    User.objects.select_for_update().get(pk=by.pk)
    _require_room(by, now)
    secret, scopes = secrets.make(Kind.PAGE), KIND_SCOPES[Kind.PAGE]
    token = AccessToken.objects.create(
        user=by, project=actions.charged(by, project, scopes), kind=Kind.PAGE, label=resource[:80],
        digest=secrets.digest(secret), hint=secrets.hint(secret), scopes=[Scope.QUERY],
        expires_at=now + LIFETIMES[Kind.PAGE][0],
    )  # fmt: skip
    PageToken.objects.create(token=token, session_id=session, resource=resource)
    trail.record(
        Event.TOKEN_ISSUED, by=by, target=token, kind=token.kind, scopes=token.scopes, until=token.expires_at,
        resource=resource,
    )  # fmt: skip
    return token, secret


def _require_room(by: User, now: datetime) -> None:
    live = AccessToken.objects.active(now).filter(user=by, kind=Kind.PAGE).order_by("expires_at")
    if live.count() >= LIVE_LIMIT:
        first = live[0].expires_at
        raise TooMany(
            _("Too many pages of yours query at the same time. Close some, or wait until one of them ends."),
            retry_after_s=max(1, int((first - now).total_seconds()) + 1),
        )


def end_session(*, by: User, session: str) -> int:
    """Take back what the pages of this session query with; returns how many there were."""
    return _end(by, page__session=session)


def end_every_session(*, by: User) -> int:
    """The same of all of the person's sessions, which a new password ends; their rows stay until somebody comes with one."""
    return _end(by)


@transaction.atomic
def _end(by: User, **which: str) -> int:
    User.objects.select_for_update().get(pk=by.pk)
    tokens = AccessToken.objects.active().filter(user=by, kind=Kind.PAGE, **which)
    live = list(tokens.select_for_update(of=("self",)))
    for token in live:
        actions.end(token, by=by)
    return len(live)


def drop_ended(now: datetime) -> int:
    """Delete the rows of page tokens that ended KEPT ago; returns how many. The trail and the ledger keep their ids."""
    return AccessToken.objects.filter(kind=Kind.PAGE, expires_at__lt=now - KEPT).delete()[0]
