"""One request to somebody else's server: to an address that was checked, without redirects, within ten seconds.

The name is resolved here, at every attempt, and the connection goes to the very address that was checked: a name that
answers differently the second time gains nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
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
        raw = socket.create_connection((_address(host, port, private=private), port), timeout=SILENCE_S)
        with _cut_after(raw, WHOLE_S), closing(raw), closing(http.client.HTTPConnection(host, port)) as connection:
            connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host) if secure else raw
            connection.request(method, target, body, dict(headers))
            return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        unknown = isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        # An answer that is no HTTP is quoted in the error, with whatever stands in it.
        raise NoAnswer(mended(f"{type(error).__name__}: {error}"[:300]), nowhere=unknown) from error


def _address(host: str, port: int, *, private: bool) -> str:
    """An address of the host. Raises NoAnswer where one of them is not public, unless others are allowed."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for address in sorted(found):
        if not private and not _public(address):
            raise NoAnswer(_("%(host)s is not a public address.") % {"host": host}, nowhere=True)
    return min(found)


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not (mapped or ip).is_multicast


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
