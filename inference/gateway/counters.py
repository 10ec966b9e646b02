"""What one scope has used, as the scripts keep it (scripts/counter.lua), for those who read it from outside of them."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

_NUMBERS: Final = Struct("<7d")


class Counter(NamedTuple):
    """`requests_at`, `tokens_at`: when the buckets would be full again, ms since the epoch; `returned`: ms of tokens that
    settlements gave back; `running` requests; tokens of `day` (days since the epoch) and of the named `period`."""

    requests_at: float = 0
    tokens_at: float = 0
    returned: float = 0
    running: int = 0
    day: int = 0
    tokens_in_day: int = 0
    tokens_in_period: int = 0
    period: str = ""

    def to_bytes(self) -> bytes:
        """As it stands in Redis."""
        return _NUMBERS.pack(*self[:-1]) + self.period.encode() + b"\0"

    @classmethod
    def from_bytes(cls, text: bytes) -> Counter:
        """Raises struct.error where this is no counter."""
        requests_at, tokens_at, returned, *counts = _NUMBERS.unpack_from(text)
        running, day, in_day, in_period = map(int, counts)
        period = text[_NUMBERS.size : -1].decode()
        return cls(requests_at, tokens_at, returned, running, day, in_day, in_period, period)


def counter_key(kind: str, identity: str) -> str:
    """Key of one scope's counter."""
    return f"wb:use:{kind}:{identity}"


def counter_of(store: redis.Redis, kind: str, identity: str) -> Counter:
    """What stands there now; zeros where nothing was counted yet. Raises redis.RedisError."""
    (counter,) = counters_of(store, kind, [identity])
    return counter


def counters_of(store: redis.Redis, kind: str, identities: Sequence[str]) -> list[Counter]:
    """The same of several, in one command; none of none."""
    if not identities:
        return []
    keys = [counter_key(kind, identity) for identity in identities]
    texts = cast("Any", store).execute_command("MGET", *keys, NEVER_DECODE=True)
    return [Counter.from_bytes(text) if text else Counter() for text in texts]
