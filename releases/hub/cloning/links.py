"""Of git-lfs the links to large files, each with its row of the ledger."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from portal.errors import Invalid, WeighbridgeError
from portal.http import status_of
from releases import downloads, lookup
from releases.hub.cloning import history, terms
from releases.hub.doors import Asker
from releases.models import File, Model


def links(request: HttpRequest, who: Asker, model: Model, objects: list[Any]) -> list[dict[str, Any]]:
    """For each object of git-lfs' batch API the link that gets it, or why there is none. Raises Invalid, TooMany."""
    terms.count(request, who, len(objects))
    wanted = [each.get("oid") for each in objects if isinstance(each, dict) and isinstance(each.get("oid"), str)]
    files = (
        File.objects.filter(revision__in=history.given(model), blob__in=wanted)
        .order_by("blob", "-revision")
        .distinct("blob")
    )
    found = lookup.straight_of(File.objects.filter(pk__in=files.values("pk")), person=who.person, now=who.now)
    by_digest = {each.file.sha256: each for each in found}
    return [_link(request, who, each, by_digest) for each in objects]


def _link(request: HttpRequest, who: Asker, each: Any, found: dict[str, lookup.Straight]) -> dict[str, Any]:  # noqa: ANN401 JSON
    oid = each.get("oid") if isinstance(each, dict) else None
    if not isinstance(oid, str):
        raise Invalid('Each object is {"oid": "…", "size": …}.')
    told: dict[str, Any] = {"oid": oid, "size": each["size"] if type(each.get("size")) is int else 0}
    if oid not in found:
        return told | {"error": {"code": 404, "message": "No published revision of this model has this object."}}
    try:
        link = downloads.authorize(**terms.of(request, who, found[oid]))
    except WeighbridgeError as error:
        return told | {"error": {"code": status_of(error), "message": error.message}}
    action = {"href": request.build_absolute_uri(link.url), "expires_at": link.expires_at.isoformat()}
    return told | {"size": found[oid].file.size, "authenticated": True, "actions": {"download": action}}
