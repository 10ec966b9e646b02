"""One request to somebody else's server: to an address that was checked, without redirects, within ten seconds.

The name is resolved here, at every attempt, and the connection goes to the very addresses that were checked: a name that
answers differently the second time gains nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from portal.storable import mended

SILENCE_S: Final = 5.0
"""Longest wait for the next byte."""
WHOLE_S: Final = 10.0
"""Longest time for everything."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""How a network of IPv6 alone writes addresses of IPv4: in the last 32 bits."""
_DISGUISES: Final = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2002::/16")))
"""Other ways to write an address of IPv4, a private one too. No public server is reached by them alone."""
_PORTS: Final = {"http": 80, "https": 443}


class NoAnswer(Exception):
    """There was no answer; the text says why. `nowhere`: there is no such host, or it is not public."""

    def __init__(self, text: str, *, nowhere: bool = False) -> None:
        super().__init__(text)
        self.nowhere = nowhere


def ask(method: str, url: str, body: bytes | None = None, *, headers: Mapping[str, str], private: bool) -> int:
    """Send, and return the status of the answer, whatever it is; its body is not read. Raises NoAnswer.

    `url` begins with http:// or https://. All addresses of its host must be public, unless `private`.
    """
    try:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        target, port = (
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            parts.port or _PORTS[parts.scheme],
        )
        end = time.monotonic() + WHOLE_S
        raw = _connected(_addresses(host, port, private=private), port, end=end)
        with (
            _cut_after(raw, max(0.0, end - time.monotonic())),
            closing(raw),
            closing(http.client.HTTPConnection(host, port)) as connection,
        ):
            connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host) if secure else raw
            connection.request(method, target, body, dict(headers))
            return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        unknown = isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        # An answer that is no HTTP is quoted in the error, with whatever stands in it.
        raise NoAnswer(mended(f"{type(error).__name__}: {error}"[:300]), nowhere=unknown) from error


def _addresses(host: str, port: int, *, private: bool) -> list[str]:
    """The host's addresses, as the system orders them. Raises NoAnswer where one is not public, unless others are allowed."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private and not all(map(_public, found)):
        raise NoAnswer(_("%(host)s is not a public address.") % {"host": host}, nowhere=True)
    return list(dict.fromkeys(found))


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in disguise for disguise in _DISGUISES):
        return False
    meant = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else getattr(ip, "ipv4_mapped", None) or ip
    return bool(meant.is_global and not meant.is_multicast)


def _connected(addresses: list[str], port: int, *, end: float) -> socket.socket:
    """A connection to the first address that takes one: a host may have one that cannot be reached from here.

    `end` is on the monotonic clock. Raises the last OSError.
    """
    last: OSError = TimeoutError("no address answered in time")
    for address in addresses:
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            raw = socket.create_connection((address, port), timeout=min(SILENCE_S, left))
        except OSError as error:
            last = error
            continue
        raw.settimeout(SILENCE_S)
        return raw
    raise last


@contextmanager
def _cut_after(raw: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after so many seconds, however slowly the other side drips. Raises TimeoutError then."""
    kept = raw.dup()  # TLS takes the first one over
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            kept.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        kept.close()
        if late.is_set():  # half an answer must not pass for one
            raise TimeoutError(f"no whole answer within {seconds:g} seconds")
