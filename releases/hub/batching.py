"""Git-lfs' batch API, at its one address: the Hub's clients send large files by it, git-lfs gets them (git-lfs specification)."""

from __future__ import annotations

import json
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from portal.errors import Invalid, NotAllowed, WeighbridgeError
from portal.tokens.authentication import is_basic
from releases.hub import publishing, wire
from releases.hub.bodies import read_json
from releases.hub.cloning import terms
from releases.hub.cloning.links import links
from releases.hub.doors import Asker, door, model_named, own, publisher
from releases.hub.wire import Unsupported

BATCH_MAX: Final = 256


def refusal(error: WeighbridgeError, *, signed_in: bool, gate: bool) -> HttpResponse:
    """The Hub's answer with its text once more under the name that git-lfs shows."""
    answer = wire.refusal(error, signed_in=signed_in, gate=gate)
    said = json.loads(answer.content)
    answer.content = json.dumps(said | {"message": said["error"]}).encode()
    return answer


@door("POST", gate=False, basic=True, refusal=refusal)
def batch(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """Where each large file comes from, or goes. What the asker may do is asked before what they ask for."""
    asked = read_json(request)
    if asked.get("operation") == "download":
        model = model_named(namespace, name, who)
        terms.allowed(model, who)
        told = {"transfer": "basic", "objects": links(request, who, model, _objects(asked))}
    else:
        if is_basic(request.headers.get("Authorization")):
            raise NotAllowed("Nothing is pushed to this hub with git. Publish with hf upload.", code="no_push")
        user, model = publisher(who), own(namespace, name, who)
        if asked.get("operation") != "upload":
            raise Unsupported("The batch API knows the operations upload and download.")
        told = publishing.place(request, model, user, asked, _objects(asked))
    return JsonResponse(told | {"hash_algo": "sha256"}, content_type="application/vnd.git-lfs+json")


def _objects(asked: dict[str, Any]) -> list[Any]:
    objects = asked.get("objects")
    if not isinstance(objects, list) or len(objects) > BATCH_MAX:
        raise Invalid(f"Send at most {BATCH_MAX} objects.")
    return objects
