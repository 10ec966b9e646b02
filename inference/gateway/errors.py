"""Everything the gateway refuses, in OpenAI's error shape.

The openai client maps 400, 401, 403, 404, 429 and 5xx to its own classes. It retries 408, 409, 429 and 5xx unless
`x-should-retry: false`, and waits as `retry-after-ms` or `retry-after` says.
"""

from __future__ import annotations

from typing import Any, Final

from inference.contract import Reason
from inference.gateway.asgi import Headers

SWITCHED_OFF: Final = "switched_off"
"""The control plane's reason while the operator's switch has queries closed for everybody."""
_NO_RETRY: Final = (b"x-should-retry", b"false")


class Refusal(Exception):
    """An answer that is not 2xx: status, and the members of OpenAI's `error` object."""

    def __init__(
        self, status: int, code: str, message: str, *, kind: str = "invalid_request_error", **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.param: str | None = more.pop("param", None)
        self.headers: Headers = list(more.pop("headers", ()))
        self.more = more

    def body(self) -> dict[str, Any]:
        """The JSON body; `more` adds our own members, such as apply_url."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": {**error, **self.more}}


def retry_headers(milliseconds: int) -> Headers:
    """Both spellings of the wait; whole seconds are rounded up."""
    seconds = -(-milliseconds // 1000)
    return [(b"retry-after-ms", b"%d" % milliseconds), (b"retry-after", b"%d" % seconds)]


def bad_request(message: str, *, param: str | None = None, code: str = "invalid_request") -> Refusal:
    """400 that names the field."""
    return Refusal(400, code, message, param=param)


def bad_token(message: str, *, code: str = "invalid_token") -> Refusal:
    """401 as RFC 6750 wants it."""
    challenge = (b"www-authenticate", b'Bearer error="invalid_token"')
    return Refusal(401, code, message, kind="authentication_error", headers=[challenge])


def not_granted(model: str, apply_url: str, why: Reason | None = None) -> Refusal:
    """403: the model is served here, and this token may not query it; `why` is what the control plane says of it.

    503 where nobody may for a time: the right is there, and batches wait for what opens again.
    """
    if why is not None and why.code == SWITCHED_OFF:
        return Refusal(503, "paused", why.message, kind="server_error", param="model", headers=retry_headers(30_000))
    if why is not None:
        more = {"reason": why.code, "url": why.url, "apply_url": apply_url}
        return Refusal(403, "model_not_granted", why.message, kind="permission_error", param="model", **more)
    way = f"Apply at {apply_url}." if apply_url else "Ask the lab, or use a token of a project that may."
    text = f"This token's project has no right to query {model}. {way}"
    return Refusal(403, "model_not_granted", text, kind="permission_error", param="model", apply_url=apply_url)


def no_such_model(model: str) -> Refusal:
    """404: neither served here nor known to this token."""
    text = f"The model {model!r} does not exist or is not served here. GET /v1/models lists what you may query."
    return Refusal(404, "model_not_found", text, kind="not_found_error", param="model")


def not_served(model: str) -> Refusal:
    """503: the right is there, the pool is not."""
    text = f"No engine serves {model} at present. Try again in a minute."
    return Refusal(503, "model_not_loaded", text, kind="server_error", param="model", headers=retry_headers(30_000))


def unavailable(message: str, *, milliseconds: int = 1000) -> Refusal:
    """503: a part of ours does not answer. Nothing was used."""
    return Refusal(503, "unavailable", message, kind="server_error", headers=retry_headers(milliseconds))


def overloaded(milliseconds: int, **more: Any) -> Refusal:
    """503: the caller is within their limits, the pool is full. `more`: how they stood in the queue."""
    text = "All engines of this model are busy. You are within your own limits; try again shortly."
    return Refusal(503, "overloaded", text, kind="server_error", headers=retry_headers(milliseconds), **more)


def engine_failed(message: str) -> Refusal:
    """502: the engine broke before its first byte."""
    return Refusal(502, "upstream_error", message, kind="server_error", headers=retry_headers(1000))


def rate_limited(message: str, *, kind: str, milliseconds: int, headers: Headers) -> Refusal:
    """429 for a limit that opens again by waiting; `kind` is requests, tokens or concurrency."""
    return Refusal(
        429, "rate_limit_exceeded", message, kind=kind, headers=[*retry_headers(max(milliseconds, 1)), *headers]
    )


def quota_spent(message: str, *, resets_in_ms: int, headers: Headers) -> Refusal:
    """429 for an allowance that is spent: a client must not keep trying."""
    wait = resets_in_ms if resets_in_ms > 0 else None
    return Refusal(
        429,
        "insufficient_quota",
        message,
        kind="insufficient_quota",
        resets_in_ms=wait,
        headers=[_NO_RETRY, *headers],
    )


def too_large_for_limit(message: str, *, param: str, headers: Headers) -> Refusal:
    """400: this request can never pass, however long one waits."""
    return Refusal(400, "request_too_large_for_limit", message, param=param, headers=[_NO_RETRY, *headers])


def body_too_large(limit: int) -> Refusal:
    """413 with the bound in the message."""
    return Refusal(413, "body_too_large", f"The request body may have at most {limit} bytes.", headers=[_NO_RETRY])
