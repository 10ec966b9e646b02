"""What all processes of the portal remember together, for a while: attempts that are counted, codes that were used.

It lies in the broker's store, which may forget. Where that does not answer each process remembers for itself, as it does
what it works out for a page (`settings.CACHES`), and asks again after a while.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

log = logging.getLogger("weighbridge.portal")
AWAY_S: Final = 5.0
"""How long the store is left alone after it did not answer: no request waits for it in that time."""
PATIENCE_S: Final = 0.5
_away = {"until": 0.0}


class Json:
    """Values as JSON: what is unpickled is run, and the portal is not the only one that writes to that store."""

    def dumps(self, value: object) -> bytes:
        """The value, written down. TypeError for what JSON has no word for."""
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:  # noqa: ANN401 whatever was kept
        """The value again. ValueError for what is no JSON."""
        return json.loads(data)


class Shared(BaseCache):
    """Django's cache over Redis, at `server` as redis-py writes it, and one in this process for when that is away."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {"serializer": Json, "socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S}
        self._store = RedisCache(server, {**params, "OPTIONS": options})
        self._own = LocMemCache("shared", params)

    def add(self, key: str, value: object, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep it unless there is one; whether it was kept. Of several at once one is told so."""
        return bool(self._ask("add", key, value, timeout, version))

    def get(self, key: str, default: object = None, version: int | None = None) -> Any:  # noqa: ANN401
        """What is kept, or the default."""
        return self._ask("get", key, default, version)

    def set(self, key: str, value: object, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep it for that many seconds."""
        self._ask("set", key, value, timeout, version)

    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep it longer; whether there was one."""
        return bool(self._ask("touch", key, timeout, version))

    def delete(self, key: str, version: int | None = None) -> bool:
        """Forget it; whether there was one."""
        return bool(self._ask("delete", key, version))

    def clear(self) -> None:
        """Forget all, and nothing else that lies in the same store."""
        self._own.clear()
        client = self._store._cache.get_client(write=True)
        for key in client.scan_iter(f"{self.key_prefix}:*"):
            client.delete(key)

    def _ask(self, what: str, *given: object) -> object:
        if time.monotonic() >= _away["until"]:
            try:
                return getattr(self._store, what)(*given)
            except RedisError as error:
                _away["until"] = time.monotonic() + AWAY_S
                log.warning("The broker's store does not answer; each process counts for itself: %s", error)
        return getattr(self._own, what)(*given)
