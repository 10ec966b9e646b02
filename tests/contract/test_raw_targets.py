"""Targets and headers as no library writes them, sent over a bare socket, are answered in the shape of the door."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from tests.contract.hub import Hub

TARGETS = [
    b"/api/models?search=\xff",
    b"/api/models?search=%ff%00%c3%28",
    b"/lyceum/open/resolve/main/config.json?\xe2\x98\x83",
    b"/lyceum/open/resolve/main/\xff",
    b"/lyceum/open/resolve/main/%ff",
    b"/lyceum/open/resolve/main/a%00b",
    b"/lyceum/open/resolve/main/..%2f..%2fetc%2fpasswd",
    b"/lyceum/open/resolve/%252e%252e/config.json",
    b"/lyceum/open/resolve/" + b"a" * 8000 + b"/config.json",
    b"/lyceum/%2e%2e/resolve/main/config.json",
    b"//elsewhere.example/resolve/main/config.json",
    b"//elsewhere.example//resolve/main/config.json",
    b"/lyceum\\open/resolve/main/config.json",
    b"/\xc0\xae\xc0\xae/open/resolve/main/config.json",
    b"/api/models?" + b"a&" * 3000,
    b"/api/models/lyceum/open/tree/main?cursor=" + b"%F0%9F%92%A9" * 1000,
    b"/families/?q=\xff",
    b"/?\x80=\x80",
    b"/v1/models?\xff",
    b"/blobs/" + b"0" * 64 + b"?\xff=\xff",
    b"http://elsewhere.example/lyceum/open/resolve/main/config.json",
]


def raw(url: str, target: bytes, more: bytes = b"") -> bytes:
    """The whole answer to GET of exactly this."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(
            b"GET "
            + target
            + b" HTTP/1.1\r\nHost: "
            + parts.netloc.encode()
            + b"\r\nConnection: close\r\n"
            + more
            + b"\r\n"
        )
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("cookie", [b"", b"Cookie: theme=dark\r\n"], ids=["program", "browser"])
def test_no_target_is_a_fault(hub: Hub, cookie: bytes) -> None:
    faults = {}
    for target in TARGETS:
        status = raw(hub.url, target, cookie).partition(b"\r\n")[0]
        if not status.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")):
            faults[target[:60]] = status
    assert faults == {}


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization: Bearer \xff\xfe\r\n",
        b"Authorization: Bearer " + b"a" * 30_000 + b"\r\n",
        b"Authorization:\r\n",
        b"Cookie: \xff=\xff; session=\x80\r\n",
        b"Accept-Language: \xff, de;q=nan, " + b"a," * 4000 + b"\r\n",
        b"Accept-Encoding: \xff;q=\xff, gzip;q=0;q=1\r\n",
        b"X-Forwarded-For: \xff, ::1%eth0, 999.1.1.1\r\n",
        b"Range: bytes=\xff-\r\n",
        b"If-None-Match: \xff, W/\r\nIf-Modified-Since: \xff\r\n",
        b"X-Request-Id: \xff\r\nX-Amzn-Trace-Id: a b\r\n",
        b"User-Agent: \xff" + b"u" * 5000 + b"\r\n",
        b"Content-Length: 5\r\nExpect: 100-continue\r\n",
    ],
)
def test_no_header_is_a_fault(hub: Hub, header: bytes) -> None:
    for target in (b"/lyceum/open/resolve/main/config.json", b"/api/models/lyceum/open", b"/lyceum/open"):
        status = raw(hub.url, target, header).partition(b"\r\n")[0]
        assert status.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")), (target, status)
