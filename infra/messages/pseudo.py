"""The pseudo-locale: English that reads, but shows what was never marked for translation and what does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import allauth
import django
import rest_framework
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo

LONGER: Final = 0.35
"""Share by which a text grows: that of German and Finnish over English."""
OPEN: Final = "⟦"
CLOSE: Final = "⟧"
ACCENTS: Final = str.maketrans(
    "ABCDEGHIJKLNOPRSTUWYZabcdeghijklnoprstuwyz", "ÅƁÇÐÉĜĤÎĴĶĻÑÖÞŔŠŢÛŴÝŽåƀçðéĝĥîĵķļñöþŕšţûŵýž"
)
KEPT: Final = re.compile(r"(%(?:\(\w+\))?[#0\- +]*\d*(?:\.\d+)?[a-zA-Z%]|\{[^{}]*\}|<[^>]+>|&#?\w+;|https?://\S+)")
"""What must come through as it is: placeholders, markup, addresses."""
FILLER: Final = ("õñé", "ţŵö", "ţĥŕéé", "ƒöûŕ", "ƒîvé", "šîx")


def pseudo(text: str) -> str:
    """Accent the letters, lengthen by a third, set in brackets; white space around the text stays outside."""
    bare = text.strip()
    if not bare:
        return text
    start = text.index(bare)
    parts = KEPT.split(bare)
    accented = "".join(part if at % 2 else part.translate(ACCENTS) for at, part in enumerate(parts))
    letters = sum(len(part) for part in parts[::2])
    return f"{text[:start]}{OPEN}{accented}{_filler(letters)}{CLOSE}{text[start + len(bare) :]}"


def _filler(letters: int) -> str:
    wanted, words, at = letters * LONGER, "", 0
    while len(words) < wanted:
        words += f" {FILLER[at % len(FILLER)]}"
        at += 1
    return words


def catalogue(ours: Catalog) -> Catalog:
    """Every message of ours and of the libraries that speak on our pages."""
    made = Catalog(locale="en")
    for source in (*_libraries(), ours):
        for message in source:
            if not message.id:
                continue
            ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
            context = message.context.decode() if isinstance(message.context, bytes) else message.context
            known = made.get(ids[0], context)
            if known is None or (message.pluralizable and not known.pluralizable):
                made.delete(ids[0], context)
                texts = tuple(pseudo(each) for each in ids)
                made.add(message.id, texts if message.pluralizable else texts[0], context=context)
    return made


def _libraries() -> Iterator[Catalog]:
    """The messages of Django, its apps, allauth and the REST framework, from a translation that they ship."""
    for package in (django, allauth, rest_framework):
        for path in sorted(Path(package.__path__[0]).rglob("locale/de/LC_MESSAGES/django.mo")):
            with path.open("rb") as file:
                yield read_mo(file)
