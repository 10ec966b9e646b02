"""What misuse rules look at beside the ledger: refused requests of a person, networks of a token; counted by day.

Counted in this process and put into Redis with every heartbeat, so that no request waits for it; what a killed gateway had
not yet put there is lost. An address is forgotten with its day and leaves this process only as a keyed digest of its
network, in a set that can be counted and not listed (HyperLogLog).
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Final

from inference import contract
from inference.gateway.call import Call
from inference.gateway.errors import Refusal
from inference.gateway.rights import Right
from inference.gateway.wire import Wire

_MOST: Final = 100_000
"""Addresses that are known at a time; beyond that all are met anew, which changes no count."""
_PREFIX: Final = {4: 24, 6: 48}
"""Of an address how many bits are its network: what one site is usually given."""


class Tallies:
    """The counts of this process that are not in Redis yet."""

    def __init__(self, wire: Wire, *, secret: str, proxies: int) -> None:
        self._wire, self._proxies = wire, proxies
        self._secret = hashlib.sha256(secret.encode()).digest()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._known: set[tuple[str, str]] = set()
        self._fresh: set[tuple[str, str]] = set()
        self._day = ""

    def met(self, right: Right, call: Call) -> None:
        """An admitted request: whether its token comes from an address that it did not come from today."""
        principal = right.identity.principal
        seen = (principal.token_id, self._address(call))
        if seen in self._known or principal.batch:
            return
        self._known.add(seen)
        self._fresh.add((contract.tally_name(principal, right.route.model), seen[1]))

    def refused(self, call: Call, refusal: Refusal) -> None:
        """A request of somebody who is known, for a model that is served, refused for what they did."""
        if call.principal is not None and call.asked and refusal.status < 500 and not call.principal.batch:
            self._refused[_today(), contract.tally_name(call.principal, call.asked)] += 1

    async def put(self) -> None:
        """Add them to the day's counts. Raises wire.Unreachable and keeps them."""
        self._turn()
        for (day, name), n in list(self._refused.items()):
            key = contract.refusals_key(day)
            await self._wire.call("HINCRBY", key, name, n)
            self._refused[day, name] -= n  # more may have come meanwhile
            if not self._refused[day, name]:
                del self._refused[day, name]
            await self._wire.call("PEXPIRE", key, contract.TALLY_TTL_MS)
        for name, address in list(self._fresh):
            key = contract.networks_key(self._day, name)
            await self._wire.call("PFADD", key, self._digest(address))
            self._fresh.discard((name, address))
            await self._wire.call("PEXPIRE", key, contract.TALLY_TTL_MS)

    def _turn(self) -> None:
        """With a new day, or too many, every address is a new one."""
        today = _today()
        if today != self._day or len(self._known) > _MOST:
            self._known.clear()
            self._day = today

    def _address(self, call: Call) -> str:
        """The peer's, or what the outermost of our own proxies saw."""
        if self._proxies:
            forwarded = (call.header(b"x-forwarded-for") or b"").decode("latin-1").split(",")
            if len(forwarded) >= self._proxies:
                return forwarded[-self._proxies].strip()
        client = call.scope.get("client")
        return str(client[0]) if client else ""

    def _digest(self, address: str) -> str:
        try:
            found = ip_address(address)
            network = str(ip_network((found, _PREFIX[found.version]), strict=False))
        except ValueError:
            network = ""
        return hashlib.blake2s(network.encode(), key=self._secret, digest_size=12).hexdigest()


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
