"""The gateway on one screen: served by `server`, or mounted by the portal's dispatcher.

token → identity (auth) → demand (request) → reservation (admission, limits) → engine (proxy, pool) → settlement.
"""

from __future__ import annotations

import asyncio
import logging

from inference.gateway import abilities, answers, content, errors, lines, once, request, rows, tokenizers
from inference.gateway.asgi import Receive, Scope, Send
from inference.gateway.call import Call, ClientGone
from inference.gateway.config import Misconfigured, Settings
from inference.gateway.errors import Refusal
from inference.gateway.flights import Flight
from inference.gateway.plane import Plane
from inference.gateway.rights import Identity, Right
from inference.gateway.wire import Answered, Unreachable

log = logging.getLogger("weighbridge.gateway")

_QUERIES = {
    "/v1/completions": "completions",
    "/v1/chat/completions": "chat.completions",
    "/v1/embeddings": "embeddings",
}
_TOKENIZERS = {
    "/tokenize": "tokenize",
    "/v1/tokenize": "tokenize",
    "/detokenize": "detokenize",
    "/v1/detokenize": "detokenize",
}
_TOKENIZER_INFO = ("/tokenizer_info", "/v1/tokenizer_info")
_MODELS = "/v1/models"
_QUEUE = "/v1/queue"


class Gateway:
    """The ASGI application. It starts with the first request where nobody sends lifespan events."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._plane: Plane | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(Call(scope, receive, send))

    async def _serve(self, call: Call) -> None:
        plane = self._plane or await self._start()
        try:
            await self._route(plane, call)
        except Refusal as refusal:
            plane.metrics.count("refusals", refusal.code)
            plane.tallies.refused(call, refusal)
            if call.route is not None:
                call.headers += plane.pool.last_known(call.route)
            await call.refuse(refusal)
        except (Unreachable, Answered) as error:
            log.warning("%s: %s", call.request_id, error)
            plane.metrics.count("refusals", "unavailable")
            await call.refuse(errors.unavailable("The limits store does not answer. Nothing was used; try again."))
        except ClientGone:
            pass
        except Exception:
            log.exception("%s failed", call.request_id)
            plane.metrics.count("failures")
            text = f"Something broke here. Give the operator this id: {call.request_id}."
            await call.refuse(Refusal(500, "internal_error", text, kind="server_error"))

    async def _route(self, plane: Plane, call: Call) -> None:
        path = call.path
        if path in _QUERIES:
            _demand_method(call, "POST")
            await _query(plane, call, _QUERIES[path])
        elif path in _TOKENIZERS:
            _demand_method(call, "POST")
            await tokenizers.tokenize(plane, call, _TOKENIZERS[path])
        elif path in _TOKENIZER_INFO:
            _demand_method(call, "GET")
            await tokenizers.info(plane, call)
        elif path == _MODELS or path.startswith(_MODELS + "/"):
            _demand_method(call, "GET")
            await _models(plane, call, path.removeprefix(_MODELS).removeprefix("/"))
        elif path == _QUEUE:
            _demand_method(call, "GET")
            await lines.show(plane, call, await _live(plane, await plane.auth.identify(call.authorization)))
        elif path == "/health":
            await call.answer({"status": "ok"})
        else:
            known = ", ".join([*_QUERIES, _MODELS, "/tokenize"])
            text = f"There is nothing at {path[:200]}. Endpoints: {known}; of the portal: /v1/files, /v1/batches."
            raise Refusal(404, "unknown_endpoint", text, kind="not_found_error")

    async def _start(self) -> Plane:
        async with self._starting:
            if self._plane is None:
                plane = Plane(self._settings or Settings.from_environment())
                await plane.start()
                self._plane = plane
            return self._plane

    async def _begun(self) -> dict[str, str]:
        """The answer to the start. Of one that only raises servers think that it knows no lifespan, and go on without."""
        try:
            await self._start()
        except Misconfigured as error:
            return {"type": "lifespan.startup.failed", "message": str(error)}
        except OSError as error:
            return {"type": "lifespan.startup.failed", "message": f"The gateway cannot start: {error}"}
        return {"type": "lifespan.startup.complete"}

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send(await self._begun())
            else:
                if self._plane:
                    await self._plane.stop()
                    self._plane = None
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _query(plane: Plane, call: Call, endpoint: str) -> None:
    """POST /v1/completions, /v1/chat/completions and /v1/embeddings."""
    settings = plane.settings
    identity = await plane.auth.presume(call.authorization)
    raw = await call.body(settings.token_body_bytes, settings.body_seconds)
    if identity.principal.batch and await rows.answered(plane, call, identity):
        return
    data = request.decode(raw)
    model = request.model_of(data)
    asked = plane.pool.named(model)
    call.principal, call.asked = identity.principal, asked.model if asked else ""
    right = await plane.admission.presumed(identity, model)
    call.route = right.route
    call.headers += right.headers
    abilities.require(right.route, endpoint)
    demand = request.parse(endpoint, data, len(raw), body_limit=settings.body_bytes)
    abilities.require_tools(right.route, demand.body)
    rank = lines.rank_of(call, identity.principal)
    key = call.header(once.HEADER)
    claim = None if key is None else once.claim(key, right.identity.principal.project_id, call.path, raw)
    right, admitted = await plane.admission.reserve(call.request_id, right, demand, rank, claim)
    call.headers += answers.rate_headers(admitted.rates)
    now = asyncio.get_running_loop().time()
    flight = Flight(call.request_id, right, demand, admitted.now, now, now + settings.first_byte_seconds)
    flight.waits = admitted.waits
    plane.tallies.met(right, call)
    if not right.content_key:
        await plane.proxy.fly(flight, call)
        return
    call.headers.append(content.LOGGED)
    copy = content.Copy(call, raw)
    try:
        await plane.proxy.fly(flight, call)
    finally:
        plane.keeper.keep(copy.sealed(call.request_id, right, right.content_key))


async def _models(plane: Plane, call: Call, name: str) -> None:
    """GET /v1/models: what this token may query and an engine serves; GET /v1/models/{name}."""
    identity = await _live(plane, await plane.auth.identify(call.authorization))
    if name:
        right = plane.admission.right(identity, name)
        call.headers += right.headers + plane.pool.last_known(right.route)
        await call.answer(_card(plane, right))
        return
    served = sorted(identity.principal.models.keys() & plane.pool.routes.keys())
    cards = [_card(plane, plane.admission.right(identity, model)) for model in served]
    await call.answer({"object": "list", "data": cards})


async def _live(plane: Plane, identity: Identity) -> Identity:
    """The identity with rights as of now."""
    principal = identity.principal
    for model in principal.models:
        if model in plane.pool.routes:
            right = plane.admission.right(identity, model)
            lapse = await plane.limiter.alive(right.guards, right.generations, principal.not_after)
            if lapse and lapse.why == "revoked":
                raise answers.lapsed(lapse, right)
            if lapse:  # of this model; what the others are now, the control plane knows
                return await plane.auth.renew(identity.digest, afresh=True)
    return identity


def _card(plane: Plane, right: Right) -> dict[str, object]:
    route, known = right.route, plane.pool.last_known(right.route)
    return {
        "id": route.model,
        "object": "model",
        "created": route.created,
        "owned_by": route.owner,
        "max_model_len": route.context,
        "revision": route.revision,
        "engine": route.engine,
        "fingerprint": known[0][1].decode() if known else None,
        "capabilities": abilities.of(route),
        "content_logging": bool(right.content_key),
    }


def _demand_method(call: Call, method: str) -> None:
    if call.method != method:
        text = f"Use {method} here."
        raise Refusal(405, "method_not_allowed", text, headers=[(b"allow", method.encode())])


app = Gateway()
