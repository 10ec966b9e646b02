"""`list_lfs_files` and `permanently_delete_lfs_files`: the large objects of a model's revisions, published or not."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from portal.errors import Invalid
from releases import actions
from releases.hub import wire
from releases.hub.bodies import read_json
from releases.hub.doors import Asker, door, link_next, own, publisher, text
from releases.models import MAIN, File, Model, RefKind

PAGE: Final = 1000


@door("GET", gate=False)
def large_files(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """Each object once, with a path that it has or had, and the branch that holds it now."""
    model, after = own(namespace, name, who), text(request, "cursor")
    files = File.objects.filter(revision__model=model, lfs=True, blob__gt=after).select_related("blob")
    found = list(files.order_by("blob", "-revision", "path").distinct("blob")[: PAGE + 1])
    branches = _branches(model, [file.sha256 for file in found])
    told = [wire.large_file(file, branches.get(file.sha256)) for file in found[:PAGE]]
    response = JsonResponse(told, safe=False)
    if len(found) > PAGE:
        link_next(request, response, found[PAGE - 1].sha256)
    return response


@door("POST", gate=False)
def delete_large_files(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """The drafts that hold them go with them; what was published stays."""
    model, asked = own(namespace, name, who), read_json(request).get("deletions")
    digests: Any = asked.get("sha") if isinstance(asked, dict) else None
    if not isinstance(digests, list) or not all(isinstance(one, str) for one in digests):
        raise Invalid('Send {"deletions": {"sha": [...]}}, the digests as texts.')
    actions.delete_files(model=model, digests=digests[:PAGE], by=publisher(who))
    return JsonResponse({})


def _branches(model: Model, digests: list[str]) -> dict[str, str]:
    """By object, the branch whose newest revision holds it: `main` before any other."""
    named = [(ref.revision_id, ref.name) for ref in model.refs.filter(kind=RefKind.BRANCH).order_by("-name")]
    heads = dict([*named, (model.tip_id, MAIN)])
    held = File.objects.filter(revision__in=[pk for pk in heads if pk], blob__in=digests).values_list(
        "blob", "revision"
    )
    found: dict[str, str] = {}
    for digest, revision in held:
        if found.get(str(digest)) != MAIN:
            found[str(digest)] = heads[revision]
    return found
