"""Takes the parts of uploads into the local store: signed PUTs, written where they belong, in constant memory. ASGI."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from releases.permits import PartPermit, staged

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Answer = tuple[int, str, list[tuple[bytes, bytes]]]

log = logging.getLogger("weighbridge.blobs")
_PIECE: Final = 1 << 20


async def take(root: Path, permit: PartPermit, announced: str, receive: Receive) -> Answer | None:
    """Write one part; (status, text, headers) to answer with, or None when the client left.

    A part may be sent again: the last one counts. The file is there since the upload began, and gone once it ended.
    """
    if announced != str(permit.size):
        return 411, f"Send exactly {permit.size:,} bytes, with their Content-Length.", []
    try:
        handle = _open(staged(root, permit.key))
    except (FileNotFoundError, BlockingIOError):
        return 404, "This upload has ended. Upload the file again.", []
    try:
        digest = await _write(handle, permit, receive)
    except OSError:
        log.exception("A part of %d bytes could not be stored.", permit.size)
        return 507, "The store cannot take this part now. Try again later.", []
    finally:
        os.close(handle)
    return (200, "Stored.", [(b"etag", f'"{digest}"'.encode())]) if digest else None


def _open(path: Path) -> int:
    """The staged file, locked against being read back. Raises FileNotFoundError, BlockingIOError when it is over."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if path.stat().st_ino != os.fstat(handle).st_ino:
            raise FileNotFoundError(path)
    except OSError:
        os.close(handle)
        raise
    return handle


async def _write(handle: int, permit: PartPermit, receive: Receive) -> str:
    """A digest of the part as it came, or an empty string when the client left before its end.

    The cheapest there is, since it is only the part's name to the client: the whole is read back (LocalStore.finish).
    One piece is stored while the next arrives.
    """
    digest, at, end, waiting = blake3(), permit.offset, permit.offset + permit.size, bytearray()
    storing: asyncio.Future[None] | None = None
    more = True
    try:
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return ""
            more = message.get("more_body", False)
            waiting += message.get("body", b"")
            if len(waiting) >= _PIECE or not more:
                if storing:
                    await asyncio.shield(storing)
                del waiting[end - at :]
                storing = asyncio.ensure_future(asyncio.to_thread(_store, handle, waiting, at, digest))
                at, waiting = at + len(waiting), bytearray()
    finally:
        if storing:
            await asyncio.wait({storing})  # it uses the handle, which is about to be closed
    if storing:
        storing.result()
    os.posix_fadvise(handle, permit.offset, permit.size, os.POSIX_FADV_DONTNEED)  # begins to bring it to the disk
    return digest.hexdigest() if at == end else ""


def _store(handle: int, piece: bytearray, at: int, digest: blake3) -> None:
    digest.update(piece)
    view = memoryview(piece)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written
