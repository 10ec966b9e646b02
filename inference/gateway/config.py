"""Settings of the gateway, read once from the environment. Same names as the control plane's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlsplit

_MEBIBYTE: Final = 1024 * 1024
_STORE: Final = ("redis", "rediss", "unix")
_LISTENER: Final = ("http", "https", "unix")


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
        if _text("CONTENT_PRIVATE_KEY"):
            raise Misconfigured("CONTENT_PRIVATE_KEY opens what the gateway seals. Give it to the web process alone.")
        lease_ms, heartbeat_ms = _number("LEASE_MS", 10_000), _number("HEARTBEAT_MS", 2_000)
        if lease_ms < 2 * heartbeat_ms:
            raise Misconfigured(
                f"LEASE_MS is {lease_ms}, and HEARTBEAT_MS {heartbeat_ms}: one late heartbeat would end requests that run. "
                f"Set LEASE_MS to {2 * heartbeat_ms} at least, or HEARTBEAT_MS to {lease_ms // 2} at most."
            )
        return cls(
            redis_url=_address("REDIS_URL", "the address of the store of limits", _STORE, "redis://host:6379/0"),
            internal_url=_internal_url(),
            internal_secret=_present("INTERNAL_SECRET", "the secret shared with the control plane"),
            public_url=(_text("PUBLIC_URL") or _text("BASE_URL")).rstrip("/"),
            default_max_tokens=_number("DEFAULT_MAX_TOKENS", 512),
            largest_request=_number("LARGEST_REQUEST", 4096),
            lease_ms=lease_ms,
            heartbeat_seconds=heartbeat_ms / 1000,
            first_byte_seconds=float(_number("FIRST_BYTE_SECONDS", 300)),
            idle_seconds=float(_number("IDLE_SECONDS", 30)),
            queue_seconds=float(_number("QUEUE_SECONDS", 45)),
            queue_length=_number("QUEUE_LENGTH", 512),
            engine_client=_engine_client(),
            trusted_proxies=_number("TRUSTED_PROXIES", 0, least=0),
            metrics=_metrics(),
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


def _present(name: str, purpose: str) -> str:
    """The first of the secrets: those behind it are former ones, which the control plane still knows (portal.env.secrets)."""
    return next(iter(_required(name, purpose).split()), "")


def _address(name: str, purpose: str, schemes: tuple[str, ...], example: str) -> str:
    """The address, which is never shown: it may hold a password."""
    value = _required(name, purpose)
    try:
        parts = urlsplit(value)
        whole = bool(parts.path if parts.scheme == "unix" else parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.scheme not in schemes:
        raise Misconfigured(f"{name} is no address that is understood here. Write it like {example}, or unix:///path.")
    return value


def _internal_url() -> str:
    if socket := _text("INTERNAL_SOCKET"):
        return f"unix://{quote(socket)}"
    return _address("INTERNAL_URL", "where introspection is answered", _LISTENER, "http://internal:8002")


def _engine_client() -> str:
    value = _text("ENGINE_CLIENT") or "http1"
    if value not in {"http1", "aiohttp"}:
        raise Misconfigured(f"ENGINE_CLIENT is {value!r}. Use http1 or aiohttp.")
    return value


def _metrics() -> str:
    value = _text("GATEWAY_METRICS")
    _host, colon, port = value.rpartition(":")
    is_port = bool(colon) and port.isdecimal() and 0 < int(port) < 65_536
    if value and not value.startswith("unix:///") and not is_port:
        raise Misconfigured(f"GATEWAY_METRICS is {value!r}. Use host:port, for example 0.0.0.0:9100, or unix:///path.")
    return value


def _number(name: str, default: int, *, least: int = 1) -> int:
    value = _text(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise Misconfigured(f"{name} is {value!r}. Use a whole number from {least} up, for example {default}.")
    return int(value)
