"""Translates what the limits and the engine say into answers in OpenAI's shape."""

from __future__ import annotations

from typing import Any, Final

import orjson

from inference.gateway import errors
from inference.gateway.asgi import Headers
from inference.gateway.errors import Refusal
from inference.gateway.limits import Lapsed, Rates, Refused
from inference.gateway.request import Demand
from inference.gateway.rights import Right
from inference.gateway.sse import DONE_EVENT

_WHOSE: Final = {
    "token": "This token",
    "user": "You",
    "project": "Your project",
    "model": "Your project, on this model,",
}
_CONTEXT: Final = "maximum context length"


def rate_headers(rates: Rates) -> Headers:
    """OpenAI's six headers; those of a quantity that nothing limits are left out."""
    headers: Headers = []
    for name, (limit, remaining, reset) in ((b"requests", rates[:3]), (b"tokens", rates[3:])):
        if limit >= 0:
            headers += (
                (b"x-ratelimit-limit-" + name, b"%d" % limit),
                (b"x-ratelimit-remaining-" + name, b"%d" % remaining),
                (b"x-ratelimit-reset-" + name, reset_text(reset)),
            )
    return headers


def reset_text(milliseconds: int) -> bytes:
    """A wait as OpenAI writes it: 120ms, 1.5s, 6m0s."""
    if milliseconds < 1000:
        return b"%dms" % milliseconds
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s".encode() if minutes else f"{seconds}s".encode()


def refused(answer: Refused, demand: Demand | None) -> Refusal:
    """429 for the caller's own limits, 503 for the pool's, 400 for what can never pass."""
    if answer.scope == "pool":
        return errors.overloaded(max(answer.wait_ms, 1000))
    whose, limits, headers = _WHOSE[answer.scope], answer.limits, rate_headers(answer.rates)
    tokens = demand.tokens if demand else 0
    if answer.kind == "size":
        text = f"{whose} may use {answer.room} tokens in one request; this one could use {tokens}. Lower max_tokens."
        return errors.too_large_for_limit(text, param="max_tokens", headers=headers)
    if answer.kind == "day":
        text = f"{whose} may use {limits.tokens_per_day} tokens a day (UTC); {answer.room} are left."
        return errors.quota_spent(text, resets_in_ms=answer.wait_ms, headers=headers)
    if answer.kind == "period":
        text = f"{whose} may use {limits.tokens_per_period} tokens in this period; {answer.room} are left."
        return errors.quota_spent(text, resets_in_ms=0, headers=headers)
    what = {
        "requests": f"make {limits.requests_per_minute} requests a minute",
        "tokens": f"use {limits.tokens_per_minute} tokens a minute; this request could use {tokens}",
        "concurrency": f"run {limits.concurrency} requests at once",
    }[answer.kind]
    text = f"{whose} may {what}. Try again in {reset_text(answer.wait_ms).decode()}."
    return errors.rate_limited(text, kind=answer.kind, milliseconds=answer.wait_ms, headers=headers)


def lapsed(answer: Lapsed, right: Right) -> Refusal:
    """401 where the token ended, 403 where the grant did, 409 for a row sent twice, 503 where rights keep changing."""
    if answer.why == "revoked":
        return errors.bad_token("This token was revoked. Create a new one.", code="token_revoked")
    if answer.why == "busy":
        text = "This row is being answered. Ask again shortly."
        return Refusal(409, "row_in_progress", text, headers=errors.retry_headers(500))
    if answer.why == "stale":
        return errors.unavailable("Your rights are changing at this moment. Try again.")
    if right.not_after == right.identity.principal.not_after:
        return errors.bad_token("This token has expired. Create a new one.", code="token_expired")
    return errors.not_granted(right.route.model, right.route.apply_url)


def from_engine(status: int, body: bytes) -> Refusal:
    """A 4xx of the engine, in our shape."""
    error = _error_of(body)
    message = str(error.get("message") or "The engine refused this request.")[:2000]
    if status not in {400, 413, 422}:
        return errors.engine_failed("The engine did not accept this gateway's request. The operator has been told.")
    param = error.get("param")
    param = param.removeprefix("body.")[:64] if isinstance(param, str) else None
    code = "context_length_exceeded" if _CONTEXT in message else "invalid_request"
    return errors.bad_request(message, param=param, code=code)


def error_events(code: str, message: str) -> bytes:
    """The end of a stream that broke: clients raise on the first event and stop at the second."""
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return b"data: " + orjson.dumps({"error": error}) + b"\n\n" + DONE_EVENT


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}
