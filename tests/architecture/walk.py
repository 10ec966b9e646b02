"""Every address of the URLconf, and how one asks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from tests.architecture.scene import Scene

_PARAMETER: Final = re.compile(r"<(?:(\w+):)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")
ANY: Final = {
    "int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "slug": "nothing", "str": "1",
    "path": "1", "segment": "nothing", "tail": "nothing",
}  # fmt: skip
"""What stands for a parameter that a door does not name."""


def routes() -> list[str]:
    """Every address as the URLconf spells it, each once."""
    return list(dict.fromkeys(_below(get_resolver())))


def _below(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = prefix + re.sub(r"^\^|\$$|\\Z$", "", str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from _below(pattern, route)


def address(route: str, given: Mapping[str, str]) -> str:
    """The route with its parameters filled in: from `given`, else with anything of the right shape."""

    def fill(found: re.Match[str]) -> str:
        return given.get(found[2] or found[3]) or ANY[found[1] or "str"]

    return "/" + _PARAMETER.sub(fill, route).replace("\\", "")


def ask(scene: Scene, who: str, method: str, path: str, send: Mapping[str, Any], *, forged: bool = False) -> Any:
    """One request of this person, read to its end; whatever it changed is undone. `forged` comes without CSRF token."""
    body: dict[str, Any] = {"data": dict(send)} if method == "POST" else {}
    if body and (path.startswith("/api/") or path.endswith("/objects/batch")):
        body["content_type"] = "application/json"
    client = scene.client(who, forged=forged)
    with undone():
        answer = getattr(client, method.lower())(path, headers=scene.headers(who), **body)
        if answer.streaming:
            list(answer.streaming_content)
    return answer


@contextmanager
def undone() -> Iterator[None]:
    """A transaction that is rolled back, in which durable blocks may run, as in Django's own TestCase."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


def word(answer: Any) -> str:
    """The class of an answer, in the words of doors/."""
    status = answer.status_code
    if status in {301, 302, 303, 307}:
        return "login" if "/login/" in answer["Location"] else "moved"
    if 200 <= status < 300:
        return "ok"
    return "bad" if status in {400, 409, 422, 428} else str(status)
