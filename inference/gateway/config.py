"""Settings of the gateway, read once from the environment. Same names as the control plane's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_MEBIBYTE: Final = 1024 * 1024


class Misconfigured(Exception):
    """The operator must change a setting; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the gateway is told. Sizes in bytes, times in seconds unless the name says milliseconds."""

    redis_url: str
    """`redis://[user:password@]host:port/db` or `unix:///path?db=0`: the store of limits, principals and usage."""
    internal_url: str
    """Where the control plane listens for introspection; `unix:///path` for a socket."""
    internal_secret: str
    public_url: str = ""
    """Address of the portal, for links in error messages."""
    body_bytes: int = _MEBIBYTE
    token_body_bytes: int = 4 * _MEBIBYTE
    """Bound of a body whose prompt is given as token ids."""
    body_seconds: float = 30.0
    """How long a client may take to send its body."""
    answer_bytes: int = 64 * _MEBIBYTE
    """Bound of one answer that is not a stream."""
    default_max_tokens: int = 512
    largest_request: int = 4096
    """Tokens that a per-minute limit admits at once, where the limit is at least twice as large (see limits.py)."""
    lease_ms: int = 10_000
    heartbeat_seconds: float = 2.0
    first_byte_seconds: float = 300.0
    idle_seconds: float = 30.0
    """Longest silence of an engine within a stream."""
    queue_seconds: float = 45.0
    """How long a request may wait for a place at a full pool."""
    queue_length: int = 512
    """How many may wait for one pool, half of them of one project."""
    redis_seconds: float = 2.0
    connect_seconds: float = 2.0
    engine_client: str = "http1"
    """`http1`, or `aiohttp` to fall back on the library."""
    trusted_proxies: int = 0
    """How many proxies of ours stand in front and may name the client's address."""
    metrics: str = ""
    """`unix:///path` or `host:port` of the private metrics listener; empty for none."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; raises Misconfigured with the name of what is missing."""
        socket = _text("INTERNAL_SOCKET")
        if _text("CONTENT_PRIVATE_KEY"):
            raise Misconfigured("CONTENT_PRIVATE_KEY opens what the gateway seals. Give it to the web process alone.")
        return cls(
            redis_url=_required("REDIS_URL", "the address of the store of limits"),
            internal_url=f"unix://{socket}" if socket else _required("INTERNAL_URL", "where introspection is answered"),
            internal_secret=_required("INTERNAL_SECRET", "the secret shared with the control plane"),
            public_url=(_text("PUBLIC_URL") or _text("BASE_URL")).rstrip("/"),
            default_max_tokens=_number("DEFAULT_MAX_TOKENS", 512),
            largest_request=_number("LARGEST_REQUEST", 4096),
            lease_ms=_number("LEASE_MS", 10_000),
            heartbeat_seconds=_number("HEARTBEAT_MS", 2_000) / 1000,
            first_byte_seconds=float(_number("FIRST_BYTE_SECONDS", 300)),
            idle_seconds=float(_number("IDLE_SECONDS", 30)),
            queue_seconds=float(_number("QUEUE_SECONDS", 45)),
            queue_length=_number("QUEUE_LENGTH", 512),
            engine_client=_text("ENGINE_CLIENT") or "http1",
            trusted_proxies=_number("TRUSTED_PROXIES", 0, least=0),
            metrics=_text("GATEWAY_METRICS"),
        )


def _text(name: str) -> str:
    path = os.environ.get(f"{name}_FILE", "")
    if path and name in os.environ:
        raise Misconfigured(f"Both {name} and {name}_FILE are set. Unset one of them.")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(f"{name}_FILE names {path}, which cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{name}_FILE names {path}, which is not UTF-8. Write the value into it as text.") from None


def _required(name: str, purpose: str) -> str:
    value = _text(name)
    if not value:
        raise Misconfigured(f"{name} is not set. It is {purpose}. Set {name}, or {name}_FILE to a file that holds it.")
    return value


def _number(name: str, default: int, *, least: int = 1) -> int:
    value = _text(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise Misconfigured(f"{name} is {value!r}. Use a whole number from {least} up, for example {default}.")
    return int(value)
