"""What we write comes compressed to who takes it so, and never where that would change what the answer says."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

ICONS = "/static/weighbridge/icons.svg"
PAGE = "/account/login/"


def asked(address: str, *, method: str = "get", **headers: str) -> tuple[int, Any, bytes]:
    """Status, headers and body, with the headers named as Accept_Encoding."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = getattr(Client(), method)(address, headers=sent)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return answer.status_code, answer.headers, body


@pytest.mark.parametrize("address", [ICONS, PAGE, "/api/v1/openapi.json"])
@pytest.mark.parametrize("takes", ["gzip", "br;q=1.0, gzip;q=0.8, *;q=0.1", "deflate, gzip;q=0.001"])
def test_text_is_compressed_for_who_takes_it(address: str, takes: str) -> None:
    status, plain, whole = asked(address)
    assert (status, plain.get("Content-Encoding")) == (200, None)
    status, told, body = asked(address, Accept_Encoding=takes)
    assert (status, told["Content-Encoding"]) == (200, "gzip")
    assert int(told.get("Content-Length", len(body))) == len(body) < len(whole)
    assert len(gzip.decompress(body)) == len(whole)
    for headers in (plain, told):
        assert "accept-encoding" in headers["Vary"].lower(), "a cache keeps both apart"


@pytest.mark.parametrize("takes", ["", "identity", "gzip;q=0", "br, gzip; q=0.0", "deflate, GZIP;Q=0.000, *;q=0.5"])
def test_who_refuses_it_gets_it_plain(takes: str) -> None:
    status, told, body = asked(PAGE, Accept_Encoding=takes)
    assert (status, told.get("Content-Encoding")) == (200, None)
    assert body.lstrip().startswith(b"<!doctype html>")
    assert "accept-encoding" in told["Vary"].lower()


def test_a_part_of_a_file_is_that_part_of_it() -> None:
    whole = asked(ICONS)[2]
    status, told, body = asked(ICONS, Accept_Encoding="gzip", Range="bytes=10-499")
    assert (status, told.get("Content-Encoding"), body) == (206, None, whole[10:500])
    assert told["Content-Range"] == f"bytes 10-499/{len(whole)}"
    assert told["Content-Length"] == "490"


def test_a_head_says_what_the_file_is() -> None:
    status, told, body = asked(ICONS, method="head", Accept_Encoding="gzip")
    assert (status, body) == (200, b"")
    assert told.get("Content-Encoding") is None


def test_a_file_that_is_known_comes_without_a_body() -> None:
    known = asked(ICONS)[1]["Last-Modified"]
    status, told, body = asked(ICONS, Accept_Encoding="gzip", If_Modified_Since=known)
    assert (status, told.get("Content-Encoding"), body) == (304, None, b"")


def test_the_length_of_a_page_tells_nothing_of_what_it_hides() -> None:
    """BREACH: the same page twice has another length, and another form token."""
    seen = [asked(PAGE, Accept_Encoding="gzip")[2] for _ in range(12)]
    assert len({len(body) for body in seen}) > 1
    assert len({gzip.decompress(body) for body in seen}) == 12
