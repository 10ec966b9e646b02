"""Follows a pickle without running it: which names it would import, and what it would call with what.

What pickle.load would have done up to the first fault is told, since it would have done that much too.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from releases.inspection import Refused
from releases.inspection.machine import OPCODES, Broken, Machine, Walk
from releases.sentences import Sentence

STEPS_MAX: Final = 2_000_000
FIRST: Final = frozenset(OPCODES)
"""What the first byte of a pickle can be."""
_REST: Final = 4096


def read(source: BinaryIO, size: int, _job: str = "") -> dict[str, list[str]]:
    """No remarks on a file that is no pickle. Raises Refused."""
    refuse(source, size)
    return {"notices": []}


def refuse(source: BinaryIO, size: int) -> None:
    """Raise Refused when the file is a pickle of any protocol, or would run something if it were opened as one."""
    walk = follow(source, 0, size)
    plain = walk.ended and walk.steps > 2 and _blank(source, walk.end, size)
    if walk.calls or plain or (walk.ended and walk.imports) or walk.steps >= STEPS_MAX:
        raise Refused(Sentence("is a pickle"))


def refuse_calls(source: BinaryIO, size: int) -> None:
    """Raise Refused when the file would run something if it were opened as a pickle; in weights, all else is chance."""
    if follow(source, 0, size).calls:
        raise Refused(Sentence("is a pickle as well"))


def follow(source: BinaryIO, start: int, size: int) -> Walk:
    """Walk the pickle that begins at `start` of a source of `size` bytes."""
    source.seek(start)
    machine = Machine(source, size)
    try:
        while not machine.walk.ended and machine.walk.steps < STEPS_MAX:
            machine.step()
    except Broken:
        pass
    machine.walk.end = source.tell()
    return machine.walk


def _blank(source: BinaryIO, start: int, size: int) -> bool:
    """Whether nothing follows, or only white space, or (it begins so) another pickle."""
    source.seek(start)
    rest = source.read(min(size - start, _REST))
    return not rest.strip() or rest[:1] == b"\x80"
