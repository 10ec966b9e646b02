"""Every message of the sources: Python through Babel's reader, templates through Django's own rewriting into Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from django.utils.translation.template import templatize

from infra.messages import ROOT
from portal.access import form_spec, triage

PYTHON: Final = ("portal", "releases", "inference")
TEMPLATES: Final = ("templates",)
ENDINGS: Final = {".html", ".txt"}
KEYWORDS: Final = {
    "Sentence": None,
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


def found() -> Catalog:
    """A catalogue without translations, in the order of the files; each message with the files that hold it.

    The default form of a gate and the first rules of a lab are data: their texts are taken from them.
    """
    catalogue = Catalog()
    for path in _files():
        name = str(path.relative_to(ROOT))
        for line, message, comments, context in extract("python", BytesIO(_code(path)), KEYWORDS, ["Translators:"]):
            catalogue.add(message, None, [(name, line)], auto_comments=comments, context=context)
    for text in filter(None, form_spec.texts(form_spec.research())):
        catalogue.add(text, None, [("portal/access/form_spec.py", 1)])
    for rule in triage.read(triage.FIRST)[0]:
        catalogue.add(rule.found, None, [("portal/access/triage.py", 1)])
    return catalogue


def _files() -> Iterator[Path]:
    for folder in PYTHON:
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts)
    for folder in TEMPLATES:
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in ENDINGS)


def _code(path: Path) -> bytes:
    """Python that calls gettext for every message. Indentation means nothing in a template, and would stop the reader."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in ENDINGS:
        text = re.sub(r"^[ \t]+", "", templatize(text, origin=str(path)), flags=re.MULTILINE)
    return text.encode()
