"""The catalogues on disk: read, brought up to date with the sources, written, compiled, and searched for faults."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from infra.messages import LANGUAGES, PSEUDO, catalogue, compiled, pseudo

PLACE: Final = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}|</?\w+|%%")
"""What a translation must hold as often as its source: placeholders and markup."""
CREATED: Final = datetime(2026, 11, 25, tzinfo=UTC)
"""Written as the date of every catalogue: a real one would change the file at each run."""
HEADER: Final = "# Update with `make messages`; how to add translations and which words to use: docs/translating.md."


def read(locale: str) -> Catalog:
    """The catalogue as it is on disk, or an empty one."""
    path = catalogue(locale)
    if not path.exists():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def write(locale: str, content: Catalog) -> None:
    """Write it in the order of the sources, without line numbers and dates, so that a change shows alone."""
    content.header_comment = HEADER
    content.project, content.version = "Weighbridge", "0.1.0"
    content.creation_date = content.revision_date = CREATED
    content.fuzzy = False
    buffer = BytesIO()
    write_po(buffer, content, width=119, ignore_obsolete=True, include_lineno=False)
    _replace(catalogue(locale), buffer.getvalue())


def updated(locale: str, source: Catalog) -> Catalog:
    """The messages of the sources, each with its translation where there is one; nothing is guessed."""
    known = read(locale)
    made = Catalog(locale=locale)
    for message in source:
        if not message.id:
            continue
        old = known.get(_key(message), message.context)
        kept = old.string if old is not None and type(old.id) is type(message.id) and old.id == message.id else None
        made.add(message.id, kept, message.locations, message.flags, message.auto_comments, context=message.context)
    return made


def compile_all() -> None:
    """Write what Django reads: each translation, and the pseudo-locale."""
    for locale in LANGUAGES:
        content = read(locale)
        _compile(locale, content)
    _compile(PSEUDO, pseudo.catalogue(content))


def _compile(locale: str, content: Catalog) -> None:
    buffer = BytesIO()
    write_mo(buffer, content)
    _replace(compiled(locale), buffer.getvalue())


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all: another process may be reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(path)


def missing(content: Catalog) -> Iterator[Message]:
    """Messages without a translation, or without one of its plural forms."""
    for message in content:
        texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if message.id and (not all(texts) or len(texts) != _forms(content, message)):
            yield message


def _forms(content: Catalog, message: Message) -> int:
    return content.num_plurals if message.pluralizable else 1


def faults(content: Catalog, source: Catalog) -> Iterator[str]:
    """Each thing wrong with a catalogue, in a line: what the sources have and it has not, and the reverse; broken texts."""
    wanted = {(_key(message), message.context) for message in source if message.id}
    here = {(_key(message), message.context) for message in content if message.id}
    yield from (f"not in the catalogue: {key!r}" for key, _ in sorted(wanted - here, key=str))
    yield from (f"no longer in the sources: {key!r}" for key, _ in sorted(here - wanted, key=str))
    yield from (f"not translated: {_key(message)!r}" for message in missing(content))
    for message in content:
        if message.id and message.fuzzy:
            yield f"fuzzy: {_key(message)!r}"
        yield from (f"{fault}: {_key(message)!r}" for fault in broken(message))


def broken(message: Message) -> Iterator[str]:
    """What a translation has lost or added: placeholders, markup, a line's end. An empty one has no such fault."""
    ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
    texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
    for at, text in enumerate(texts):
        if not message.id or not text:
            continue
        one_of_many = len(ids) > 1 and at == 0
        source = ids[min(at, len(ids) - 1)]
        lost, added = _places(source) - _places(text), _places(text) - _places("".join(ids) if one_of_many else source)
        if added or (lost and not one_of_many):
            yield f"other placeholders or markup ({', '.join(sorted(lost | added))})"
        if source.endswith("\n") != text.endswith("\n") or source.startswith("\n") != text.startswith("\n"):
            yield "begins or ends on another line"


def _places(text: str) -> set[str]:
    return set(PLACE.findall(text))


def _key(message: Message) -> str:
    return str(message.id[0] if isinstance(message.id, tuple | list) else message.id)
