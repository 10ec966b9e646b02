"""Which key a release must be signed by: the one in a file, else the one that this portal had when it was first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from weighbridge_client import home, signature
from weighbridge_client.errors import Unproven, Usage


@dataclass(frozen=True)
class Trusted:
    """Keys, the newest first, whose they are said to be, and whether they were taken on trust just now."""

    keys: list[signature.Key]
    whose: str
    new: bool = False


@dataclass
class Learnt:
    """What a run learnt of a portal's keys. It is kept at once, so no later run says it, however this one ends."""

    of: str = ""
    new: bool = False
    """The portal's own key was taken on trust."""
    vouched: list[signature.Key] = field(default_factory=list)
    """Keys that the ones known here vouched for: the portal exchanged its key."""

    def __bool__(self) -> bool:
        return self.new or bool(self.vouched)

    def sentences(self) -> list[str]:
        """For people; none where nothing was learnt."""
        new = [f"The key of {self.of} was new here, and is kept."] if self.new else []
        told = f"{self.of} has exchanged its key: the one known here vouches for this one, which is kept beside it."
        return [*new, *([told] if self.vouched else [])]

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {"new_key": self.new, "vouched": [key.fingerprint for key in self.vouched]}


def trusted(address: str, given: Optional[Path], ask: Optional[Callable[[], Optional[str]]] = None) -> Trusted:
    """The keys to verify with. `ask` gets the portal's own, to be pinned where none is yet; without it, nothing is asked.

    Raises Usage for a file without a key, Unproven where there is none to be had.
    """
    if given is not None:
        return Trusted(signature.keys(_text(given), str(given)), str(given))
    pin = home.key_file(address)
    if pin.exists():
        return Trusted(signature.keys(_text(pin), str(pin)), address)
    text = ask() if ask else None
    if not text:
        raise Unproven(
            f"No key of {address or 'its portal'} is known here, so a signature proves nothing. Give the key with --key FILE."
        )
    key = signature.key(text, address)
    home.write(pin, key.pem.encode(), mode=0o644)
    return Trusted([key], address, new=True)


def keep(address: str, keys: list[signature.Key]) -> None:
    """Trust these of the portal from now on: those that were pinned, and what they vouch for."""
    home.write(home.key_file(address), "".join(each.pem for each in keys).encode(), mode=0o644)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise Usage(f"The key {path} cannot be read: {fault}.") from fault
