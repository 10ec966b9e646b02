"""The control plane's connection to the first Redis: limits, principals, routes, the usage stream, the Hub's rates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import redis
from django.conf import settings

from portal.errors import Unavailable


@lru_cache(maxsize=4)
def _client(url: str, patience_s: float) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=patience_s, socket_connect_timeout=min(2, patience_s)
    )


def client(patience_s: float = 5) -> redis.Redis:
    """One pooled client per process, address and patience (seconds until a command counts as unanswered); answers are text."""
    return _client(settings.REDIS_URL, patience_s)


@contextmanager
def reachable() -> Iterator[redis.Redis]:
    """The client, with every failure to reach Redis raised as Unavailable."""
    try:
        yield client()
    except redis.RedisError as error:
        raise Unavailable(
            f"The limits store does not answer ({type(error).__name__}). Try again in a moment."
        ) from error
