"""A row of a batch: sent under one request id however often, answered and billed once.

Only a stand-in (a principal of a batch) may name a row, and only of its own batch; what anybody else says in that
header is not read. Three things make it once. A row whose lease stands is refused (409), so it never runs twice at a
time. One that ends without a whole answer, for whatever reason, is refunded and leaves no entry, so it can be sent
again. And a whole answer is kept in the step that bills it, so a worker that was killed before it had it gets it by
asking again, and what is kept has been paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from inference import contract
from inference.gateway import errors

if TYPE_CHECKING:
    from inference.gateway.call import Call
    from inference.gateway.plane import Plane
    from inference.gateway.rights import Identity

_HEADER: Final = contract.ROW_HEADER.encode()


async def answered(plane: Plane, call: Call, identity: Identity) -> bool:
    """Give the call its row's request id, and answer it where the answer was kept. Raises a refusal (400, 401)."""
    line = call.header(_HEADER) or b""
    if not line.isdigit() or len(line) > 6:
        raise errors.bad_request("Name the row: its line, from 1.", param=contract.ROW_HEADER, code="row_not_named")
    await plane.auth.fetch(identity.digest)
    call.rename(contract.row_id(identity.principal.batch, int(line)))
    kept = await plane.limiter.kept(call.request_id)
    if kept is None:
        return False
    await call.pass_on(kept)
    return True
