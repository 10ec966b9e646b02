"""With what right a run asks: whose query token, and which pool answers it for the revision."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone
from django.utils.translation import gettext as _

from inference import principals, routes
from inference.introspection import refusal
from inference.models import Pool
from portal.errors import Invalid
from portal.people.models import User
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind, Scope
from releases.models import Model, Revision


def tokens_of(user: User) -> list[AccessToken]:
    """One's live query tokens, the newest first; not those of pages, which end with a session."""
    rows = AccessToken.objects.active().filter(user=user, scopes__contains=[Scope.QUERY.value])
    return list(rows.exclude(kind=Kind.PAGE).select_related("user", "project__lab").order_by("-created_at"))


def served(model: Model) -> list[Pool]:
    """The pools that serve a revision of the model: its own first, then its canary."""
    rows = Pool.objects.serving().filter(model=model, generates=True)
    return sorted(rows, key=lambda pool: pool.canary_percent is not None)


def token_for(user: User, revision: Revision, *, token: AccessToken | None) -> AccessToken:
    """The token that asks: the one that was named, or the newest that may. Raises Invalid with what to do next."""
    if revision.commit not in {pool.commit for pool in served(revision.model)}:
        wrong = _("No pool serves this revision. Serve it first: manage.py pool apply.")
        raise Invalid(wrong, fields={"revision": [wrong]})
    wanted = [token] if token else tokens_of(user)
    if not wanted:
        wrong = _("You have no query token. Make one on your tokens page: its project is charged.")
        raise Invalid(wrong, fields={"token": [wrong]})
    return _first_that_may(wanted, revision)


def _first_that_may(tokens: Iterable[AccessToken], revision: Revision) -> AccessToken:
    reasons: list[str] = []
    for token in tokens:
        why = _refused(token, revision)
        if why is None:
            return token
        reasons.append(why)
    raise Invalid(reasons[0], fields={"token": reasons[:1]})


def _refused(token: AccessToken, revision: Revision) -> str | None:
    now, name = timezone.now(), revision.model.full_name
    if why := refusal(token, now):
        return why.message
    principal = principals.build(token, now=now)
    if name not in principal.models:
        reason = principal.refused.get(name)
        return reason.message if reason else _("This token may not query the model: another project holds the grant.")
    met = next(pool for pool in routes.met_by(principal.project_id) if pool.model.full_name == name)
    if met.commit != revision.commit:
        told = _("The project of this token meets another revision: %(commit)s. Choose that one, or another project.")
        return told % {"commit": met.commit[:12]}
    return None
