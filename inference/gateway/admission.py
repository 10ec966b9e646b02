"""From a checked request to a reservation: which right, how many tokens at most, and is there room."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from inference.contract import Route
from inference.gateway import addressing, answers, errors, once, request
from inference.gateway.auth import Authenticator
from inference.gateway.config import Settings
from inference.gateway.errors import Refusal
from inference.gateway.limits import Admitted, Claim, Lapsed, Limiter, Refused, Taken
from inference.gateway.pool import Pool
from inference.gateway.request import Demand
from inference.gateway.rights import Identity, Right, right_for
from inference.gateway.upstream import Broken, Unanswered, Upstream

_TRIES = 4
_TOKEN_KINDS = frozenset({"tokens", "size", "day", "period"})
_PATIENCE_SECONDS = 5.0
_TOKENIZED_BYTES = 64 * 1024 * 1024


class Admission:
    """Everything between identity and reservation."""

    def __init__(
        self, settings: Settings, auth: Authenticator, limiter: Limiter, pool: Pool, upstream: Upstream
    ) -> None:
        self._settings, self._auth, self._limiter, self._pool, self._upstream = settings, auth, limiter, pool, upstream

    def right(self, identity: Identity, model: str) -> Right:
        """The right to query the model, `lab/name` or `lab/name@revision`; raises the refusal that fits (404, 403, 503)."""
        model, revision = addressing.split(model)
        route = self._pool.named(model)
        granted = model in identity.principal.models
        if route is None:
            why = identity.principal.refused.get(model)
            if why is not None:
                raise errors.not_granted(model, "", why)
            raise errors.not_served(model) if granted else errors.no_such_model(model)
        route = route.seen_by(identity.principal.project_id)
        right = right_for(identity, route, largest=self._settings.largest_request)
        if right is None:
            raise errors.not_granted(model, route.apply_url, identity.principal.refused.get(route.model))
        addressing.require(right, revision)
        return right

    async def presumed(self, identity: Identity, model: str) -> Right:
        """The same for an identity that is still to be proved: a refusal is never based on what may be outdated.

        Neither are the routes: what was published a moment ago, as an engine that has just become ready, is served.
        """
        try:
            return self.right(identity, model)
        except Refusal:
            await self._pool.learn(addressing.split(model)[0])
            return self.right(await self._auth.current(identity.digest), model)

    async def reserve(
        self, request_id: str, right: Right, demand: Demand, rank: int, claim: Claim | None = None
    ) -> tuple[Right, Admitted]:
        """Reserve the demand's upper bound, once where it claims an idempotency key; raises the refusal that fits.

        `rank`: see Limiter.admit.

        Where only the bound is too much, the prompt is counted exactly before anything is refused.
        """
        if not request.bound(demand, right.route, default_max_tokens=self._settings.default_max_tokens):
            await self.count(right.route, demand)
        for _ in range(_TRIES):
            answer = await self._limiter.admit(
                request_id,
                right,
                tokens=demand.tokens,
                endpoint=demand.endpoint,
                stream=demand.stream,
                parameters=demand.parameters,
                rank=rank,
                claim=claim,
            )
            if isinstance(answer, Admitted):
                return right, answer
            if isinstance(answer, Taken):
                raise once.taken(answer, self._settings.public_url)
            if isinstance(answer, Refused):
                if not _may_fit(answer, demand):
                    raise answers.refused(answer, demand)
                await self.count(right.route, demand)
            else:
                right = await self.renewed(right, answer)
                addressing.require(right, addressing.split(demand.model)[1])
        raise errors.unavailable("Your rights are changing at this moment. Try again.")

    async def visit(self, request_id: str, right: Right) -> Right:
        """Take a place for something that uses no tokens; raises the refusal that fits."""
        for _ in range(_TRIES):
            answer = await self._limiter.admit(request_id, right, tokens=0, requests=0)
            if isinstance(answer, Admitted):
                return right
            if isinstance(answer, Refused):
                raise answers.refused(answer, None)
            if isinstance(answer, Lapsed):
                right = await self.renewed(right, answer)
        raise errors.unavailable("Your rights are changing at this moment. Try again.")

    async def renewed(self, right: Right, lapse: Lapsed) -> Right:
        """The right as it is now; raises a refusal when it has ended."""
        digest = right.identity.digest
        if lapse.why == "changed":
            identity = await self._auth.fetch(digest)
        elif lapse.why == "stale":
            identity = await self._auth.renew(digest, afresh=True)
        elif lapse.why == "expired":
            return await self._outlived(right, lapse)
        else:
            raise answers.lapsed(lapse, right)
        return self.right(identity, right.route.model)

    async def _outlived(self, right: Right, lapse: Lapsed) -> Right:
        """Past its end: the control plane knows whether it goes on, and what stands in the way if not."""
        try:
            identity = await self._auth.renew(right.identity.digest, afresh=True)
        except Refusal as gone:
            raise answers.lapsed(lapse, right) from gone
        renewed = self.right(identity, right.route.model)
        if renewed.not_after <= right.not_after:
            raise answers.lapsed(lapse, right)
        return renewed

    async def count(self, route: Route, demand: Demand) -> None:
        """Count the prompt's tokens with the engine's own tokenizer; raises a refusal when nobody can."""
        limit = self._settings.default_max_tokens
        counts = [await self._tokens(route, body) for body in _questions(route, demand)]
        request.counted(demand, route, counts, default_max_tokens=limit)

    async def _tokens(self, route: Route, body: bytes) -> int:
        answer = await self.tokenize(route, "/tokenize", body)
        count = orjson.loads(answer).get("count")
        if not isinstance(count, int):
            raise errors.engine_failed("The engine could not count the prompt's tokens.")
        return count

    async def tokenize(self, route: Route, path: str, body: bytes) -> bytes:
        """The engine's answer to /tokenize or /detokenize; raises the refusal that fits, also where all are silent too long."""
        try:
            async with asyncio.timeout(self._settings.first_byte_seconds):
                return await self._tokenized(route, path, body)
        except TimeoutError:
            raise _nobody(route) from None

    async def _tokenized(self, route: Route, path: str, body: bytes) -> bytes:
        tried: set[str] = set()
        while backend := self._pool.choose(route, tried):
            tried.add(backend.url)
            try:
                exchange = await self._upstream.open(backend.url, path, body, "tokenize")
            except Unanswered:
                continue
            try:
                answer = await exchange.body(_TOKENIZED_BYTES)
            except Broken:
                continue
            finally:
                exchange.abort()
            if exchange.status == 200:
                return answer
            if exchange.status < 500:
                raise answers.from_engine(exchange.status, answer)
        raise _nobody(route)

    async def tokenizer_info(self, route: Route) -> dict[str, Any]:
        """The engine's answer to /tokenizer_info; raises the refusal that fits."""
        tried: set[str] = set()
        while backend := self._pool.choose(route, tried):
            tried.add(backend.url)
            page = await self._upstream.get(backend.url, "/tokenizer_info", _PATIENCE_SECONDS)
            try:
                told = orjson.loads(page or b"")
            except orjson.JSONDecodeError:
                continue
            if isinstance(told, dict):
                return told
        raise _nobody(route)


def _nobody(route: Route) -> Refusal:
    return errors.unavailable(f"No engine of {route.model} answers at present. Try again shortly.", milliseconds=5000)


def _may_fit(answer: Refused, demand: Demand) -> bool:
    return answer.kind in _TOKEN_KINDS and not demand.exact and answer.room > demand.completion_tokens


def _questions(route: Route, demand: Demand) -> list[bytes]:
    """One body for /tokenize per prompt."""
    body = demand.body
    if demand.endpoint == "chat.completions":
        names = ("messages", "tools", "add_generation_prompt", "continue_final_message", "add_special_tokens")
        return [orjson.dumps({"model": route.engine_model, **{name: body[name] for name in names if name in body}})]
    prompts = [demand.prompt] if isinstance(demand.prompt, str) else demand.prompt
    special = body.get("add_special_tokens", True)
    head = {"model": route.engine_model, "add_special_tokens": special}
    return [orjson.dumps({**head, "prompt": prompt}) for prompt in prompts]
