"""Request bodies of the writing doors: bounded, and read as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

from django.http import HttpRequest, UnreadablePostError

from portal.errors import Invalid, TooLarge
from portal.storable import storable

JSON_MAX: Final = 4 << 20
LINE_MAX: Final = 16 << 20
"""Bytes of one line of a commit: a file of 11 MiB in base64. Larger files go through the large-file protocol."""
COMMIT_MAX: Final = 256 << 20


def read_bytes(request: HttpRequest, most: int) -> bytes:
    """The body as it is. Raises TooLarge for more than `most` bytes."""
    content = _stream(request).read(most + 1)
    if len(content) > most:
        raise TooLarge(f"The body is larger than {most:,} bytes.")
    return content


def read_json(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object. Raises Invalid, TooLarge."""
    found = _parsed(read_bytes(request, JSON_MAX), "The body")
    if not isinstance(found, dict):
        raise Invalid("The body is not a JSON object.")
    return found


def read_lines(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """The JSON objects of a body with one on each line, one at a time. Raises Invalid, TooLarge."""
    stream, taken = _stream(request), 0
    while line := stream.readline(LINE_MAX + 1):
        taken += len(line)
        if len(line) > LINE_MAX or taken > COMMIT_MAX:
            raise TooLarge(
                f"A commit takes {COMMIT_MAX >> 20} MiB, and {LINE_MAX >> 20} MiB a line. Send large files as LFS."
            )
        if not line.strip():
            continue
        found = _parsed(line, "A line of the commit")
        if not isinstance(found, dict) or not isinstance(found.get("value"), dict):
            raise Invalid('Each line of a commit is an object with "key" and "value".')
        yield found


def text_of(asked: dict[str, Any], name: str, *, default: str | None = None) -> str:
    """A text of the object. Raises Invalid."""
    said = asked.get(name, default)
    if said is None and default is not None:
        return default
    if not isinstance(said, str):
        raise Invalid(f"{name!r} must be a text.", fields={name: ["Send a text."]})
    return said


def _parsed(content: bytes, name: str) -> object:
    """What the JSON says, with texts alone that the database can take. Raises Invalid."""
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise Invalid(f"{name} is not JSON.") from fault
    if not storable(found):
        raise Invalid(f"{name} has a text with a NUL, or with half of a character. Send whole characters.")
    return found


def _stream(request: HttpRequest) -> _Stream:
    """Django reads nothing of a body without a Content-Length; the server below has it, and ends it."""
    unsized = request.headers.get("Content-Length") is None and "HTTP_TRANSFER_ENCODING" in request.META
    return _Stream(cast("BinaryIO", request.META["wsgi.input"] if unsized else request))


class _Stream:
    """Lines of a body. Cut here, since a server's own `readline` may stop short of both the line's end and the limit."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._waiting = source, b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        while len(self._waiting) < size and (piece := self._more()):
            self._waiting += piece
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def readline(self, limit: int) -> bytes:
        """Up to and with the next line's end, or `limit` bytes."""
        while (end := self._waiting.find(b"\n") + 1) == 0 and len(self._waiting) < limit:
            piece = self._more()
            if not piece:
                break
            self._waiting += piece
        return self.read(min(end or limit, limit))

    def _more(self) -> bytes:
        try:
            return self._source.read(1 << 16)
        except OSError as fault:
            raise UnreadablePostError(*fault.args) from fault
