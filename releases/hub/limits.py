"""How often one caller may ask the Hub: fixed windows in Redis, by its clock, a bucket for each kind of door.

A caller is a person, whatever the number of their tokens, or an address where no token is shown. Buckets are apart so
that a long download never uses up what its first call needs: clients do not wait when that one is refused. Where Redis
does not answer, everything is answered, uncounted; that is logged, and Redis is asked again after a while.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, TypeVar, cast

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from portal import counters
from portal.errors import TooMany
from portal.http import page, problem_response, sender, wants_json
from portal.people.models import User

log = logging.getLogger("weighbridge.hub")
AWAY_S: Final = 5.0
"""How long Redis is left alone after it did not answer: no request waits for it in that time."""
PATIENCE_S: Final = 0.25
TAKE: Final = """
local used = redis.call('INCRBY', KEYS[1], ARGV[2])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[1])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {used, left}
"""
"""Count some: (how many in this window, milliseconds to its end). KEYS: the counter. ARGV: milliseconds of a window, how many."""
_away = {"until": 0.0}


Told = TypeVar("Told", bound=HttpResponseBase)


class Bucket(StrEnum):
    """What is counted apart. The words are the Hub's, on its wire."""

    API = "api"
    RESOLVERS = "resolvers"
    PAGES = "pages"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller has used of one bucket in a window that ends in `left_s` seconds. `limit` 0: not counted."""

    bucket: Bucket
    limit: int = 0
    used: int = 0
    left_s: int = 0

    @property
    def refusal(self) -> TooMany | None:
        """What to answer in place of the door, when the limit is passed."""
        if self.used <= self.limit:
            return None
        text = _(
            "More than %(limit)d requests in %(window)d seconds. Wait %(left)d seconds and go on; nothing is lost."
        )
        said = {"limit": self.limit, "window": settings.HUB_WINDOW_S, "left": self.left_s}
        return TooMany(text % said, retry_after_s=self.left_s, code="rate_limited")

    def tell(self, response: Told) -> Told:
        """The headers by which clients pace themselves (the IETF's draft, as the Hub's clients read it)."""
        if self.limit:
            left = max(0, self.limit - self.used)
            response["RateLimit"] = f'"{self.bucket}";r={left};t={self.left_s}'
            response["RateLimit-Policy"] = f'"fixed window";"{self.bucket}";q={self.limit};w={settings.HUB_WINDOW_S}'
        return response


def take(bucket: Bucket, request: HttpRequest, person: User | None, *, count: int = 1) -> Standing:
    """Count a request of this caller, or as many as it stands for."""
    limit = settings.HUB_LIMITS[bucket]
    if not limit or time.monotonic() < _away["until"]:
        return Standing(bucket)
    who = f"person:{person.pk}" if person else f"address:{address(request)}"
    try:
        used, left = cast(
            "list[int]",
            counters.client(PATIENCE_S).eval(TAKE, 1, f"wb:hub:{bucket}:{who}", settings.HUB_WINDOW_S * 1000, count),
        )
    except redis.RedisError as error:
        _away["until"] = time.monotonic() + AWAY_S
        log.warning("The Hub's requests are not counted: Redis does not answer (%s).", type(error).__name__)
        return Standing(bucket)
    return Standing(bucket, limit, int(used), -(-int(left) // 1000))


def address(request: HttpRequest) -> str:
    """Where a request comes from, as a keyed digest: an IPv6 network of one site counts once."""
    text = sender(request)
    try:
        found = ip_address(text)
        site = str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else text
    except ValueError:
        site = ""
    return hashlib.blake2s(site.encode(), key=settings.SECRET_KEY.encode()[:32], digest_size=12).hexdigest()


class Pages:
    """Middleware, the last: counts what browsers ask for of a model. The Hub's doors count for themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Tell the standing on whatever is answered."""
        response = self.get_response(request)
        standing = request.META.get("weighbridge.standing")
        return standing.tell(response) if isinstance(standing, Standing) else response

    def process_view(self, request: HttpRequest, view: object, *_taken: Any) -> HttpResponse | None:
        """Refuse in the shape that the caller reads."""
        match = request.resolver_match
        if match is None or match.app_name != "releases" or match.url_name in {None, "resolve"} or _is_api(request):
            return None
        bucket = Bucket.RESOLVERS if match.url_name == "download" else Bucket.PAGES
        # Without a session nobody is looked up: the look itself would have caches keep a page for each cookie.
        known = settings.SESSION_COOKIE_NAME in request.COOKIES
        person = request.user if known and isinstance(request.user, User) else None
        standing = request.META["weighbridge.standing"] = take(bucket, request, person)
        if refusal := standing.refusal:
            return problem_response(refusal) if wants_json(request) else page(request, refusal)
        return None


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
