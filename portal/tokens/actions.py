"""The writers of access tokens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.outbox import delivery
from portal.people.models import Membership, Role, User
from portal.projects.actions import personal
from portal.projects.models import Project
from portal.tokens import secrets
from portal.tokens.models import AccessToken
from portal.tokens.scopes import KIND_SCOPES, LIFETIMES, Kind, Scope

ROLE_FOR: dict[Scope, frozenset[str]] = {
    Scope.PUBLISH: frozenset({Role.MANAGER, Role.ADMINISTRATOR}),
    Scope.REVIEW: frozenset({Role.REVIEWER}),
    Scope.MANAGE: frozenset({Role.MANAGER, Role.ADMINISTRATOR}),
}
"""Scopes that need a role in some lab when the token is made. The role is asked again at every use."""

LIVE_LIMIT = 100
"""Unrevoked tokens per person."""


@transaction.atomic
def issue(
    *,
    by: User,
    kind: Kind,
    label: str,
    project: Project | None = None,
    scopes: Iterable[Scope] | None = None,
    expires_at: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A new token and its secret, which is never to be had again.

    `scopes` narrows what the kind carries; a service token must name its own. A token that queries is charged to
    `project`, by default the person's own. Raises Invalid field by field, NotAllowed beyond the maker's rights.
    """
    token = drafted(by=by, kind=kind, label=label, project=project, scopes=scopes, expires_at=expires_at)
    secret = secrets.make(kind)
    token.digest, token.hint = secrets.digest(secret), secrets.hint(secret)
    token.save(force_insert=True)
    trail.record(Event.TOKEN_ISSUED, by=by, target=token, kind=kind.value, scopes=token.scopes, until=token.expires_at)
    _tell(token, "token_made")
    return token, secret


def drafted(
    *,
    by: User,
    kind: Kind,
    label: str,
    project: Project | None = None,
    scopes: Iterable[Scope] | None = None,
    expires_at: datetime | None = None,
) -> AccessToken:
    """The token that issue() would make, checked and not stored. Raises what issue() raises."""
    now = timezone.now()
    User.objects.select_for_update().get(pk=by.pk)
    wanted = _scopes(kind, scopes)
    _require_roles(by, wanted)
    return AccessToken(
        user=by,
        project=charged(by, project, wanted),
        kind=kind.value,
        label=_label(by, label, now),
        scopes=sorted(scope.value for scope in wanted),
        expires_at=_end(kind, expires_at, now),
    )


def _scopes(kind: Kind, scopes: Iterable[Scope] | None) -> frozenset[Scope]:
    carried = KIND_SCOPES[kind]
    if scopes is None and kind == Kind.SERVICE:
        raise Invalid(_("Name the scopes of a service token."), fields={"scopes": [_("Choose at least one.")]})
    wanted = carried if scopes is None else frozenset(scopes)
    if not wanted or not wanted <= carried:
        raise Invalid(
            _("This kind of token does not carry these scopes."),
            fields={"scopes": [_("Choose among: %(all)s.") % {"all": ", ".join(sorted(carried))}]},
        )
    return wanted


def _require_roles(by: User, wanted: frozenset[Scope]) -> None:
    needed = {scope: ROLE_FOR[scope] for scope in wanted if scope in ROLE_FOR}
    if not needed:
        return
    held = set(Membership.objects.active().filter(user=by).values_list("role", flat=True))
    for scope, roles in needed.items():
        if held.isdisjoint(roles):
            raise NotAllowed(
                _("A token may not do more than you can: “%(scope)s” needs a role in a lab.") % {"scope": scope},
                code="scope_beyond_rights",
            )


def charged(by: User, project: Project | None, wanted: frozenset[Scope]) -> Project | None:
    """What queries are charged to: the project, or the person's own. Raises Invalid unless it is open and one is in it."""
    if Scope.QUERY not in wanted:
        return None
    if project is None:
        return personal(by)
    if not Project.objects.filter(pk=project.pk, closed_at=None, members__user=by, members__left_at=None).exists():
        raise Invalid(_("Choose a project of yours."), fields={"project": [_("Choose a project of yours.")]})
    return project


def _label(by: User, label: str, now: datetime) -> str:
    text = " ".join(label.split())
    problem = ""
    if not text or len(text) > 80:
        problem = _("Name the place where it will be used, in at most 80 characters.")
    elif AccessToken.objects.active(now).named().filter(user=by, label=text).exists():
        problem = _("You have a token called “%(text)s” already. Revoke it, or choose another name.") % {"text": text}
    elif AccessToken.objects.active(now).named().filter(user=by).count() >= LIVE_LIMIT:
        problem = _("You have %(limit)s tokens. Revoke one that you do not use.") % {"limit": LIVE_LIMIT}
    if problem:
        raise Invalid(problem, fields={"label": [problem]})
    return text


def _end(kind: Kind, expires_at: datetime | None, now: datetime) -> datetime:
    default, longest = LIFETIMES[kind]
    if expires_at is None:
        return now + default
    if not now < expires_at <= now + longest:
        days = max(1, longest.days)
        problem = (
            _("Choose an end within %(days)s days from now.") % {"days": days}
            if longest.days
            else _("Such a token lives one hour at most.")
        )
        raise Invalid(problem, fields={"expires_at": [problem]})
    return expires_at


@transaction.atomic
def revoke(*, by: User, token: AccessToken) -> AccessToken:
    """End a token of one's own: refused everywhere from the next request on."""
    locked = (
        AccessToken.objects.select_for_update(of=("self",)).select_related("user").filter(pk=token.pk, user=by).first()
    )
    if locked is None:
        raise NotFound(_("There is no such token."))
    if locked.revoked_at is not None:
        raise Conflict(_("This token is revoked already."), code="already_revoked")
    end(locked, by=by)
    _tell(locked, "token_revoked")
    return locked


def end(token: AccessToken, *, by: User) -> None:
    """The revocation itself, of a token that the caller has locked: row, trail, and the word to the gateway."""
    token.revoked_at, token.revoked_by = timezone.now(), by
    token.save(update_fields=["revoked_at", "revoked_by"])
    trail.record(Event.TOKEN_REVOKED, by=by, target=token, kind=token.kind)
    delivery.enqueue(
        "rights.changed", key=f"token:{token.pk}", kind="token", id=str(token.pk), generation=0, digest=token.digest
    )


def _tell(token: AccessToken, template: str) -> None:
    context = {
        "name": token.user.get_full_name(),
        "label": token.label,
        "hint": token.hint,
        "scopes": ", ".join(token.scopes),
        "until": sending.moment(token.expires_at),
        "path": reverse("tokens:list"),
    }
    user = token.user
    sending.send(to=user.email, template=template, context=context, key=f"token:{token.pk}", language=user.language)
