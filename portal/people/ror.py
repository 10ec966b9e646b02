"""The Research Organization Registry's data dump: reads it record by record, in the shape of schema 2.

The dump is one JSON list of more than 100,000 records, alone or in a zip; it is never held in memory as a whole.
Facts: https://ror.readme.io/docs/ror-data-structure. No Django.
"""

from __future__ import annotations

import json
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

from portal.errors import Invalid

ID: Final = re.compile(r"https://ror\.org/0[a-z0-9]{6}[0-9]{2}")
"""The shape of an id. ROR's own alphabet leaves out i, l, o and u, so an id with a `u` can never be a real one."""
STATUSES: Final = frozenset({"active", "inactive", "withdrawn"})

CLASS_OF: Final = (
    ("education", "academia"),
    ("company", "industry_research"),
    ("government", "government"),
    ("facility", "academia"),
    ("nonprofit", "civil_society"),
    ("archive", "civil_society"),
    ("healthcare", "civil_society"),
)
"""(type of ROR, our class of affiliation); the first type that an institution has decides."""

SAMPLE: Final = Path(__file__).parent / "seed" / "institutions.json"
"""Invented institutions in the register's shape, for the demo and the tests."""
CHUNK: Final = 1 << 20
LONGEST: Final = 8 << 20
"""No record is longer than this many characters; the largest real one has about 200,000."""


@dataclass(frozen=True, slots=True)
class Record:
    """What we keep of one institution."""

    ror: str
    name: str
    status: str
    types: tuple[str, ...]
    country: str
    city: str
    website: str
    domains: tuple[str, ...]
    aliases: tuple[str, ...]
    successor: str
    """ROR id of the institution that took its place, or empty."""


def class_of(types: list[str] | tuple[str, ...]) -> str:
    """The class of affiliation that the register's types stand for; `other` when none is known."""
    return next((klass for kind, klass in CLASS_OF if kind in types), "other")


def folded(text: str) -> str:
    """Words of a text in lower case, without accents and punctuation, with one blank between them."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", letters))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Every record of a dump, as JSON. Raises Invalid, in words, for a file that is no dump, or only the half of one."""
    try:
        with _opened(path) as text:
            yield from _objects(text, path.name)
    except (UnicodeDecodeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Invalid(f"{path.name} is neither JSON nor a whole zip. Fetch it again.") from error


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if not path.is_file():
        raise Invalid(f"There is no file {path}.")
    if not zipfile.is_zipfile(path):
        with path.open(encoding="utf-8") as text:
            yield text
        return
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".json"))
        chosen = next((name for name in names if "schema_v2" in name), names[0] if len(names) == 1 else "")
        if not chosen:
            raise Invalid(
                f"{path.name} holds {len(names)} JSON files and none is called schema_v2. Unpack the right one."
            )
        with archive.open(chosen) as raw:
            yield TextIOWrapper(raw, encoding="utf-8")


def _objects(text: TextIO, name: str) -> Iterator[dict[str, Any]]:
    """The objects of one JSON list, reading a piece at a time."""
    decoder, rest, ended = json.JSONDecoder(), text.read(CHUNK).lstrip(), False
    if not rest.startswith("["):
        raise Invalid(f"{name} is no ROR dump: it must be one JSON list.")
    rest = rest[1:]
    while True:
        rest = rest.lstrip(" \t\r\n,")
        if rest.startswith("]"):
            return
        try:
            found, end = decoder.raw_decode(rest)
        except json.JSONDecodeError as error:
            more = "" if ended or len(rest) > LONGEST else text.read(CHUNK)
            if not more:
                what = f"breaks off or is not JSON after {rest[:60]!r}" if rest else "breaks off before its list ends"
                raise Invalid(f"{name} {what}.") from error
            rest += more
            continue
        rest = rest[end:]
        if isinstance(found, dict):
            yield found


def record(raw: Mapping[str, Any]) -> Record:
    """One record, checked. Raises Invalid with what is wrong with it."""
    ror = raw.get("id")
    if not isinstance(ror, str) or not ID.fullmatch(ror):
        raise Invalid(f"{ror!r} is no ROR id.")
    if not isinstance(raw.get("names"), list):
        raise Invalid(f"{ror} has no list of names: is this a dump of schema 1? Use schema 2.")
    try:
        return _checked(ror, raw)
    except (AttributeError, KeyError, TypeError) as error:
        raise Invalid(f"{ror} is not in the shape of schema 2 ({error}).") from error


def _checked(ror: str, raw: Mapping[str, Any]) -> Record:
    names = [(str(each["value"]).replace("\x00", "").strip()[:254], set(each["types"])) for each in raw["names"]]
    name = next((value for value, types in names if "ror_display" in types), "")
    if not name:
        raise Invalid(f"{ror} has no name to show.")
    if raw.get("status") not in STATUSES:
        raise Invalid(f"{ror} has the unknown status {raw.get('status')!r}.")
    place = (raw.get("locations") or [{}])[0].get("geonames_details") or {}
    links = (each["value"] for each in raw.get("links", ()) if each["type"] == "website")
    follows = (each["id"] for each in raw.get("relationships", ()) if each["type"].lower() == "successor")
    return Record(
        ror=ror,
        name=name,
        status=raw["status"],
        types=tuple(sorted(str(kind).lower()[:40] for kind in raw.get("types", ()))),
        country=str(place.get("country_code") or "")[:2].upper(),
        city=str(place.get("name") or "")[:120],
        website=str(next(links, ""))[:500],
        domains=tuple(sorted({str(domain).lower().strip(".")[:253] for domain in raw.get("domains") or ()})),
        aliases=tuple(dict.fromkeys(value for value, _types in names if value and value != name)),
        successor=str(next(follows, "")),
    )
