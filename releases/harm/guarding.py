"""What keeps machines from filling the form: a field that people do not see, the time that reading takes, and counts.

Nobody else is asked, and nothing is kept of an address but a keyed digest, for an hour, in Redis.
"""

from __future__ import annotations

import re
from typing import Final, cast

import redis
from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal import counters
from portal.errors import Invalid, TooMany, Unavailable
from releases.hub.limits import TAKE, address

SOONEST_S: Final = 3
LATEST_S: Final = 24 * 3600
LINKS: Final = 5
WINDOW_S: Final = 3600
_SALT: Final = "harm.form"
_LINK: Final = re.compile(r"https?://|www\.", re.IGNORECASE)


def seal() -> str:
    """A signed moment, for a hidden field of the form: now."""
    return signing.TimestampSigner(salt=_SALT).sign("form")


def require_person(*, sealed: str, trap: str, text: str) -> None:
    """Raise Invalid for what no reader would send: the trap filled, sent at once, sent with an old or invented form."""
    signer = signing.TimestampSigner(salt=_SALT)
    try:
        signer.unsign(sealed, max_age=LATEST_S)
    except signing.BadSignature as fault:
        raise Invalid(_("This form is too old. Your words are still here: send it again.")) from fault
    if trap or _age_s(signer, sealed) < SOONEST_S:
        raise Invalid(
            _("That was too quick for a person. Your words are still here: wait a few seconds and send it again.")
        )
    if len(_LINK.findall(text)) > LINKS:
        wrong = ngettext("At most %(n)d link, please.", "At most %(n)d links, please.", LINKS) % {"n": LINKS}
        raise Invalid(wrong, fields={"text": [wrong]})


def count(request: HttpRequest) -> None:
    """Count one report of this address, and one of all. Raises TooMany past HARM_REPORTS an hour, or 20 times that of all.

    Raises Unavailable where Redis does not answer: uncounted, the form would be anybody's to fill.
    """
    most = settings.HARM_REPORTS
    for key, limit in ((f"wb:harm:{address(request)}", most), ("wb:harm:all", most * 20)):
        try:
            used, left = cast("list[int]", counters.client(1).eval(TAKE, 1, key, WINDOW_S * 1000, 1))
        except redis.RedisError as fault:
            raise Unavailable(
                _("Reports cannot be taken for a moment. Your words are still here: try again.")
            ) from fault
        if used > limit:
            minutes = max(1, round(left / 60_000))
            words = ngettext(
                "That is enough for an hour. Send this one in %(n)d minute.",
                "That is enough for an hour. Send this one in %(n)d minutes.",
                minutes,
            )
            raise TooMany(words % {"n": minutes}, retry_after_s=minutes * 60, code="rate_limited")


def _age_s(signer: signing.TimestampSigner, sealed: str) -> float:
    try:
        signer.unsign(sealed, max_age=SOONEST_S)
    except signing.SignatureExpired:
        return float(SOONEST_S)
    return 0.0
