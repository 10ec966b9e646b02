"""What clients ask of a model's tokenizer. It needs the right to query the model, takes a place, and uses no tokens.

lm-evaluation-harness names no model at any of the three addresses: the one that its token may query is meant.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import parse_qs

import orjson

from inference.gateway import abilities, request
from inference.gateway.call import Call
from inference.gateway.errors import bad_request
from inference.gateway.limits import Outcome
from inference.gateway.plane import Plane
from inference.gateway.rights import Identity, Right

_PLACES: Final = frozenset({"name_or_path", "vocab_file", "merges_file", "tokenizer_file", "special_tokens_map_file"})
"""Members that tell of the engine's disk."""


async def tokenize(plane: Plane, call: Call, endpoint: str) -> None:
    """POST /tokenize and /detokenize."""
    settings = plane.settings
    identity = await plane.auth.presume(call.authorization)
    raw = await call.body(settings.token_body_bytes, settings.body_seconds)
    model, body = request.parse_tokenize(endpoint, request.decode(raw))
    model = model or _only(plane, await plane.auth.identify(call.authorization), "in the field model: ")
    right = await plane.admission.visit(call.request_id, await plane.admission.presumed(identity, model))
    _found(plane, call, right)
    try:
        question = orjson.dumps({**body, "model": right.route.engine_model})
        answer = await plane.admission.tokenize(right.route, f"/{endpoint}", question)
    finally:
        await _leave(plane, call)
    await call.pass_on(answer)


async def info(plane: Plane, call: Call) -> None:
    """GET /tokenizer_info, with ?model= where the token may query several models that have it."""
    identity = await plane.auth.identify(call.authorization)
    right = plane.admission.right(identity, _asked(call) or _only(plane, identity, "as in /tokenizer_info?model="))
    right = await plane.admission.visit(call.request_id, right)
    _found(plane, call, right)
    try:
        abilities.require_tokenizer_info(right.route)
        told = await plane.admission.tokenizer_info(right.route)
    finally:
        await _leave(plane, call)
    await call.answer({name: value for name, value in told.items() if name not in _PLACES})


def _found(plane: Plane, call: Call, right: Right) -> None:
    call.headers += right.headers + plane.pool.last_known(right.route)


async def _leave(plane: Plane, call: Call) -> None:
    await asyncio.shield(plane.limiter.settle(call.request_id, Outcome("refused")))


def _asked(call: Call) -> str:
    text: str = call.scope.get("query_string", b"").decode("utf-8", "replace")
    return parse_qs(text).get("model", [""])[0][:256]


def _only(plane: Plane, identity: Identity, how: str) -> str:
    """The one model that can be meant: of those that tell about their tokenizers, if any do. Raises a 400 refusal."""
    routes = plane.pool.routes
    able = [name for name in identity.principal.models if name in routes]
    able = [name for name in able if routes[name].tokenizer_info] or able
    if len(able) == 1:
        return able[0]
    text = f"Your token may query {len(able) or 'no'} models here. Name one, {how}{min(able, default='lab/name')}."
    raise bad_request(text, param="model", code="missing_model")
