"""The OpenAPI document: made from the operations, served, and checked in as docs/openapi.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.utils.translation import override
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from portal.errors import Misconfigured

_EMPTY: Final = {"type": "string", "maxLength": 0}
FILE: Final = Path(settings.ROOT) / "docs" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """The whole description, in English. Raises Misconfigured for whatever cannot be described."""
    GENERATOR_STATS.reset()
    with override("en"), GENERATOR_STATS.silence():
        made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    if GENERATOR_STATS:
        faults = [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]
        raise Misconfigured("The API cannot be described: " + "; ".join(map(str, faults)))
    return made


@cache
def as_yaml() -> bytes:
    """For people and for the repository."""
    written: bytes = OpenApiYamlRenderer().render(document(), renderer_context={})  # type: ignore[no-untyped-call]
    return written


@cache
def as_json() -> bytes:
    """For programs."""
    written: bytes = OpenApiJsonRenderer().render(document(), renderer_context={})
    return written


def finish(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """What spectacular leaves to us: links between operations, each kind of problem written once, closed bodies, and texts
    that may be empty."""
    for name, shape in result["components"]["schemas"].items():
        if name.endswith("Request"):
            shape["additionalProperties"] = False
    _mended(result)
    shared: dict[str, Any] = result["components"].setdefault("responses", {})
    for operation in (each for path in result["paths"].values() for each in path.values()):
        answers = operation["responses"]
        links = {
            name: {"operationId": name, "parameters": dict(parameters)}
            for name, parameters in operation.pop("x-links", {}).items()
        }
        for status, answer in answers.items():
            if status.startswith("2") and links:
                answer["links"] = links
            if status.startswith("4"):
                shared[f"Problem{status}"] = answer
                answers[status] = {"$ref": f"#/components/responses/Problem{status}"}
    return result


def _mended(part: object) -> None:
    """Take out what spectacular leaves in for a hook of its own, and let a text be empty that may be.

    Of such a text it says that exactly one of two shapes holds. An empty one has both: a format only notes what a text is for.
    """
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _mended(each)
    if isinstance(part, dict):
        part.pop("x-spec-enum-id", None)
        if _EMPTY in part.get("oneOf", ()):
            part["anyOf"] = part.pop("oneOf")
