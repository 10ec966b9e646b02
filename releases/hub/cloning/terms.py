"""On what terms git is given a file: those of every download."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from releases import lookup, policy
from releases.hub import limits
from releases.hub.doors import Asker
from releases.hub.limits import Bucket
from releases.models import Model


def allowed(model: Model, who: Asker) -> None:
    """Whoever may download `main` may clone. Raises NotSignedIn, NotAllowed."""
    policy.require(
        person=who.person, scopes=who.scopes, model=model, revision=None, capability=policy.DOWNLOAD, now=who.now
    )


def count(request: HttpRequest, who: Asker, files: int) -> None:
    """Each file counts as it does where it is asked for alone. Raises TooMany."""
    standing = limits.take(Bucket.RESOLVERS, request, who.person, count=files) if files else None
    if standing and standing.refusal:
        raise standing.refusal


def of(request: HttpRequest, who: Asker, found: lookup.Straight) -> dict[str, Any]:
    """What releases.downloads asks about a file and who wants it."""
    token = who.credential.token if who.credential else None
    agent = request.headers.get("User-Agent", "")
    return {"file": found.file, "facts": found.facts, "capped": found.capped, "by": who.person, "token": token, "now": who.now, "client": agent}  # fmt: skip
