"""The doors beside Django's: the query plane, the signed links, and the private listener; what each answers to whom.

A path that the code spells and that is not here fails the build, as does one that is here and not in the code. The
words are those of doors/. Whoever is not named gets `otherwise`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.architecture.scene import DEAD, TOKENS

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DEAD_QUERIES: Final = ("expired_query_token", "revoked_query_token")
KNOCKING: Final = ("anonymous", "holder", *TOKENS, *DEAD, *DEAD_QUERIES)
"""`holder` shows a session alone: the planes read no cookie."""


@dataclass(frozen=True)
class Plane:
    """One address, the one method that it knows (and HEAD, where that is said), and what it answers."""

    path: str
    method: str
    query_token: str
    otherwise: str = "401"
    send: Mapping[str, Any] = field(default_factory=dict)
    wrong_method: str = "405"

    def answer(self, method: str, who: str) -> str:
        """The word for this method and this person."""
        if method != self.method:
            return self.wrong_method
        return self.query_token if who == "query_token" else self.otherwise


_NOBODYS_MODEL: Final = {"model": "nobody/nothing"}
QUERIES: Final = (
    Plane("/v1/completions", "POST", "404", send=_NOBODYS_MODEL | {"prompt": "a"}),
    Plane("/v1/chat/completions", "POST", "404", send=_NOBODYS_MODEL | {"messages": []}),
    Plane("/v1/embeddings", "POST", "404", send=_NOBODYS_MODEL | {"input": "a"}),
    Plane("/tokenizer_info", "GET", "bad"),
    Plane("/v1/tokenizer_info", "GET", "bad"),
    Plane("/v1/models", "GET", "ok"),
    Plane("/v1/models/nobody/nothing", "GET", "404"),
    Plane("/v1/queue", "GET", "ok"),
    Plane("/tokenize", "POST", "404", send=_NOBODYS_MODEL | {"prompt": "a"}),
    Plane("/v1/tokenize", "POST", "404", send=_NOBODYS_MODEL | {"prompt": "a"}),
    Plane("/detokenize", "POST", "404", send=_NOBODYS_MODEL | {"tokens": [1]}),
    Plane("/v1/detokenize", "POST", "404", send=_NOBODYS_MODEL | {"tokens": [1]}),
    Plane("/health", "GET", "ok", otherwise="ok", wrong_method="ok"),
)
"""The gateway. The model is nobody's, so the query token passes the door and finds nothing behind it."""
LINKS: Final = "/blobs/"
"""Everything below is a signed link: it is for whoever holds it, and no credential opens what is not signed."""
UPLOADS: Final = "/blobs/uploads/"
"""The same for the parts of uploads, which are sent there by PUT."""
PRIVATE: Final = {
    "/internal/introspect": "POST",
    "/internal/content": "POST",
    "/internal/ready": "GET",
    "/internal/metrics": "GET",
}
"""Only for whoever shows the internal secret, and on no public port."""
