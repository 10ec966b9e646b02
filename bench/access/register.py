"""An invented register of institutions, as large as the real one, in its shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

SIZE = 110_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BEGIN = (
    "al",
    "bren",
    "cor",
    "dun",
    "el",
    "far",
    "glen",
    "har",
    "in",
    "kes",
    "lor",
    "mon",
    "north",
    "ost",
    "pel",
    "ri",
)
_MIDDLE = ("a", "be", "chi", "do", "er", "fi", "go", "hu", "im", "ka", "le", "mo", "ni", "or", "pa", "ru")
_END = ("berg", "field", "ford", "ham", "mouth", "stad", "ton", "ville")
_KIND = (
    ("University of {}", "education"), ("{} Institute of Technology", "education"), ("{} Hospital", "healthcare"),
    ("Institute for {} Studies", "facility"), ("{} National Archive", "archive"), ("{} Research", "company"),
    ("Ministry of Science of {}", "government"), ("{} Foundation", "nonprofit"),
)  # fmt: skip


def write(path: Path, size: int = SIZE) -> None:
    """A dump that `manage.py import_ror` takes."""
    path.write_text(json.dumps(list(_records(size))))


def _records(size: int) -> Iterator[dict[str, object]]:
    rng = Random(1)
    for n in range(size):
        town = (rng.choice(_BEGIN) + rng.choice(_MIDDLE) + rng.choice(_MIDDLE) + rng.choice(_END)).title()
        kind, of = rng.choice(_KIND)
        name = kind.format(town)
        yield {
            "id": f"https://ror.org/0{_digits(n)}{n % 97:02d}",
            "status": "active",
            "types": [of],
            "names": [
                {"value": name, "types": ["ror_display", "label"]},
                {"value": f"{name[:1]}{town[:3].upper()}", "types": ["acronym"]},
            ],
            "locations": [{"geonames_details": {"country_code": rng.choice(("DE", "FR", "IN", "US")), "name": town}}],
            "links": [{"type": "website", "value": f"https://www.{town.lower()}{n}.example"}],
            "domains": [f"{town.lower()}{n}.example"],
            "relationships": [],
        }


def _digits(n: int) -> str:
    """Six digits of ROR's alphabet."""
    return "".join(_ALPHABET[n >> (5 * place) & 31] for place in range(5, -1, -1))
