"""What a token may be used for, and which kinds of token there are. Plain data."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """One kind of use. A token never does more than its scopes, nor more than its holder may."""

    DOWNLOAD = "download"
    QUERY = "query"
    PUBLISH = "publish"
    REVIEW = "review"
    MANAGE = "manage"


class Kind(StrEnum):
    """The part of a secret after `wb_`, so that people and leak scanners see what was lost."""

    DOWNLOAD = "dl"
    QUERY = "q"
    PUBLISH = "pub"
    REVIEW = "rev"
    CI = "ci"
    SERVICE = "svc"
    PAGE = "page"


KIND_SCOPES: Final[dict[Kind, frozenset[Scope]]] = {
    Kind.DOWNLOAD: frozenset({Scope.DOWNLOAD}),
    Kind.QUERY: frozenset({Scope.QUERY}),
    Kind.PUBLISH: frozenset({Scope.PUBLISH, Scope.DOWNLOAD}),
    Kind.REVIEW: frozenset({Scope.REVIEW}),
    Kind.CI: frozenset({Scope.DOWNLOAD}),
    Kind.SERVICE: frozenset(Scope),
    Kind.PAGE: frozenset({Scope.QUERY}),
}
"""What a kind carries. A service token names an explicit subset of its row."""

LIFETIMES: Final[dict[Kind, tuple[timedelta, timedelta]]] = {
    Kind.DOWNLOAD: (timedelta(days=30), timedelta(days=90)),
    Kind.QUERY: (timedelta(days=90), timedelta(days=90)),
    Kind.PUBLISH: (timedelta(days=30), timedelta(days=90)),
    Kind.REVIEW: (timedelta(days=30), timedelta(days=90)),
    Kind.CI: (timedelta(hours=1), timedelta(hours=1)),
    Kind.SERVICE: (timedelta(days=90), timedelta(days=365)),
    Kind.PAGE: (timedelta(minutes=15), timedelta(minutes=15)),
}
"""Default and longest life. Every token ends."""
