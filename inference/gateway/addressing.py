"""`lab/name@revision`: a query that wants one revision is answered by that one or by none."""

from __future__ import annotations

import re
from typing import Final

from inference.gateway.errors import Refusal, bad_request
from inference.gateway.rights import Right

_REVISION: Final = re.compile(r"[0-9a-f]{7,40}")


def split(address: str) -> tuple[str, str]:
    """The model's name, and the revision that is asked for (or nothing); raises a 400 refusal for what is none."""
    name, at, revision = address.partition("@")
    if at and not _REVISION.fullmatch(revision):
        text = f"After @ comes a revision: 7 to 40 digits of its commit id, as in {name}@0123456."
        raise bad_request(text, param="model", code="invalid_revision")
    return name, revision


def require(right: Right, revision: str) -> None:
    """Raise a 404 refusal that names what is served, unless this revision (or nothing particular) is asked for."""
    route = right.route
    if not route.revision.startswith(revision):
        text = f"{route.model} is not served at revision {revision}. Served is {route.model}@{route.revision}."
        raise Refusal(
            404, "revision_not_served", text, kind="not_found_error", param="model", headers=right.headers,
            served=[route.revision],
        )  # fmt: skip
