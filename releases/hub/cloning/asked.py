"""What a git client asks for in one message, and what of a history answers it.

The protocol without state: each message says anew what is wanted, what is there, and where the client's own history begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from portal.errors import Invalid, NotFound
from releases.hub.cloning import packets
from releases.hub.cloning.history import History

CAPABILITIES: Final = "multi_ack_detailed shallow allow-tip-sha1-in-want allow-reachable-sha1-in-want symref=HEAD:refs/heads/main object-format=sha1"
_ID: Final = re.compile(r"[0-9a-f]{40}")
_WHOLE: Final = 2_147_483_647
"""The depth by which git asks for everything."""


@dataclass(slots=True)
class Asked:
    """Commit ids that are wanted, those that the client has, and those behind which it has nothing. `depth` 0: all."""

    wants: list[str] = field(default_factory=list)
    haves: list[str] = field(default_factory=list)
    shallow: set[str] = field(default_factory=set)
    depth: int = 0
    done: bool = False
    """Whether it has told all that it has: the pack is to come."""
    acknowledged: bool = False
    """Whether it wants to hear of each commit that both have; who does not is given everything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The commits to send, those that the client has of this history, and where its own is to begin from now on."""

    commits: set[str]
    common: list[str]
    shallow: list[str]
    unshallow: list[str]

    def said(self, asked: Asked) -> bytes:
        """What goes before the pack, or in its place while the client has not told all that it has."""
        lines = b""
        if asked.depth:
            told = [*(f"shallow {name}" for name in self.shallow), *(f"unshallow {name}" for name in self.unshallow)]
            lines = b"".join(map(packets.packet, told)) + packets.FLUSH
        lines += b"".join(packets.packet(f"ACK {name} common") for name in self.common)
        if asked.done:
            return lines + packets.packet(f"ACK {self.common[-1]}" if self.common else "NAK")
        if self.common:
            lines += packets.packet(f"ACK {self.common[-1]} ready")
        return lines + packets.packet("NAK") if asked.haves else lines


def parse(message: bytes) -> Asked:
    """Read one message. Raises Invalid for what is none, or asks for what is not offered."""
    asked = Asked()
    for line in packets.read(message):
        word, _, rest = line.partition(" ")
        name = rest.split(" ")[0]
        match word:
            case "want":
                asked.wants.append(_id(name))
                asked.acknowledged = asked.acknowledged or "multi_ack_detailed" in rest.split(" ")
            case "have":
                asked.haves.append(_id(name))
            case "shallow":
                asked.shallow.add(_id(name))
            case "deepen":
                asked.depth = _depth(name)
            case "done":
                asked.done = True
            case "":
                continue
            case _:
                raise Invalid(f"This hub does not know {word[:40]!r} of git's protocol. Clone with --depth, or whole.")
    return asked


def answer(asked: Asked, history: History) -> Answer:
    """What to send. Raises NotFound for a commit that is not given out."""
    for name in asked.wants:
        if name not in history.commits:
            raise NotFound(f"There is no published revision {name} here.", code="no_revision")
    common = [name for name in asked.haves if name in history.commits] if asked.acknowledged else []
    held = history.line(common, ends=asked.shallow)
    if not asked.depth:
        return Answer(set(history.line(asked.wants, ends=asked.shallow)) - set(held), common, [], [])
    wanted = history.line(asked.wants, depth=asked.depth)
    cut = {name for name, far in wanted.items() if far == asked.depth and history.commits[name].parent}
    begins = cut | (history.beginnings & set(wanted))
    return Answer(
        commits=set(wanted) - set(held),
        common=common,
        shallow=sorted(begins - asked.shallow),
        unshallow=sorted((asked.shallow & set(wanted)) - begins),
    )


def _id(name: str) -> str:
    if not _ID.fullmatch(name):
        raise Invalid("A commit is named by 40 hexadecimal digits in git's protocol.")
    return name


def _depth(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 0 < int(text) <= _WHOLE:
        raise Invalid("The depth of a clone is a number from 1.")
    return int(text)
