"""Whether the links of a card lead somewhere: the one thing of a check that asks other servers, where that is allowed.

Only what is certain is told: the answers 404 and 410; and a host that is not there or not public, if another link of the
card was answered, since on a network without a way out no host is there. A server that is slow, broken, or refuses programs
says nothing about its page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from django.conf import settings

from portal import outward

MOST: Final = 50
"""Links of one card that are tried."""
WHOLE_S: Final = 60.0
"""For all of them; what is not tried by then is left out."""
GONE: Final = frozenset({404, 410})
_HEADERS: Final = {"User-Agent": "weighbridge-links/1", "Accept": "*/*", "Accept-Encoding": "identity"}


class Found(Enum):
    """What became of a link that was tried."""

    ANSWERED = auto()
    GONE = auto()
    NO_HOST = auto()
    UNSAID = auto()


def dead(links: Iterable[str]) -> tuple[str, ...]:
    """Those of the links that lead nowhere, each once and in order; none where `CARD_LINKS` is off."""
    if settings.CARD_LINKS == "off":
        return ()
    end, found = time.monotonic() + WHOLE_S, dict[str, Found]()
    for link in list(dict.fromkeys(links))[:MOST]:
        if time.monotonic() < end:
            found[link] = _look(link)
    way_out = not {Found.ANSWERED, Found.GONE}.isdisjoint(found.values())
    told = {Found.GONE, Found.NO_HOST} if way_out else set()
    return tuple(link for link, what in found.items() if what in told)


def _look(link: str) -> Found:
    """By HEAD, and by GET where that says no: some servers know no HEAD."""
    try:
        gone = _status("HEAD", link) in GONE and _status("GET", link) in GONE
    except outward.NoAnswer as error:
        return Found.NO_HOST if error.nowhere else Found.UNSAID
    return Found.GONE if gone else Found.ANSWERED


def _status(method: str, link: str) -> int:
    return outward.ask(method, link, headers=_HEADERS, private=settings.CARD_LINKS == "any")
