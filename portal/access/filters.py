"""How a list of the lab's is looked at, kept in its address: a link to it and a saved filter are the same words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final
from urllib.parse import urlencode

LENGTH: Final = 120
"""No filter is longer than this."""


def words(text: str) -> str:
    """What was typed, as far as it can be looked for."""
    return text[:LENGTH].replace("\x00", "").strip()


@dataclass(frozen=True, slots=True)
class Filters:
    """One way to look at a list; every field is a parameter of the address, empty when it does not filter."""

    show: str = ""
    """Which states; it narrows nothing, for every list shows some."""

    @classmethod
    def told(cls, query: Mapping[str, str]) -> dict[str, str]:
        """What an address says of each field, unchecked."""
        return {each.name: words(str(query.get(each.name, ""))) for each in fields(cls)}

    @property
    def narrows(self) -> bool:
        """Whether anything but the state is filtered."""
        return any(value for name, value in asdict(self).items() if name != "show")

    def query(self) -> str:
        """As the query string of an address."""
        return urlencode({name: value for name, value in asdict(self).items() if value})
