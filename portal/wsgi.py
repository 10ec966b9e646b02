"""Django under WSGI: the control plane's entry in both sizes."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.wsgi import get_wsgi_application

from portal.errors import Misconfigured
from portal.starting import imports

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

with imports():
    _django = get_wsgi_application()
_PIECE = 1 << 16


def _refuse_what_is_unsafe() -> None:
    """Raise Misconfigured, with every fault and its fix, before anything is answered under settings that are unsafe."""
    found = run_checks(tags=[Tags.security], include_deployment_checks=True)
    if wrong := [str(each) for each in found if each.is_serious() and not each.is_silenced()]:
        raise Misconfigured("\n".join(wrong))


_refuse_what_is_unsafe()


class Whole(io.RawIOBase):
    """A body of a known size (bytes). Servers end one that broke off like one that is there, and half a file would be kept."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source, self._left = source, size

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 any writable buffer
        """The next bytes. Raises ConnectionResetError where there are none, and should be; Django makes it its own."""
        piece = self._source.read(min(len(buffer), self._left))
        if self._left and not piece:
            raise ConnectionResetError("The body broke off.")
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)


def application(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """Answer as the public address: where that is https, TLS has ended in front of us, and what arrives is plain.

    Addresses that the Hub's clients are given, with which they send their token, would else be http.
    """
    environ["wsgi.url_scheme"] = settings.BASE_URL.partition(":")[0]
    size = environ.get("CONTENT_LENGTH", "")
    if size.isascii() and size.isdigit():
        environ["wsgi.input"] = io.BufferedReader(Whole(environ["wsgi.input"], int(size)), _PIECE)
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
