"""The tokens of the demo: one of each use. Their secrets are known once, so a lost demo.json means new ones."""

from __future__ import annotations

from collections.abc import Iterable

from portal.people.models import User
from portal.projects.models import Project
from portal.tokens.actions import issue, revoke
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind, Scope
from portal.tokens.secrets import digest


def token(
    *,
    by: User,
    kind: Kind,
    label: str,
    known: str = "",
    project: Project | None = None,
    scopes: Iterable[Scope] | None = None,
) -> str:
    """The secret: the known one while it is good, else of a new token in its place."""
    live = AccessToken.objects.active().filter(user=by)
    if known and live.filter(digest=digest(known)).exists():
        return known
    for old in live.filter(label=label):
        revoke(by=by, token=old)
    return issue(by=by, kind=kind, label=label, project=project, scopes=scopes)[1]
