"""Django reads a body to the end that was announced, whatever the server below makes of one that broke off."""

from __future__ import annotations

import io
from typing import Any

import pytest

from portal import wsgi

START = {
    "REQUEST_METHOD": "POST", "PATH_INFO": "/api/validate-yaml", "SERVER_NAME": "t", "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0), "wsgi.multithread": True,
    "wsgi.multiprocess": False, "wsgi.run_once": False, "HTTP_HOST": "t",
}  # fmt: skip


class InPieces(io.RawIOBase):
    """A server's input that gives less than it is asked for."""

    def __init__(self, body: bytes, most: int) -> None:
        self.rest, self.most = body, most

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "more than the body is never asked for: a server may wait for it"
        piece = self.rest[: min(size, self.most)]
        self.rest = self.rest[len(piece) :]
        return piece


def taken(body: bytes, *, size: int, most: int) -> io.BufferedReader:
    return io.BufferedReader(wsgi.Whole(InPieces(body, most), size))


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_a_whole_body_is_read_to_its_end_and_no_further(most: int) -> None:
    assert taken(b"one\ntwo\nnext request", size=8, most=most).read() == b"one\ntwo\n"
    assert list(taken(b"one\ntwo\n", size=8, most=most)) == [b"one\n", b"two\n"]
    assert taken(b"", size=0, most=most).read() == b""


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("how", [lambda body: body.read(), lambda body: body.read(100), list])
def test_one_that_breaks_off_is_none(most: int, how: Any) -> None:
    with pytest.raises(ConnectionResetError):
        how(taken(b"one\n", size=8, most=most))


@pytest.mark.parametrize("size", ["100", "0", "", "x", "-1", "²"])
def test_no_announced_size_brings_the_portal_to_a_fault(size: str) -> None:
    said: list[str] = []
    environ = START | {"CONTENT_LENGTH": size, "wsgi.input": io.BytesIO(b"{")}
    b"".join(wsgi.application(environ, lambda status, *_: said.append(status)))  # type: ignore[arg-type, misc]
    assert said[0][:3] == "400", said
