"""The model card and the data card: Markdown with YAML front matter, rendered so that it cannot harm its reader."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import Any, Final

import nh3
import yaml
from django.utils.html import escape
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

from portal.storable import mended
from releases.inspection import texts
from releases.models import BlobState, Revision
from releases.storage import store

CARD: Final = "README.md"
DATA_CARD: Final = "DATACARD.md"
"""What the model was trained on, with the front matter of a Hugging Face dataset card."""
CARD_MAX: Final = 1 << 20
"""Bytes; a longer card is shown as a file only."""
_LARGE: Final = 2**63
NODES_MAX: Final = 5_000
"""Values in a card's metadata, aliases counted each time they are used."""
_TAGS: Final = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "figcaption",
    "figure", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "section", "small",
    "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
"""No image: a remote one would tell its server who reads, a local one is served as a download."""
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "th": {"align", "scope", "colspan", "rowspan"},
    "td": {"align", "colspan", "rowspan"},
    "ol": {"start"},
}
_OPEN: Final = re.compile(r"\s*---[ \t]*\r?\n")
_CLOSE: Final = re.compile(r"^---[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_TABLE: Final = re.compile(r"<table\b[^>]*>")
_ROW: Final = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
_CELL: Final = re.compile(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", re.DOTALL)
_MARKUP: Final = re.compile(r"<[^>]*>")
_HEAD_MAX: Final = 2_000
"""Characters after the beginning of a table in which its first row is looked for, which names it."""
_markdown: Final = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True, slots=True)
class Card:
    """A card's metadata (the YAML) and its text as safe HTML with headings from h2 down."""

    metadata: dict[str, Any]
    html: str


def card(revision: Revision, path: str = CARD) -> Card | None:
    """The card of a revision; None when it has none, one too long to show, or one that was refused."""
    digest = _held(revision, path)
    return _card(digest, get_language()) if digest else None


def source(revision: Revision, path: str = CARD) -> str:
    """The same as it was written; empty where there is nothing to show."""
    digest = _held(revision, path)
    return _source(digest) if digest else ""


def _held(revision: Revision, path: str) -> str | None:
    held = revision.files.filter(path=path, size__lte=CARD_MAX).exclude(blob__state=BlobState.QUARANTINED)
    digest: str | None = held.values_list("blob_id", flat=True).first()
    return digest


def metadata(revision: Revision) -> dict[str, Any]:
    """The card's YAML as a table; empty when there is none, or it is not one."""
    found = card(revision)
    return found.metadata if found else {}


def licence(revision: Revision) -> str:
    """The licence that the card names, by its own name where it has one; empty when it names none."""
    said = metadata(revision)
    named = said.get("license_name") or said.get("license")
    return named[:80] if isinstance(named, str) else ""


def faults(text: str) -> list[str]:
    """What is wrong with a card's front matter, one sentence each; a card may have none."""
    front, _body = _front(text)
    if front is None:
        return [_("The front matter has no end. Close it with a line of three hyphens.")]
    try:
        data = _plain(texts.read_yaml(front, NODES_MAX), [NODES_MAX])
    except yaml.YAMLError as fault:
        return [_("The front matter is not YAML: %(fault)s.") % {"fault": _where(fault)}]
    except (RecursionError, ValueError):
        return [_("The front matter holds too many values.")]
    if not isinstance(data, dict):
        return [] if data is None else [_("The front matter must name values, as in license: mit.")]
    return [] if isinstance(data.get("model-index", []), list) else [_("model-index must be a list of models.")]


def gaps(text: str) -> list[str]:
    """What readers will miss in a card, one sentence each."""
    named, _body = split(text)
    if not named:
        return [_("The card has no metadata. Begin it with ---, license: …, ---, so that the model can be found.")]
    without = _("The card names no license: nobody can tell what they may do with the model.")
    return [] if named.get("license") else [without]


def _where(fault: yaml.YAMLError) -> str:
    """What the parser says, and in which line of the card, whose first is the hyphens."""
    said = str(getattr(fault, "problem", None) or str(fault).splitlines()[0])
    mark = getattr(fault, "problem_mark", None)
    return _("line %(line)s, %(fault)s") % {"line": mark.line + 2, "fault": said} if mark else said


def parse(text: str) -> Card:
    """Front matter and safe HTML of a card's source."""
    front, body = split(text)
    return Card(front, render(body))


def render(markdown: str) -> str:
    """Markdown as safe HTML: no script, style, image, form or frame, and links that do not tell where one came from."""
    tokens = _markdown.parse(markdown)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"} and token.tag == "h1":
            token.tag = "h2"  # the page has its own h1
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
        clean_content_tags={"script", "style", "iframe", "object", "svg", "math", "template", "noscript"},
    )
    # An empty head names no column, and a block that scrolls sideways must be in reach of the keyboard.
    clean = clean.replace("<th></th>", "<td></td>").replace("<pre>", f"<pre {_scrolls(_('Code'))}>")
    clean = _TABLE.sub(lambda table: f"<div {_scrolls(_head(table))}>{table[0]}", clean)
    return clean.replace("</table>", "</table></div>")


def _scrolls(name: str) -> str:
    """The attributes of what scrolls sideways: in reach of the keyboard, and announced as what it is.

    A group, not a region: regions are landmarks, of which a page has few, each with a name of its own.
    """
    return f'tabindex="0" role="group" aria-label="{escape(name)}"'


def _head(table: re.Match[str]) -> str:
    """What a table is called aloud: the heads of its columns."""
    row = _ROW.search(table.string, table.end(), table.end() + _HEAD_MAX)
    cells = _CELL.findall(row[1]) if row else []
    heads = [" ".join(unescape(_MARKUP.sub("", cell)).split()) for cell in cells]
    return ", ".join(filter(None, heads)) or _("Table")


@lru_cache(maxsize=256)
def _card(digest: str, _language: str | None) -> Card:
    """Cards are immutable, and named by their digest: each is rendered once in a process and language."""
    return parse(_source(digest))


def _source(digest: str) -> str:
    with store().open(digest) as kept:
        return kept.read(CARD_MAX).decode("utf-8", "replace")


def _front(text: str) -> tuple[str | None, str]:
    """The YAML between two lines of three hyphens, None where the second is missing, and the text after it."""
    opened = _OPEN.match(text)
    if opened is None:
        return "", text
    closed = _CLOSE.search(text, opened.end())
    return (text[opened.end() : closed.start()], text[closed.end() :]) if closed else (None, text)


def split(text: str) -> tuple[dict[str, Any], str]:
    """Front matter as a table, and the Markdown after it."""
    front, body = _front(text)
    if not front:
        return {}, body
    try:
        data = _plain(texts.read_yaml(front, NODES_MAX), [NODES_MAX])
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}, body
    return (data if isinstance(data, dict) else {}), body


def _plain(data: Any, left: list[int]) -> Any:  # noqa: ANN401 whatever YAML can say
    """What JSON can carry: keys, dates and numbers past all measure as text. ValueError past `left` values: aliases can
    name billions."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("too many values")
    if isinstance(data, dict):
        return {mended(str(key)): _plain(value, left) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value, left) for value in data]
    if isinstance(data, str):
        return mended(data)
    if isinstance(data, int):
        return data if abs(data) < _LARGE else f"{data:#x}"
    return data if data is None or (isinstance(data, float) and math.isfinite(data)) else str(data)
