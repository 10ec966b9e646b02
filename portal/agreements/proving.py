"""Other receipts that the public page proves: the apps above register how theirs are found by digest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from portal import signing


@dataclass(frozen=True, slots=True)
class Proved:
    """One kept receipt, and what the page shows of it: pairs of a label and a value."""

    title: str
    facts: Sequence[tuple[str, str]]
    document: dict[str, Any]
    sha256: str
    key_id: str
    seal: str

    @property
    def intact(self) -> bool:
        """Whether the document is the one that was sealed; without a seal, whether it has its digest."""
        whole = signing.digest(self.document) == self.sha256
        return whole and (not self.seal or signing.sealed(self.document, key_id=self.key_id, signature=self.seal))

    @property
    def ours(self) -> bool:
        """Whether the seal is that of a key of the portal, the present one or a former one."""
        return signing.ours(self.key_id)


Finder = Callable[[str], Proved | None]
_finders: list[Finder] = []


def finder(find: Finder) -> Finder:
    """Register a way to find receipts by the SHA-256 of their document, from AppConfig.ready."""
    _finders.append(find)
    return find


def proved(sha256: str) -> Proved | None:
    """The receipt whose document has this digest, if any app keeps one."""
    return next((found for find in _finders if (found := find(sha256))), None)
